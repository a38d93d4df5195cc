//! Labels of security modules, written through a procfs that nothing in the container can have covered.

use crate::fault::{Call, During, Fault};
use crate::mounts::inside::is_on;
use crate::mounts::procfs::PROCFS;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
};
use std::ffi::CStr;
use tare_plan::step::{Label, LabelTarget};

/// Writes a label to the file of this process that it belongs in (proc_pid_attr(5)).
///
/// A label that ended in a file of the image's would leave the container unconfined (CVE-2019-16884, CVE-2025-52881). So what is
/// written to lies in a procfs of init's own, which has no name anywhere; where init may make none, in the host's, found before
/// the container's mounts were made, with nothing mounted on the way.
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

/// A new procfs that is mounted nowhere and shows processes alone.
fn procfs() -> Result<OwnedFd, Fault> {
    let context = fsopen(c"proc", FsOpenFlags::FSOPEN_CLOEXEC).during(Call::FsOpen)?;
    fsconfig_set_string(context.as_fd(), c"subset", c"pid").during(Call::FsOption)?;
    fsconfig_create(context.as_fd()).during(Call::FsCreate)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes).during(Call::FsMount)
}

/// Opens the first of the files that is there: AppArmor has a directory of its own since Linux 5.8.
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
    fn the_file_of_a_label_is_in_a_procfs_and_nowhere_else() {
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
    fn init_has_a_procfs_of_its_own() {
        if !rustix::process::geteuid().is_root() {
            test_report::skip!("it needs root");
        }
        let own = procfs().unwrap();
        assert!(is_on(own.as_fd(), PROCFS).unwrap());
        assert!(open_first(own.as_fd(), &[c"self/attr/exec"]).is_ok());
    }
}
