//! Options of netlink sockets, which rustix has no functions for.

use crate::answer;
use rustix::io::Result;
use std::os::fd::{AsFd, AsRawFd};

/// A switch of a netlink socket (netlink(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetlinkOption {
    /// `NETLINK_EXT_ACK`: errors come with the kernel's own words.
    ExtendedAcknowledgement,
    /// `NETLINK_CAP_ACK`: errors don't repeat the request.
    CappedAcknowledgement,
    /// `NETLINK_GET_STRICT_CHK`: dumps honour the filters that the request holds.
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
/// `ENOPROTOOPT` on kernels that don't know the option (the youngest of them is of 4.20).
pub fn enable(socket: impl AsFd, option: NetlinkOption) -> Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is borrowed for the call, the pointer is to a live integer and the length is its size;
    // the kernel only reads it.
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
