//! The cgroup hierarchies of this machine, by what is mounted: a directory that is only named after a controller is none.

use std::path::PathBuf;

use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, FsType, statfs};

/// One mounted hierarchy.
#[derive(Debug)]
struct Hierarchy {
    mount: PathBuf,
    version: Version,
    /// On v1, the options of the superblock; the controllers are among them.
    options: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// The mount point of the v1 hierarchy with this controller (`name=systemd` for one that has a name only).
#[must_use]
pub fn v1(controller: &str) -> Option<PathBuf> {
    let has = |hierarchy: &Hierarchy| hierarchy.options.split(',').any(|option| option == controller);
    mounted().into_iter().find(|one| one.version == Version::V1 && has(one)).map(|one| one.mount)
}

/// The mount point of the v2 hierarchy.
#[must_use]
pub fn v2() -> Option<PathBuf> {
    mounted().into_iter().find(|one| one.version == Version::V2).map(|one| one.mount)
}

/// The mount points of all hierarchies.
#[must_use]
pub fn all() -> Vec<PathBuf> {
    mounted().into_iter().map(|one| one.mount).collect()
}

/// Whether v2 is the only version here.
#[must_use]
pub fn only_v2() -> bool {
    let all = mounted();
    !all.is_empty() && all.iter().all(|one| one.version == Version::V2)
}

/// The hierarchies that this thread sees: a mount below another one is in the list as well, but its path leads elsewhere.
fn mounted() -> Vec<Hierarchy> {
    let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let mut all: Vec<Hierarchy> = mounts.lines().filter_map(parse).filter(is_visible).collect();
    // A hierarchy that is mounted twice counts once; the first place is the usual one.
    let mut seen: Vec<(Version, String)> = Vec::new();
    all.retain(|one| {
        let key = (one.version, one.options.clone());
        let new = !seen.contains(&key);
        seen.push(key);
        new
    });
    all
}

/// One line of mountinfo (proc_pid_mountinfo(5)): the mount point is field 5, after " - " are type, source and options.
fn parse(line: &str) -> Option<Hierarchy> {
    let (mount, super_block) = line.split_once(" - ")?;
    let mut fields = super_block.split(' ');
    let version = match fields.next()? {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    let mount = mount.split(' ').nth(4)?.into();
    Some(Hierarchy { mount, version, options: fields.nth(1)?.to_string() })
}

fn is_visible(hierarchy: &Hierarchy) -> bool {
    let magic: FsType = match hierarchy.version {
        Version::V1 => CGROUP_SUPER_MAGIC,
        Version::V2 => CGROUP2_SUPER_MAGIC,
    };
    statfs(&hierarchy.mount).is_ok_and(|found| found.filesystem_type() == magic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_mount_point_and_the_controllers() {
        let line = "38 31 0:35 / /sys/fs/cgroup/cpu rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct";
        let hierarchy = parse(line).unwrap();
        assert_eq!((hierarchy.mount, hierarchy.version), ("/sys/fs/cgroup/cpu".into(), Version::V1));
        assert_eq!(hierarchy.options, "rw,cpu,cpuacct");
    }

    #[test]
    fn a_directory_named_after_a_controller_is_none() {
        assert!(parse("31 23 0:28 / /sys/fs/cgroup/hugetlb rw - tmpfs tmpfs rw,mode=755").is_none());
    }
}
