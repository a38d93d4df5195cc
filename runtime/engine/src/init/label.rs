//! AppArmor and SELinux labels, written through a procfs that the container can't have covered.

use crate::fault::{Call, During, Fault};
use crate::mounts::procfs::PROCFS;
use crate::mounts::root_dir::is_on;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
};
use std::ffi::CStr;
use tare_plan::step::{Label, LabelTarget};

/// Writes a label to its file in `/proc/self/attr` (proc_pid_attr(5)).
///
/// An image could mount a file of its own over `/proc` and the container would run unconfined (CVE-2019-16884, CVE-2025-52881). So
/// init creates a procfs that is mounted nowhere. If the kernel does not allow that, the host's procfs is used, which was opened
/// before the container's mounts existed, and `RESOLVE_NO_XDEV` refuses any mount below it.
pub(super) fn write(host_proc: BorrowedFd<'_>, label: &Label) -> Result<(), Fault> {
    let files: &[&CStr] = match label.target {
        LabelTarget::ApparmorProgram => &[c"self/attr/apparmor/exec", c"self/attr/exec"],
        LabelTarget::SelinuxProgram => &[c"self/attr/exec"],
        LabelTarget::SelinuxKeys => &[c"self/attr/keycreate"],
    };
    let own = procfs().ok();
    let file = open_first(own.as_ref().map_or(host_proc, AsFd::as_fd), files)?;
    rustix::io::write(&file, label.value.as_bytes()).during(Call::Write).map(drop)
}

/// Creates a detached procfs with processes only (`subset=pid`, Linux 5.8).
fn procfs() -> Result<OwnedFd, Fault> {
    let context = fsopen(c"proc", FsOpenFlags::FSOPEN_CLOEXEC).during(Call::FsOpen)?;
    fsconfig_set_string(context.as_fd(), c"subset", c"pid").during(Call::FsOption)?;
    fsconfig_create(context.as_fd()).during(Call::FsCreate)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes).during(Call::FsMount)
}

/// Opens the first existing file. AppArmor has a directory of its own since Linux 5.8, so that it can be stacked with SELinux.
fn open_first(proc: BorrowedFd<'_>, files: &[&CStr]) -> Result<OwnedFd, Fault> {
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    let mut missing = Fault::new(Call::Open, Errno::NOENT);
    for file in files {
        match fs::openat2(proc, *file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty(), how) {
            Ok(file) if is_on(file.as_fd(), PROCFS)? => return Ok(file),
            Ok(_) => return Err(Fault::new(Call::Unexpected, Errno::NODEV)),
            Err(errno) => missing = Fault::new(Call::Open, errno),
        }
    }
    Err(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_written_to_a_procfs_only() {
        let files = [c"self/attr/apparmor/exec", c"self/attr/exec"];
        let host = crate::mounts::procfs::open_host_proc().unwrap();
        assert!(open_first(host.as_fd(), &files).is_ok());
        let elsewhere = std::env::temp_dir().join(format!("tare-label-{}", std::process::id()));
        std::fs::create_dir_all(elsewhere.join("self/attr")).unwrap();
        std::fs::write(elsewhere.join("self/attr/exec"), "").unwrap();
        let fake: OwnedFd = std::fs::File::open(&elsewhere).unwrap().into();
        let refused = open_first(fake.as_fd(), &files).unwrap_err();
        std::fs::remove_dir_all(elsewhere).unwrap();
        assert_eq!(refused.call, Call::Unexpected);
    }

    #[test]
    fn a_detached_procfs_has_the_file_of_a_label() {
        if !rustix::process::geteuid().is_root() {
            test_report::skip!("it needs root");
        }
        let own = procfs().unwrap();
        assert!(is_on(own.as_fd(), PROCFS).unwrap());
        assert!(open_first(own.as_fd(), &[c"self/attr/exec"]).is_ok());
    }
}
