//! Socket options that rustix has no functions for: getsockopt(2).

use crate::answer;
use rustix::io::Result;
use std::os::fd::{AsFd, AsRawFd};

/// Reads an option with a value of bytes into `value`. Some options also read `value` first. Returns the
/// length of the option's value.
///
/// # Errors
/// `ENOPROTOOPT` if the kernel lacks the option; others by option.
pub fn option(socket: impl AsFd, (level, name): (i32, i32), value: &mut [u8]) -> Result<usize> {
    let mut length = libc::socklen_t::try_from(value.len()).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: the descriptor is borrowed for the call. The buffer is live and at least as long as the length
    // says, and the kernel writes no more than that. The length is a live integer of its type.
    let returned = unsafe {
        libc::getsockopt(socket.as_fd().as_raw_fd(), level, name, value.as_mut_ptr().cast(), &raw mut length)
    };
    answer(returned.into())?;
    Ok(usize::try_from(length).unwrap_or(0))
}
