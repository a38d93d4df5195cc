//! The parts of link messages (rtnetlink(7)) that the runtime and the plugins share.

use crate::message::{ACK, REQUEST, read_u32};
use rustix::io::{Errno, Result};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// `RTM_NEWLINK`
pub const NEW: u16 = 16;
/// `RTM_GETLINK`
pub const GET: u16 = 18;
/// `IFF_UP`
pub const UP: u32 = 0x1;

/// `struct nlmsghdr` and `struct ifinfomsg`, 16 bytes each.
const REQUEST_LENGTH: usize = 32;

/// Returns a `struct ifinfomsg`; the kernel sets only those flags that are also in `change`.
pub fn header(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    let words = [0, index, flags, change];
    for (field, word) in bytes.chunks_exact_mut(4).zip(words) {
        field.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

/// Sets a link up without allocating memory, for a process that must not: the container's init between clone and exec.
///
/// # Errors
/// The error of the socket call, or the kernel's refusal.
pub fn set_up_without_allocation(index: u32) -> Result<()> {
    // Without a protocol the socket is one of NETLINK_ROUTE, number 0.
    let socket =
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    rustix::net::send(&socket, &set_up_request(index), SendFlags::empty())?;
    // The acknowledgement: a header, an errno and the header of the request.
    let mut answer = [0; 64];
    rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())?;
    acknowledged(&answer)
}

fn set_up_request(index: u32) -> [u8; REQUEST_LENGTH] {
    let mut request = [0; REQUEST_LENGTH];
    let netlink =
        32_u32.to_ne_bytes().into_iter().chain(NEW.to_ne_bytes()).chain((REQUEST | ACK).to_ne_bytes());
    let bytes = netlink.chain([0; 8]).chain(header(index, UP, UP));
    for (place, byte) in request.iter_mut().zip(bytes) {
        *place = byte;
    }
    request
}

/// Reads the errno of an acknowledgement: the word after the header, negative or 0.
fn acknowledged(answer: &[u8]) -> Result<()> {
    match read_u32(answer, 16).map_or(0, u32::cast_signed) {
        0 => Ok(()),
        code => Err(Errno::from_raw_os_error(code.checked_neg().unwrap_or(1).clamp(1, 4095))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Op, Writer};

    #[test]
    fn an_acknowledgement_holds_a_negative_errno() {
        let mut answer = [0; 64];
        assert_eq!(acknowledged(&answer), Ok(()));
        answer[16..20].copy_from_slice(&(-1_i32).to_ne_bytes());
        assert_eq!(acknowledged(&answer), Err(Errno::PERM));
    }

    #[test]
    fn the_request_without_allocation_equals_the_one_of_the_writer() {
        let mut writer = Writer::new(0);
        writer.message(Op(NEW, ACK), &header(1, UP, UP), |_| {});
        assert_eq!(set_up_request(1), writer.as_bytes());
    }
}
