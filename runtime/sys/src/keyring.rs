//! The session keyring: keyctl(2).

use crate::answer;
use rustix::io::Result;
use std::ffi::CStr;

/// Gives this process a new session keyring called `name`, so that it does not hold the keys of whoever started it.
///
/// # Errors
/// `ENOSYS` where the kernel has no keyrings, `EDQUOT` when the user's quota of keys is used up, `EPERM` from a filter.
pub fn join_session_keyring(name: &CStr) -> Result<()> {
    // SAFETY: the operation takes one pointer, to a C string that lives across the call.
    answer(unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) })
        .map(drop)
}
