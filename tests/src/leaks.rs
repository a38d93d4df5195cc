//! Leaks: what a test's host and the machine hold, before and after.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::process::until;

/// How long the kernel may take to remove what a runtime has released.
const GRACE: Duration = Duration::from_secs(3);
/// No leaks: the test's own files, and what mount(8) notes when a test calls it.
const PASSED_OVER: [&str; 2] = ["/tmp/test", "/run/mount"];

/// What there is: each thing as one line that names its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot(BTreeSet<String>);

impl Snapshot {
    /// Looks at this thread's host, and at what bears the marker on the machine.
    #[must_use]
    pub fn take(marker: &str) -> Self {
        let mut all = BTreeSet::new();
        mounts(&mut all);
        for directory in ["/run", "/tmp", "/dev/shm"] {
            files(Path::new(directory), &mut all);
        }
        cgroups(marker, &mut all);
        processes(marker, &mut all);
        network(&mut all);
        Self(all)
    }

    /// What there is at this moment and was not then.
    #[must_use]
    pub fn since(&self, marker: &str) -> Vec<String> {
        Self::take(marker).0.difference(&self.0).cloned().collect()
    }

    /// What there is now and was not then, once the kernel has had time to finish.
    #[must_use]
    pub fn leaks(&self, marker: &str) -> Vec<String> {
        let mut last = Vec::new();
        let clean = until(GRACE, || {
            last = self.since(marker);
            last.is_empty().then_some(())
        });
        if clean.is_some() { Vec::new() } else { last }
    }
}

fn mounts(all: &mut BTreeSet<String>) {
    let text = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    for line in text.lines() {
        // The first two fields are numbers that the kernel gives anew to each mount.
        let rest: Vec<&str> = line.split(' ').skip(2).collect();
        all.insert(format!("mount {}", rest.join(" ")));
    }
}

fn files(directory: &Path, all: &mut BTreeSet<String>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if PASSED_OVER.iter().any(|known| path == Path::new(known)) {
            continue;
        }
        all.insert(format!("file {}", path.display()));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files(&path, all);
        }
    }
}

fn cgroups(marker: &str, all: &mut BTreeSet<String>) {
    // Below it lie the hierarchies, or, where version 2 is alone, the groups themselves.
    groups(Path::new("/sys/fs/cgroup"), marker, all);
}

fn groups(directory: &Path, marker: &str, all: &mut BTreeSet<String>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let path = entry.path();
        if path.to_string_lossy().contains(marker) {
            all.insert(format!("cgroup {}", path.display()));
        }
        groups(&path, marker, all);
    }
}

fn processes(marker: &str, all: &mut BTreeSet<String>) {
    let own = std::process::id().to_string();
    let here = std::fs::read_link("/proc/thread-self/ns/mnt").unwrap();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == own || !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let path = entry.path();
        if is_dead(&path) {
            continue;
        }
        let bears = ["cgroup", "environ", "cmdline"].iter().any(|file| {
            let bytes = std::fs::read(path.join(file)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).contains(marker)
        });
        let inside = std::fs::read_link(path.join("ns/mnt")).is_ok_and(|namespace| namespace == here);
        if bears || inside {
            let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
            all.insert(format!("process {name} {}", String::from_utf8_lossy(&line).replace('\0', " ")));
        }
    }
}

/// Whether a process has ended and waits for the machine's init, which takes its time, to notice.
fn is_dead(process: &Path) -> bool {
    let status = std::fs::read_to_string(process.join("status")).unwrap_or_default();
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    field("State:").starts_with('Z') && field("PPid:") == "1"
}

/// Ends what bears the marker and removes its cgroups: for a test that has failed, so that others do not.
pub(crate) fn sweep(marker: &str) {
    let mut all = BTreeSet::new();
    cgroups(marker, &mut all);
    let groups: Vec<&Path> =
        all.iter().filter_map(|line| line.strip_prefix("cgroup ")).map(Path::new).collect();
    for group in &groups {
        // Only one hierarchy of v1 has this file, and a process that it holds does not die.
        let _ = std::fs::write(group.join("freezer.state"), "THAWED");
        for pid in std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default().lines() {
            let pid = Pid::from_raw(pid.parse().unwrap());
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
    until(GRACE, || {
        // The inner ones first; those with dying processes in the next round.
        let left =
            groups.iter().rev().filter(|group| group.exists() && std::fs::remove_dir(group).is_err()).count();
        (left == 0).then_some(())
    });
}

/// Interfaces, addresses, routes and sockets of this thread's network namespace.
fn network(all: &mut BTreeSet<String>) {
    let read =
        |name: &str| std::fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default();
    for line in read("dev").lines().skip(2) {
        all.insert(format!("interface {}", line.split(':').next().unwrap_or_default().trim()));
    }
    for (kind, file) in [("route", "route"), ("address", "if_inet6"), ("route", "ipv6_route")] {
        // The heading of the routes is there from the first address on.
        for line in read(file).lines().filter(|line| !line.starts_with("Iface")) {
            // Counters and reference counts change by themselves.
            let fields: Vec<&str> = line.split_whitespace().collect();
            all.insert(format!(
                "{kind} {}",
                fields.iter().take(5).chain(fields.last()).copied().collect::<Vec<_>>().join(" ")
            ));
        }
    }
    for line in read("fib_trie").lines().filter(|line| line.contains("|--")) {
        all.insert(format!("address {}", line.trim()));
    }
    for line in read("unix").lines().skip(1) {
        if let Some(path) = line.split_whitespace().nth(7) {
            all.insert(format!("socket {path}"));
        }
    }
}
