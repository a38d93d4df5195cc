//! Options of netlink sockets that rustix has no functions for: netlink(7).

use crate::answer;
use rustix::io::Result;
use std::os::fd::{AsFd, AsRawFd};

/// A boolean option of a netlink socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetlinkOption {
    /// `NETLINK_EXT_ACK`: error messages include a text of the kernel.
    ExtendedAcknowledgement,
    /// `NETLINK_CAP_ACK`: error messages do not include the request.
    CappedAcknowledgement,
    /// `NETLINK_GET_STRICT_CHK`: dumps apply the filters in the request.
    StrictCheck,
}

impl NetlinkOption {
    fn number(self) -> libc::c_int {
        match self {
            NetlinkOption::ExtendedAcknowledgement => libc::NETLINK_EXT_ACK,
            NetlinkOption::CappedAcknowledgement => libc::NETLINK_CAP_ACK,
            NetlinkOption::StrictCheck => libc::NETLINK_GET_STRICT_CHK,
        }
    }
}

/// Turns an option on (setsockopt(2), level `SOL_NETLINK`).
///
/// # Errors
/// `ENOPROTOOPT` on kernels that lack the option; the last of the three came with Linux 4.20.
pub fn enable(socket: impl AsFd, option: NetlinkOption) -> Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is borrowed for the call. The pointer is to a live integer, and the length is
    // its size. The kernel only reads it.
    let returned = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_NETLINK,
            option.number(),
            (&raw const on).cast(),
            4,
        )
    };
    answer(libc::c_long::from(returned)).map(drop)
}
