//! Docker Engine, with the runtime under test as its default: one daemon, or several that are machines of their own.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;

use crate::engines::{Engine, Image, leave, remove_cgroup};
use crate::{Call, Host, Running, eventually};

/// A daemon of its own: its state lies below the host's files, and it ends with this.
#[derive(Debug)]
pub struct Docker<'a> {
    host: &'a Host,
    directory: PathBuf,
    node: Node,
    containerd: Running,
    daemon: Option<Running>,
}

/// Where a daemon runs.
#[derive(Debug)]
pub struct Node {
    /// Its name, by which its cgroups and its files are found.
    pub name: &'static str,
    /// Its network namespace; none is the host's own.
    pub network: Option<File>,
    /// Further options of the daemon.
    pub options: &'static [&'static str],
}

/// What Docker keeps elsewhere.
const ELSEWHERE: &[&str] =
    &["/run/docker", "/run/containerd", "/run/runc", "/run/netns", "/run/xtables.lock"];
/// Where it keeps its key, whatever its options are.
const KEY: &str = "/etc/docker";
/// What the runtime is called; Docker has a meaning of its own for `runc`.
const RUNTIME: &str = "tested";

impl<'a> Docker<'a> {
    /// Starts a daemon and loads the image.
    ///
    /// # Panics
    /// Docker is not installed, or is not ready in time.
    #[must_use]
    pub fn start(host: &'a Host, node: Node, image: &Image) -> Self {
        let directory = host.files().join(format!("docker-{}", node.name));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::create_dir_all(KEY).unwrap();
        mount(Some("docker"), KEY, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
        let containerd = containerd(host, &directory);
        let mut docker = Self { host, directory, node, containerd, daemon: None };
        docker.boot();
        docker.run(&["load", "-q", "-i", image.archive().to_str().unwrap()]).ok();
        docker
    }

    /// Starts the daemon, which must answer soon.
    ///
    /// # Panics
    /// It does not.
    pub fn boot(&mut self) {
        let place = |name: &str| self.directory.join(name).display().to_string();
        let runtime = format!("{RUNTIME}={}", self.host.runtime().program().display());
        let mut words: Vec<String> = match &self.node.network {
            Some(network) => {
                let namespace = format!("--net=/proc/{}/fd/{}", std::process::id(), network.as_raw_fd());
                vec!["nsenter".to_string(), namespace]
            }
            None => Vec::new(),
        };
        words.push("dockerd".to_string());
        for (option, value) in [
            ("--data-root", place("data")),
            ("--exec-root", place("exec")),
            ("--pidfile", place("pid")),
            ("--host", format!("unix://{}", self.socket().display())),
            ("--cgroup-parent", format!("/{}", self.cgroup())),
            ("--containerd", place("containerd.sock")),
            ("--log-level", "warn".to_string()),
        ] {
            words.extend([option.to_string(), value]);
        }
        // A file says all about runtimes, or nothing.
        if !self.node.options.contains(&"--config-file") {
            words.extend(["--add-runtime", &runtime, "--default-runtime", RUNTIME].map(str::to_string));
        }
        words.extend(self.node.options.iter().map(ToString::to_string));
        let marker = self.host.marker();
        let call = Call::new(&words[0], self.host.files()).args(&words[1..]).with(|command| {
            command.env("TARE_TEST", marker).env("PATH", self.path());
        });
        self.daemon = Some(call.spawn());
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while self.run(&["version"]).code != 0 {
            assert!(std::time::Instant::now() < limit, "the daemon does not answer: {}", self.log());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// Where the daemon looks for programs: BuildKit runs what is called `runc` there, whatever the default runtime is.
    fn path(&self) -> OsString {
        let own = self.directory.join("path");
        let runc = own.join("runc");
        if !runc.exists() {
            std::fs::create_dir_all(&own).unwrap();
            std::os::unix::fs::symlink(self.host.runtime().program(), runc).unwrap();
        }
        let mut path = own.into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        path
    }

    /// Kills the daemon, as a crash would.
    ///
    /// # Panics
    /// It does not run.
    pub fn crash(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        daemon.signal(Signal::SIGKILL);
        let _ = daemon.wait();
        let _ = std::fs::remove_file(self.directory.join("pid"));
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }

    /// The cgroup of all its containers.
    #[must_use]
    pub fn cgroup(&self) -> String {
        format!("{}-{}", self.host.marker(), self.node.name)
    }

    /// Where the daemon keeps images and containers.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// What the daemon has complained of.
    #[must_use]
    pub fn log(&self) -> String {
        self.daemon.as_ref().map(Running::complaints).unwrap_or_default()
    }
}

impl Engine for Docker<'_> {
    fn call(&self, words: &[&str]) -> Call {
        let socket = format!("unix://{}", self.socket().display());
        Call::new("/usr/bin/docker", self.host.files())
            .with(|command| {
                command.env("DOCKER_CONFIG", self.directory.join("client")).env("DOCKER_BUILDKIT", "0");
                command.args(["--host", &socket]);
            })
            .args(words)
    }
}

impl Drop for Docker<'_> {
    fn drop(&mut self) {
        // A test that has failed says why; what it leaves has no owner any more.
        let all = self.run(&["ps", "-aq"]).out;
        let ids: Vec<&str> = all.split_whitespace().collect();
        if !ids.is_empty() {
            let _ = self.run(&[&["rm", "-f"], &ids[..]].concat());
        }
        if let Some(mut daemon) = self.daemon.take() {
            daemon.signal(Signal::SIGTERM);
            let _ = daemon.wait();
        }
        self.containerd.signal(Signal::SIGTERM);
        let _ = self.containerd.wait();
        unmount_below(&self.directory);
        unmount_below(Path::new(KEY));
        let _ = std::fs::remove_dir(KEY);
        // The one between, which BuildKit asks for, belongs to no container.
        remove_cgroup(&format!("{}/buildkit", self.cgroup()));
        remove_cgroup(&self.cgroup());
        leave(self.host, ELSEWHERE);
    }
}

/// Unmounts what a daemon leaves mounted: its directories, and the namespace that it calls `default`.
fn unmount_below(directory: &Path) {
    let text = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
    let places = text.lines().rev().filter_map(|line| line.split(' ').nth(4).map(Path::new));
    for place in places.filter(|place| place.starts_with(directory)) {
        let _ = nix::mount::umount2(place, nix::mount::MntFlags::MNT_DETACH);
    }
}

/// The containerd of a daemon, which lives on when the daemon does not.
fn containerd(host: &Host, directory: &Path) -> Running {
    let place = |name: &str| directory.join(name).display().to_string();
    let configuration = format!(
        "version = 2\nroot = \"{}\"\nstate = \"{}\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
         [grpc]\naddress = \"{}\"\n[plugins.\"io.containerd.internal.v1.opt\"]\npath = \"{}\"\n",
        place("containerd/root"),
        place("containerd/state"),
        place("containerd.sock"),
        place("containerd/opt"),
    );
    let file = directory.join("containerd.toml");
    std::fs::write(&file, configuration).unwrap();
    let call = Call::new("containerd", host.files()).args(["--config".as_ref(), file.as_os_str()]);
    let call = call.with(|command| {
        command.env("TARE_TEST", host.marker()).env("PATH", crate::criu::on_path(host.files()));
    });
    let running = call.spawn();
    eventually("containerd listens", || directory.join("containerd.sock").exists());
    running
}
