//! Engines: Podman, containerd and Docker with the runtime and the plugins under test, and an image for them.
//!
//! An engine works on a [`Host`] made by [`Host::for_engines`]: its state lies below the test's own files, and dropping it
//! removes what it keeps elsewhere. What a runtime or a plugin leaves is still found by the host.

mod containerd;
pub mod cri;
mod docker;
mod image;
mod podman;
mod rootless;

pub use containerd::Containerd;
pub use cri::Cri;
pub use docker::{Docker, Node};
pub use image::{Image, NAME, PAUSE};
pub use podman::Podman;
pub use rootless::Rootless;

use std::path::Path;

use crate::process::until;
use crate::{Call, Host, Output};

/// An engine that is driven by a program whose verbs Docker has made usual.
pub trait Engine {
    /// A call of its program.
    fn call(&self, words: &[&str]) -> Call;

    /// Calls and waits.
    #[must_use]
    fn run(&self, words: &[&str]) -> Output {
        self.call(words).run()
    }

    /// What a call that must succeed prints, without the line's end.
    #[track_caller]
    fn ok(&self, words: &[&str]) -> String {
        self.run(words).ok().out.trim_end().to_string()
    }

    /// `run`s the image with these options, to run these words.
    #[must_use]
    fn container(&self, options: &[&str], words: &[&str]) -> Output {
        self.run(&[&["run"], options, &[NAME], words].concat())
    }
}

/// Removes the networks of the engine, which are bridges, and what it keeps outside of its own directories.
fn leave(host: &Host, paths: &[&str]) {
    let bridges = host.tool(&["ip", "-o", "link", "show", "type", "bridge"]).out;
    for name in bridges.lines().filter_map(|line| line.split(": ").nth(1)) {
        host.tool(&["ip", "link", "delete", name]);
    }
    // Namespaces by name lie on a mount of their own.
    let _ = nix::mount::umount2("/run/netns", nix::mount::MntFlags::MNT_DETACH);
    // The runtime's own root, when the engine names none: empty, or it holds a leak.
    for root in ["/run/tare", "/run/crun", "/run/runc"] {
        let _ = std::fs::remove_dir(root);
    }
    forget(paths);
}

/// Removes what an engine keeps outside of its own directories. A missing file is no error.
fn forget(paths: &[&str]) {
    for path in paths.iter().map(Path::new) {
        let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    }
}

/// Removes the cgroup that an engine had for all its containers, from every hierarchy.
fn remove_cgroup(name: &str) {
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        let directory: &Path = &hierarchy.path().join(name);
        if directory.exists() {
            // What is not empty is found as a leak by the host.
            let _ = until(std::time::Duration::from_secs(3), || std::fs::remove_dir(directory).ok());
        }
    }
}
