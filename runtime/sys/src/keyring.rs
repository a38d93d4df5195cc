//! The session keyring: keyctl(2).

use crate::answer;
use rustix::io::Result;
use std::ffi::CStr;

/// Joins a new session keyring with this name. The process loses access to the keys of its caller's session.
///
/// # Errors
/// `ENOSYS` if the kernel has no keyrings, `EDQUOT` if the user's quota is used up, `EPERM` from a seccomp
/// filter.
pub fn join_session_keyring(name: &CStr) -> Result<()> {
    // SAFETY: the operation takes one pointer, and it is to a C string that outlives the call.
    answer(unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) })
        .map(drop)
}
