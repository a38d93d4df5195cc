//! Facts about the host that `tare-plan` needs: cgroup hierarchies, privileges, security modules, the kernel's release.
//!
//! A probe reads and changes nothing. Verbs use this file. It may use `cgroup`, `systemd`, `mounts` and the floors below.

use crate::errno::words;
use crate::error::{Error, Result};
use crate::fault::{Call, During};
use crate::mounts::root_dir::{self, is_on};
use rustix::fd::AsFd;
use rustix::fs::{self, CWD, Mode, OFlags};
use rustix::process::{getegid, geteuid};
use std::ffi::CStr;
use tare_plan::host::Manager;
use tare_plan::host::{CgroupVersion, Hierarchy, Host, Kernel, Privilege, SecurityModules};
use tare_plan::tables::capabilities::Capability;

// The types of file systems (statfs(2), linux/magic.h).
const CGROUP: u64 = 0x0027_e0eb;
const CGROUP2: u64 = 0x6367_7270;
const SELINUX: u64 = 0xf97c_ff8c;
const RESCTRL: u64 = 0x0765_5821;

/// The usual mount point of resctrl.
const RESCTRL_AT: &str = "/sys/fs/resctrl";

/// The usual directory for mounts of cgroup hierarchies (hier(7)).
const MOUNTS: &str = "/sys/fs/cgroup";

/// Collects the facts about this host.
///
/// # Errors
/// When the kernel does not return the capabilities of this process.
pub fn host() -> Result<Host> {
    let sets = rustix::thread::capabilities(None).during(Call::SetCapabilities);
    let sets = sets.map_err(|fault| Error::act("read the runtime's capabilities", fault))?;
    let administrator = sets.effective.bits() & (1 << Capability::SysAdmin.number()) != 0;
    let privilege = if geteuid().is_root() && administrator {
        Privilege::Root
    } else {
        Privilege::User { uid: geteuid().as_raw(), gid: getegid().as_raw() }
    };
    let nested = in_user_namespace();
    let hierarchies = hierarchies(&std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default());
    let denies_cgroups = nested && !hierarchies.iter().all(|hierarchy| is_delegated(&hierarchy.mount));
    Ok(Host {
        hierarchies,
        privilege,
        in_user_namespace: nested,
        denies_cgroups,
        denies_groups: nested
            && std::fs::read("/proc/self/setgroups").is_ok_and(|word| word.starts_with(b"deny")),
        capabilities: sets.permitted.bits(),
        kernel: kernel(rustix::system::uname().release().to_str().unwrap_or_default()),
        kcore: fs::access(c"/proc/kcore", fs::Access::EXISTS).is_ok(),
        resctrl: resctrl(),
        security: security(),
        systemd: None,
    })
}

/// Adds the systemd instance that this user may ask for units: the system manager for root, the user manager for a rootless user.
///
/// Inside a rootless Podman's user namespace uid 0 is not the host's root. The variables of a login session give that away.
pub(crate) fn add_systemd(host: &mut Host) -> Result<()> {
    let session = ["DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    let manager = match host.privilege {
        Privilege::Root if !(host.in_user_namespace && session) => Manager::System,
        _ => Manager::User,
    };
    add_manager(host, manager)
}

/// Adds the facts about a systemd instance. A user manager delegates only some controllers (systemd.resource-control(5),
/// `Delegate=`), and plans may use no others.
pub(crate) fn add_manager(host: &mut Host, manager: Manager) -> Result<()> {
    let systemd = crate::systemd::unit::facts(manager)?;
    if manager == Manager::User && host.is_unified() {
        for hierarchy in &mut host.hierarchies {
            let path = format!("{}{}/cgroup.controllers", hierarchy.mount, systemd.cgroup);
            let delegated = std::fs::read_to_string(path).unwrap_or_default();
            hierarchy.controllers = delegated.split_ascii_whitespace().map(str::to_owned).collect();
        }
    }
    host.systemd = Some(systemd);
    Ok(())
}

/// Returns the mount point of resctrl. `/proc/self/mountinfo` can be long, so it is read only if the kernel has resctrl and the
/// usual mount point does not show it.
fn resctrl() -> Option<String> {
    if is_mounted(RESCTRL_AT, RESCTRL) {
        return Some(RESCTRL_AT.to_owned());
    }
    fs::access(RESCTRL_AT, fs::Access::EXISTS).ok()?;
    resctrl_in(&std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

/// Returns the mount point of the first `resctrl` mount (proc_pid_mountinfo(5): field 5, and the type after the separator).
fn resctrl_in(mountinfo: &str) -> Option<String> {
    let line = mountinfo.lines().find(|line| line.contains(" - resctrl "))?;
    line.split(' ').nth(4).map(str::to_owned)
}

/// Whether this process is in another user namespace than the initial one, which has a fixed inode number (`PROC_USER_INIT_INO`
/// in linux/proc_ns.h).
#[must_use]
pub fn in_user_namespace() -> bool {
    const FIRST: u64 = 0xefff_fffd;
    fs::stat(c"/proc/self/ns/user").is_ok_and(|stat| stat.st_ino != FIRST)
}

/// Finds the enabled security modules: AppArmor by its module parameter, SELinux by its file system.
fn security() -> SecurityModules {
    SecurityModules {
        apparmor: std::fs::read("/sys/module/apparmor/parameters/enabled")
            .is_ok_and(|word| word.starts_with(b"Y")),
        selinux: is_mounted("/sys/fs/selinux", SELINUX),
    }
}

/// Parses major and minor version of a release such as `6.1.0-28-amd64` (uname(2)).
fn kernel(release: &str) -> Kernel {
    let mut numbers =
        release.split(|letter: char| !letter.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    Kernel { major: numbers.next().unwrap_or(0), minor: numbers.next().unwrap_or(0) }
}

/// Returns the hierarchies of this process that are mounted at their usual places.
fn hierarchies(own: &str) -> Vec<Hierarchy> {
    own.lines().filter_map(hierarchy).collect()
}

/// Parses one line of `/proc/self/cgroup`: `HIERARCHY-ID:CONTROLLERS:PATH` (cgroups(7)). The v2 hierarchy lists no controllers.
fn hierarchy(line: &str) -> Option<Hierarchy> {
    let controllers = line.split(':').nth(1)?;
    if controllers.is_empty() {
        return unified();
    }
    let mount = format!("{MOUNTS}/{}", controllers.trim_start_matches("name="));
    let controllers = controllers.split(',').map(str::to_owned).collect();
    is_mounted(&mount, CGROUP).then_some(Hierarchy { mount, version: CgroupVersion::V1, controllers })
}

/// Whether a cgroup is delegated to this user, who may create child cgroups and move processes (cgroups(7), "Cgroups
/// delegation").
fn is_delegated(cgroup: &str) -> bool {
    let may_write = |path: &str| fs::accessat(CWD, path, fs::Access::WRITE_OK, fs::AtFlags::EACCESS).is_ok();
    may_write(cgroup) && may_write(&format!("{cgroup}/cgroup.procs"))
}

/// Finds the v2 hierarchy: alone at the usual mount point, or next to v1 hierarchies as systemd's hybrid mode mounts it.
fn unified() -> Option<Hierarchy> {
    let mounts = [MOUNTS.to_owned(), format!("{MOUNTS}/unified")];
    let mount = mounts.into_iter().find(|mount| is_mounted(mount, CGROUP2))?;
    let controllers = std::fs::read_to_string(format!("{mount}/cgroup.controllers")).unwrap_or_default();
    let controllers = controllers.split_ascii_whitespace().map(str::to_owned).collect();
    Some(Hierarchy { mount, version: CgroupVersion::V2, controllers })
}

/// Whether a file system of this type is mounted at `path`. A directory of the right name is no proof.
fn is_mounted(path: &str, magic: u64) -> bool {
    let directory = fs::openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    directory.is_ok_and(|directory| is_on(directory.as_fd(), magic) == Ok(true))
}

/// Looks up a path of the host. Returns the reason if that fails.
pub fn missing(path: &CStr) -> Option<String> {
    let errno = root_dir::open_host(path, OFlags::PATH).err()?.errno;
    Some(words(errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_begins_with_two_numbers() {
        assert_eq!(kernel("6.1.0-28-amd64"), Kernel { major: 6, minor: 1 });
        assert_eq!(kernel("garbage"), Kernel { major: 0, minor: 0 });
    }

    #[test]
    fn a_resctrl_mount_is_found_by_its_type() {
        let lines = "22 1 0:2 / /proc rw - proc proc rw\n36 22 0:33 / /mnt/rdt rw,nosuid shared:9 - resctrl none rw\n";
        assert_eq!(resctrl_in(lines).as_deref(), Some("/mnt/rdt"));
        assert_eq!(resctrl_in("22 1 0:2 / /proc rw - proc proc rw\n"), None);
    }

    #[test]
    fn a_hierarchy_that_is_not_mounted_is_left_out() {
        assert!(hierarchies("77:no-such-controller:/\n").is_empty());
    }
}
