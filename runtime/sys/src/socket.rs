//! Options of sockets that rustix has no functions for.

use crate::answer;
use rustix::io::Result;
use std::os::fd::{AsFd, AsRawFd};

/// Reads an option whose value is bytes into `value`, which some options read first; the answer is how many there are
/// (getsockopt(2)).
///
/// # Errors
/// `ENOPROTOOPT`: nobody in the kernel knows the option; others are the option's own.
pub fn option(socket: impl AsFd, (level, name): (i32, i32), value: &mut [u8]) -> Result<usize> {
    let mut length = libc::socklen_t::try_from(value.len()).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: the descriptor is borrowed for the call; the buffer is live and at least as long as the length says, and the
    // kernel writes no more than that; the length is a live integer of its type.
    let returned = unsafe {
        libc::getsockopt(socket.as_fd().as_raw_fd(), level, name, value.as_mut_ptr().cast(), &raw mut length)
    };
    answer(returned.into())?;
    Ok(usize::try_from(length).unwrap_or(0))
}
