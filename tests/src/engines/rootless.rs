//! Podman as a rootless user: in a user namespace of its own making, and without a cgroup where version 1 has them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::engines::podman::configuration;
use crate::engines::{Engine, Image};
use crate::{Call, Host};

/// A podman of a user who has no rights, whose home lies below the host's files.
#[derive(Debug)]
pub struct Rootless<'a> {
    host: &'a Host,
    home: PathBuf,
}

/// The user's number.
const UID: u32 = 4711;
/// The directory of the user's session.
const SESSION: &str = "/run/user/4711";
/// The files by which the machine knows users and their ids.
const FILES: [&str; 4] = ["passwd", "group", "subuid", "subgid"];

impl<'a> Rootless<'a> {
    /// Makes the user known to this host alone, with 65,536 further ids, and loads the image.
    ///
    /// # Panics
    /// Podman or `newuidmap` are not installed, or Podman refuses.
    #[must_use]
    pub fn start(host: &'a Host, image: &Image) -> Self {
        let home = host.files().join("home");
        known(host);
        let settings = home.join(".config/containers");
        for directory in [settings.as_path(), Path::new(SESSION)] {
            std::fs::create_dir_all(directory).unwrap();
        }
        // A checkout may lie where only root looks.
        let program = host.files().join(host.runtime().program().file_name().unwrap());
        std::fs::copy(host.runtime().program(), &program).unwrap();
        let podman = Self { host, home };
        std::fs::write(settings.join("containers.conf"), configuration(&program)).unwrap();
        std::fs::write(settings.join("storage.conf"), "[storage]\ndriver = \"overlay\"\n").unwrap();
        std::fs::set_permissions(SESSION, std::fs::Permissions::from_mode(0o700)).unwrap();
        host.tool(&["chown", "-R", "4711:4711", podman.home.to_str().unwrap(), SESSION]);
        podman.run(&["load", "-q", "-i", image.archive().to_str().unwrap()]).ok();
        podman
    }

    /// The directory of the user's session.
    #[must_use]
    pub fn session(&self) -> &Path {
        Path::new(SESSION)
    }
}

impl Engine for Rootless<'_> {
    /// By the user, with the least environment.
    fn call(&self, words: &[&str]) -> Call {
        let id = UID.to_string();
        let user = ["--reuid", &id, "--regid", &id, "--clear-groups", "podman"];
        Call::new("setpriv", self.host.files())
            .with(|command| {
                command.env_clear().env("HOME", &self.home).env("XDG_RUNTIME_DIR", SESSION);
                command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("TARE_TEST", self.host.marker());
            })
            .args(user)
            .args(words)
            .within(&self.home)
    }
}

impl Drop for Rootless<'_> {
    fn drop(&mut self) {
        // A test that has failed says why; what it leaves has no owner any more.
        let _ = self.run(&["rm", "--all", "--force", "--time", "0"]);
        // The process that keeps the user's namespaces ends.
        let _ = self.run(&["system", "migrate"]);
        for name in FILES {
            let _ = umount2(&Path::new("/etc").join(name), MntFlags::MNT_DETACH);
        }
        let _ = std::fs::remove_dir_all("/run/user");
        for path in ["/dev/shm/libpod_rootless_lock_4711", "/run/lock", "/run/libpod"] {
            let path = Path::new(path);
            let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        }
    }
}

/// Lays files about the user over those of the machine, in this mount namespace.
fn known(host: &Host) {
    let directory = host.files().join("etc");
    std::fs::create_dir_all(&directory).unwrap();
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let home = host.files().join("home");
    let texts = [
        format!("{}tester:x:{UID}:{UID}::{}:/bin/sh\n", read("/etc/passwd"), home.display()),
        format!("{}tester:x:{UID}:\n", read("/etc/group")),
        "tester:300000:65536\n".to_string(),
        "tester:300000:65536\n".to_string(),
    ];
    for (name, text) in FILES.iter().zip(texts) {
        let (own, place) = (directory.join(name), Path::new("/etc").join(name));
        std::fs::write(&own, text).unwrap();
        // A machine without such users may lack the files.
        std::fs::OpenOptions::new().append(true).create(true).open(&place).unwrap();
        mount(Some(&own), &place, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    }
}
