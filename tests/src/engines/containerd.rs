//! containerd with `ctr` as its client, whose networks come from CNI plugins.

use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::engines::{Image, NAME, leave, remove_cgroup};
use crate::{Call, Host, Output, Running, eventually};

/// A daemon of its own: its state lies below the host's files, and it ends with this.
#[derive(Debug)]
pub struct Containerd<'a> {
    host: &'a Host,
    directory: PathBuf,
    namespace: String,
    _plugins: Option<Installed>,
    daemon: Option<Running>,
}

/// Where `ctr` looks for networks.
const NETWORKS: &str = "/etc/cni/net.d";
/// What containerd and its shims keep elsewhere.
const ELSEWHERE: &[&str] = &["/run/containerd", "/run/runc", "/run/netns"];

/// Debian's directory of plugins, which alone `ctr` knows, with others in it.
#[derive(Debug)]
struct Installed {
    aside: PathBuf,
}

const PLUGINS: &str = "/usr/lib/cni";

impl Installed {
    /// Of programs with one name the first counts.
    fn from(directory: &Path, plugins: &[PathBuf]) -> Self {
        let (aside, mixed) = (directory.join("debian-plugins"), directory.join("plugins"));
        std::fs::create_dir_all(&aside).unwrap();
        std::fs::create_dir_all(&mixed).unwrap();
        bind(Path::new(PLUGINS), &aside);
        for source in plugins {
            let source = if source == Path::new(PLUGINS) { &aside } else { source };
            for entry in std::fs::read_dir(source).unwrap().flatten() {
                let target = mixed.join(entry.file_name());
                if entry.path().is_file() && !target.exists() {
                    std::os::unix::fs::symlink(entry.path(), target).unwrap();
                }
            }
        }
        bind(&mixed, Path::new(PLUGINS));
        Self { aside }
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        for place in [Path::new(PLUGINS), &self.aside] {
            let _ = umount2(place, MntFlags::MNT_DETACH);
        }
    }
}

fn bind(source: &Path, target: &Path) {
    mount(Some(source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
}

impl<'a> Containerd<'a> {
    /// Starts the daemon and loads the image.
    ///
    /// # Panics
    /// containerd is not installed, or is not ready in time.
    #[must_use]
    pub fn start(host: &'a Host, plugins: &[PathBuf], image: &Image) -> Self {
        let directory = host.files().join("containerd");
        std::fs::create_dir_all(&directory).unwrap();
        let installed = Installed::from(&directory, plugins);
        let without = "disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n";
        // Its cgroups bear the namespace's name, on a machine that all tests share.
        let mut containerd = Self::launch(host, without, host.marker());
        containerd._plugins = Some(installed);
        containerd.import(image);
        containerd
    }

    /// Starts the daemon with further lines in its configuration; `ctr` will act in the namespace of that name.
    pub(crate) fn launch(host: &'a Host, further: &str, namespace: &str) -> Self {
        let directory = host.files().join("containerd");
        std::fs::create_dir_all(&directory).unwrap();
        let place = |name: &str| directory.join(name).display().to_string();
        let configuration = format!(
            "version = 2\nroot = \"{}\"\nstate = \"{}\"\n{further}\
             [grpc]\naddress = \"{}\"\n[plugins.\"io.containerd.internal.v1.opt\"]\npath = \"{}\"\n",
            place("root"),
            place("state"),
            place("socket"),
            place("opt"),
        );
        std::fs::write(directory.join("config.toml"), configuration).unwrap();
        // With some options `ctr` forgets the given runtime and takes the program named runc.
        std::fs::create_dir_all(directory.join("opt/bin")).unwrap();
        let runc = directory.join("opt/bin/runc");
        if !runc.exists() {
            std::os::unix::fs::symlink(host.runtime().program(), runc).unwrap();
        }
        let namespace = namespace.to_string();
        let mut containerd = Self { host, directory, namespace, _plugins: None, daemon: None };
        containerd.boot();
        containerd
    }

    /// Loads an image.
    ///
    /// # Panics
    /// It is refused.
    pub fn import(&self, image: &Image) {
        self.run(&["image", "import", image.archive().to_str().unwrap()]).ok();
    }

    /// Where the daemon listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }

    /// Starts the daemon, which must answer soon.
    ///
    /// # Panics
    /// It does not.
    pub fn boot(&mut self) {
        let file = self.directory.join("config.toml");
        let marker = self.host.marker();
        let call = Call::new("containerd", self.host.files()).args(["--config".as_ref(), file.as_os_str()]);
        let call = call.with(|command| {
            command.env("TARE_TEST", marker);
        });
        self.daemon = Some(call.spawn());
        eventually("containerd answers", || self.run(&["version"]).code == 0);
    }

    /// Kills the daemon, as a crash would.
    ///
    /// # Panics
    /// It does not run.
    pub fn crash(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        daemon.signal(nix::sys::signal::Signal::SIGKILL);
        let _ = daemon.wait();
    }

    /// Writes a network's list, the only one that `ctr run --cni` will use.
    ///
    /// # Panics
    /// It can't be written.
    pub fn network(&self, list: &serde_json::Value) {
        std::fs::create_dir_all(NETWORKS).unwrap();
        std::fs::write(Path::new(NETWORKS).join("10-test.conflist"), list.to_string()).unwrap();
    }

    /// A call of `ctr`.
    #[must_use]
    pub fn call(&self, words: &[&str]) -> Call {
        Call::new("ctr", self.host.files())
            .with(|command| {
                command.env("CONTAINERD_ADDRESS", self.socket());
                command.env("CONTAINERD_NAMESPACE", &self.namespace);
            })
            .args(words)
    }

    /// Calls and waits.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Output {
        self.call(words).run()
    }

    /// The words that `run` the image by the runtime under test, with options before and the container's own after.
    #[must_use]
    pub fn container(&self, id: &str, options: &[&str], words: &[&str]) -> Call {
        let program = self.host.runtime().program().to_str().unwrap();
        self.call(&[&["run", "--runc-binary", program], options, &[NAME, id], words].concat())
    }

    /// What the daemon has complained of.
    #[must_use]
    pub fn log(&self) -> String {
        self.daemon.as_ref().map(Running::complaints).unwrap_or_default()
    }
}

impl Drop for Containerd<'_> {
    fn drop(&mut self) {
        for verb in ["task", "container"] {
            let listed = self.run(&[verb, "list", "-q"]).out;
            for id in listed.lines() {
                // A test that has failed says why; what it leaves has no owner any more.
                let force: &[&str] = if verb == "task" { &["--force"] } else { &[] };
                let _ = self.run(&[&[verb, "delete"], force, &[id]].concat());
            }
        }
        if let Some(mut daemon) = self.daemon.take() {
            daemon.signal(nix::sys::signal::Signal::SIGTERM);
            let _ = daemon.wait();
        }
        let _ = std::fs::remove_dir_all(NETWORKS);
        remove_cgroup(self.host.marker());
        leave(self.host, ELSEWHERE);
    }
}
