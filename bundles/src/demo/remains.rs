//! Remains: what the machine holds, looked at before and after the demo.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};

/// The mounts, interfaces, routes and rules of the machine, and whatever bears the demo's mark.
pub(crate) struct Remains(BTreeSet<String>);

impl Remains {
    /// Looks; `state` is the demo's own directory, which does not count.
    pub(crate) fn look(state: &Path) -> Result<Self> {
        let mut all = BTreeSet::new();
        for line in std::fs::read_to_string("/proc/self/mountinfo")?.lines() {
            all.insert(format!("mount {}", line.split(' ').skip(3).collect::<Vec<_>>().join(" ")));
        }
        for file in ["dev", "route", "if_inet6"] {
            for line in
                std::fs::read_to_string(format!("/proc/self/net/{file}")).unwrap_or_default().lines().skip(1)
            {
                // The first word: what follows counts packets.
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

    /// Fails when there is more afterwards than before.
    pub(crate) fn compare(&self, after: &Self) -> Result<()> {
        let left: Vec<&String> = after.0.difference(&self.0).collect();
        if !left.is_empty() {
            bail!("left behind on the machine: {left:#?}");
        }
        Ok(())
    }
}

/// The machine's own rules; a machine without nft has none that we could have made.
fn rules() -> String {
    let output = std::process::Command::new("nft").args(["list", "ruleset"]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// The command line of a process that is one of the demo's containers or works for it.
fn of_the_demo(process: &str, mark: &str) -> Option<String> {
    if process == std::process::id().to_string() {
        return None;
    }
    let groups = std::fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?;
    let line =
        String::from_utf8_lossy(&std::fs::read(format!("/proc/{process}/cmdline")).ok()?).replace('\0', " ");
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    // One that has ended and that the machine's init has not noticed yet is nothing.
    let dead = status.lines().any(|line| line.starts_with("State:\tZ"));
    (!dead && (groups.contains("/tare-demo/") || line.contains(mark))).then_some(line)
}

/// The names in a directory; none when it is not there.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Removes the demo's parent group, which must be empty of containers, from every hierarchy.
pub(crate) fn empty_group(name: &str) -> Result<()> {
    let top = Path::new("/sys/fs/cgroup");
    for hierarchy in names(top).iter().map(|hierarchy| top.join(hierarchy)).chain([top.to_path_buf()]) {
        let group = hierarchy.join(name);
        let left: Vec<String> =
            names(&group).into_iter().filter(|inner| group.join(inner).is_dir()).collect();
        if !left.is_empty() {
            bail!("control groups are left in {}: {left:?}", group.display());
        }
        // The runtime may have removed it itself; another demo may be running in it.
        let _ = std::fs::remove_dir(&group);
    }
    Ok(())
}
