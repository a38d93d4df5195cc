//! Protects the runtime's own program file from the container (CVE-2019-5736).
//!
//! A root process in a container can open `/proc/PID/exe` of a process that enters the container, and write to the
//! runtime's file on the host. So a process that enters runs from a file that is not writable: a detached read-only copy of
//! the mount of the program, or, where the kernel refuses that, a sealed memfd. Neither is visible on the host.

use crate::error::{Error, Result};
use crate::fault::{Call, During, Fault};
use crate::hook::own_environment;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{self, CWD, MemfdFlags, Mode, OFlags, SealFlags, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;
use tare_sys::exec::{Strings, exec_fd};
use tare_sys::mount_attr::{Change, Depth, mount_setattr};

const SELF: &std::ffi::CStr = c"/proc/self/exe";

/// Returns if this process runs from a file that is not writable. Otherwise executes the program again from such a file,
/// with the same arguments, and does not return.
///
/// # Errors
/// When no such file can be made.
pub fn protect() -> Result<()> {
    let what = "protect the runtime's own program";
    let own = fs::openat(CWD, SELF, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).during(Call::Open);
    let own = own.map_err(|fault| Error::act(what, fault))?;
    if is_protected(&own) {
        return Ok(());
    }
    let copy = readonly_mount().or_else(|_| sealed_copy(&own)).map_err(|fault| Error::act(what, fault))?;
    let arguments = std::env::args_os().map(|text| CString::new(text.into_vec()).unwrap_or_default());
    let (arguments, environment) = (Strings::new(arguments.collect()), Strings::new(own_environment()));
    let errno = exec_fd(copy.as_fd(), &arguments, &environment);
    Err(Error::act(what, Fault::new(Call::Execute, errno)))
}

/// Whether a file is on a read-only mount, or sealed.
fn is_protected(own: &OwnedFd) -> bool {
    let readonly = fs::fstatvfs(own).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY));
    readonly || fs::fcntl_get_seals(own).is_ok_and(|seals| seals.contains(SealFlags::WRITE))
}

fn readonly_mount() -> std::result::Result<OwnedFd, Fault> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, SELF, flags).during(Call::OpenTree)?;
    let change = Change { set: libc::MOUNT_ATTR_RDONLY, propagation: libc::MS_PRIVATE, ..Change::default() };
    mount_setattr(tree.as_fd(), c"", Depth::One, change).during(Call::MountAttributes)?;
    Ok(tree)
}

fn sealed_copy(own: &OwnedFd) -> std::result::Result<OwnedFd, Fault> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let copy = fs::memfd_create(c"tare", flags).during(Call::MakeFile)?;
    let mut left = usize::try_from(fs::fstat(own).during(Call::Stat)?.st_size).unwrap_or(0);
    while left > 0 {
        match fs::sendfile(&copy, own, None, left).during(Call::Write)? {
            0 => return Err(Fault::new(Call::Read, Errno::IO)),
            sent => left = left.saturating_sub(sent),
        }
    }
    fs::fchmod(&copy, Mode::from_raw_mode(0o555)).during(Call::Mode)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fs::fcntl_add_seals(&copy, seals).during(Call::MakeFile)?;
    Ok(copy)
}
