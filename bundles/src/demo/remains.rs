//! The state of the machine before and after the demo.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};

/// The mounts, interfaces, routes and rules of the machine, and the demo's processes.
pub(crate) struct Remains(BTreeSet<String>);

impl Remains {
    /// Reads the state; `state` is the demo's own directory, which marks its processes.
    pub(crate) fn look(state: &Path) -> Result<Self> {
        let mut all = BTreeSet::new();
        for line in std::fs::read_to_string("/proc/self/mountinfo")?.lines() {
            all.insert(format!("mount {}", line.split(' ').skip(3).collect::<Vec<_>>().join(" ")));
        }
        for file in ["dev", "route", "if_inet6"] {
            for line in
                std::fs::read_to_string(format!("/proc/self/net/{file}")).unwrap_or_default().lines().skip(1)
            {
                // Only the first word: the others count packets.
                all.insert(format!("{file} {}", line.split_whitespace().next().unwrap_or_default()));
            }
        }
        for line in rules().lines() {
            all.insert(format!("rule {line}"));
        }
        let mark = state.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for process in
            names(Path::new("/proc")).iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        {
            if let Some(line) = of_the_demo(process, &mark) {
                all.insert(format!("process {process} {line}"));
            }
        }
        Ok(Self(all))
    }

    /// Fails if `after` has more than before.
    pub(crate) fn compare(&self, after: &Self) -> Result<()> {
        let left: Vec<&String> = after.0.difference(&self.0).collect();
        if !left.is_empty() {
            bail!("left behind on the machine: {left:#?}");
        }
        Ok(())
    }
}

/// The machine's nftables rules. Without nft, the demo can have made none.
fn rules() -> String {
    let output = std::process::Command::new("nft").args(["list", "ruleset"]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// The command line of a process of the demo.
fn of_the_demo(process: &str, mark: &str) -> Option<String> {
    if process == std::process::id().to_string() {
        return None;
    }
    let cgroups = std::fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?;
    let line =
        String::from_utf8_lossy(&std::fs::read(format!("/proc/{process}/cmdline")).ok()?).replace('\0', " ");
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    // A zombie that the machine's init has not reaped yet does not count.
    let dead = status.lines().any(|line| line.starts_with("State:\tZ"));
    (!dead && (cgroups.contains("/tare-demo/") || line.contains(mark))).then_some(line)
}

/// The names in a directory; none if it does not exist.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Removes the demo's parent cgroup from every hierarchy. No container may be left in it.
pub(crate) fn remove_cgroup(name: &str) -> Result<()> {
    let top = Path::new("/sys/fs/cgroup");
    for hierarchy in names(top).iter().map(|hierarchy| top.join(hierarchy)).chain([top.to_path_buf()]) {
        let cgroup = hierarchy.join(name);
        let left: Vec<String> =
            names(&cgroup).into_iter().filter(|inner| cgroup.join(inner).is_dir()).collect();
        if !left.is_empty() {
            bail!("cgroups are left in {}: {left:?}", cgroup.display());
        }
        // The runtime may have removed it, or another demo may use it.
        let _ = std::fs::remove_dir(&cgroup);
    }
    Ok(())
}
