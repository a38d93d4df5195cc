//! Podman as root, with its network by CNI plugins.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::engines::{Engine, Image, leave};
use crate::process::until;
use crate::{Call, Host};

/// A podman of its own: storage, state and networks lie below the host's files.
#[derive(Debug)]
pub struct Podman<'a> {
    host: &'a Host,
    directory: PathBuf,
}

/// What podman keeps elsewhere.
const ELSEWHERE: &[&str] =
    &["/run/libpod", "/run/lock", "/run/netns", "/dev/shm/libpod_lock", "/run/containers", "/run/cni"];

impl<'a> Podman<'a> {
    /// Starts with an empty storage into which the image is loaded. Plugins are looked for along the path.
    ///
    /// # Panics
    /// Podman is not installed, or refuses.
    #[must_use]
    pub fn start(host: &'a Host, plugins: &[PathBuf], image: &Image) -> Self {
        let directory = host.files().join("podman");
        std::fs::create_dir_all(directory.join("networks")).unwrap();
        let podman = Self { host, directory };
        std::fs::write(podman.directory.join("containers.conf"), podman.configuration(plugins)).unwrap();
        podman.run(&["load", "-q", "-i", image.archive().to_str().unwrap()]).ok();
        podman
    }

    fn configuration(&self, plugins: &[PathBuf]) -> String {
        let quoted: Vec<String> =
            plugins.iter().map(|path| format!("{:?}", path.display().to_string())).collect();
        format!(
            "{}[network]\nnetwork_backend = \"cni\"\ncni_plugin_dirs = [{}]\nnetwork_config_dir = \"{}\"\n",
            configuration(self.host.runtime().program()),
            quoted.join(", "),
            self.networks().display(),
        )
    }

    /// Where its networks' configurations lie.
    #[must_use]
    pub fn networks(&self) -> PathBuf {
        self.directory.join("networks")
    }

    /// The engine's own files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Engine for Podman<'_> {
    fn call(&self, words: &[&str]) -> Call {
        let place = |name: &str| self.directory.join(name);
        Call::new("podman", self.host.files())
            .with(|command| {
                command.env("CONTAINERS_CONF", self.directory.join("containers.conf"));
                command.env("TARE_TEST", self.host.marker()).env_remove("XDG_RUNTIME_DIR");
                command.arg("--root").arg(place("root")).arg("--runroot").arg(place("runroot"));
                command.arg("--tmpdir").arg(place("tmp")).args(["--storage-driver", "overlay"]);
            })
            .args(words)
            // Its monitor writes down where it stands that a container was short of memory.
            .within(&self.directory)
    }
}

impl Drop for Podman<'_> {
    fn drop(&mut self) {
        // A test that has failed says why; what it leaves has no owner any more.
        let _ = self.run(&["rm", "--all", "--force", "--time", "0"]);
        let _ = self.run(&["network", "prune", "--force"]);
        // Monitors clear up after their containers, each by a podman of its own, and open the storage for it.
        let _ = until(Duration::from_secs(5), || (!others_run()).then_some(()));
        let _ = Call::new("umount", self.host.files()).args([self.directory.join("root/overlay")]).run();
        leave(self.host, ELSEWHERE);
    }
}

/// The lines about the runtime. Limits are stated since the engine would ask for more than a container of a test machine may have.
pub(super) fn configuration(program: &Path) -> String {
    let name = program.file_name().unwrap().to_str().unwrap();
    format!(
        "[containers]\ndefault_ulimits = [\"nofile=20000:20000\", \"nproc=32768:32768\"]\n\
         [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nruntime = \"{name}\"\n\
         runtime_supports_json = [\"{name}\"]\nruntime_supports_nocgroup = [\"{name}\"]\n\
         [engine.runtimes]\n{name} = [\"{}\"]\n",
        program.display(),
    )
}

/// Whether a podman or a monitor runs in this mount namespace.
fn others_run() -> bool {
    let here = std::fs::read_link("/proc/thread-self/ns/mnt").unwrap();
    std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()).any(|process| {
        let name = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
        matches!(name.trim(), "podman" | "conmon")
            && std::fs::read_link(process.join("ns/mnt")).is_ok_and(|namespace| namespace == here)
    })
}
