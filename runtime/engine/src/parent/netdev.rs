//! Moves network devices with their IP addresses into the container (config-linux.md, "Network Devices").
//!
//! The kernel keeps the MTU and the hardware address of a device that changes its network namespace, but drops its IP
//! addresses. They are read before the move and added again after it.

use crate::fault::{Call, During, Fault};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::ffi::CStr;
use tare_netlink::link::{GET, NEW, UP, header};
use tare_netlink::{ACK, CREATE, DUMP, EXCLUSIVE, Op, Socket, Writer, attributes, read_u32};
use tare_plan::step::MoveNetDevice;

/// `RTM_NEWADDR` and `RTM_GETADDR`.
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
/// `IFLA_IFNAME` and `IFLA_NET_NS_FD` (rtnetlink(7)).
const NAME: u16 = 3;
const NAMESPACE: u16 = 28;
/// The attributes of an address that are copied: `IFA_ADDRESS`, `IFA_LOCAL`, `IFA_BROADCAST`, `IFA_ANYCAST`, `IFA_FLAGS`,
/// `IFA_RT_PRIORITY`.
const COPIED: [u16; 6] = [1, 2, 4, 5, 8, 9];
/// `IFA_F_PERMANENT`
const PERMANENT: u8 = 0x80;
/// The size of `struct ifaddrmsg`: family, prefix length, flags, scope, index.
const ADDRESS_HEADER: usize = 8;

/// An address as the kernel reports it: a `struct ifaddrmsg` and attributes.
type Address = Vec<u8>;

/// Moves a device to `namespace`, adds its permanent addresses of global scope again, and sets it up.
pub(crate) fn move_to(namespace: BorrowedFd<'_>, step: &MoveNetDevice) -> Result<(), Fault> {
    let mut here = open_socket()?;
    let mut there = within(namespace, open_socket)?;
    let index = index_of(&mut here, &step.device)?;
    refuse_taken(&mut there, step.name.as_deref())?;
    let addresses = addresses(&mut here, index)?;
    let before = indices(&mut there)?;
    request(&mut here, |w| {
        w.message(Op(NEW, ACK), &header(index, 0, 0), |w| {
            w.bytes(NAMESPACE, &namespace.as_raw_fd().to_ne_bytes());
            if let Some(name) = &step.name {
                w.bytes(NAME, name.as_bytes_with_nul());
            }
        });
    })?;
    let after = indices(&mut there)?;
    let moved = after.into_iter().find(|index| !before.contains(index));
    let moved = moved.ok_or(Fault::new(Call::NetDevice, Errno::NODEV))?;
    request(&mut there, |w| w.message(Op(NEW, ACK), &header(moved, UP, UP), |_| {}))?;
    addresses.iter().try_for_each(|address| add_address(&mut there, moved, address))
}

/// Refuses a name that is taken in the container. The kernel renames a device only after it has moved it, so that the check
/// has to come first to leave the device where it was.
fn refuse_taken(there: &mut Socket, name: Option<&CStr>) -> Result<(), Fault> {
    let name = name.filter(|name| !name.to_bytes().contains(&b'%'));
    match name.map(|name| index_of(there, name)) {
        Some(Ok(_)) => Err(Fault::new(Call::NetDevice, Errno::EXIST)),
        _ => Ok(()),
    }
}

fn open_socket() -> Result<Socket, Fault> {
    Socket::open_route().during(Call::NetDevice)
}

/// Sends messages and returns all replies.
fn request(socket: &mut Socket, build: impl FnOnce(&mut Writer)) -> Result<Vec<Vec<u8>>, Fault> {
    let failed = |errno| Fault::new(Call::NetDevice, errno);
    let mut replies = Vec::new();
    for answer in socket.request(build).map_err(|error| failed(error.errno()))? {
        replies.extend(answer.outcome.map_err(|refusal| failed(refusal.errno))?);
    }
    Ok(replies)
}

/// Runs `open` in another network namespace. The process is back in its own namespace afterwards.
fn within<T>(namespace: BorrowedFd<'_>, open: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let kind = Some(LinkNameSpaceType::Network);
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let own: OwnedFd = fs::openat(CWD, c"/proc/self/ns/net", flags, Mode::empty()).during(Call::Open)?;
    move_into_link_name_space(namespace, kind).during(Call::SetNamespace)?;
    let opened = open();
    move_into_link_name_space(own.as_fd(), kind).during(Call::SetNamespace)?;
    opened
}

fn index_of(socket: &mut Socket, name: &CStr) -> Result<u32, Fault> {
    let links = request(socket, |w| {
        w.message(Op(GET, ACK), &header(0, 0, 0), |w| w.bytes(NAME, name.to_bytes_with_nul()));
    })?;
    links.first().and_then(|link| read_u32(link, 4)).ok_or(Fault::new(Call::NetDevice, Errno::NODEV))
}

fn indices(socket: &mut Socket) -> Result<Vec<u32>, Fault> {
    let links = request(socket, |w| w.message(Op(GET, DUMP), &header(0, 0, 0), |_| {}))?;
    Ok(links.iter().filter_map(|link| read_u32(link, 4)).collect())
}

/// Returns the permanent addresses of global scope, of any family.
fn addresses(socket: &mut Socket, index: u32) -> Result<Vec<Address>, Fault> {
    let mut all = request(socket, |w| w.message(Op(GET_ADDRESS, DUMP), &[0; ADDRESS_HEADER], |_| {}))?;
    all.retain(|address| {
        let permanent = address.get(2).is_some_and(|flags| flags & PERMANENT != 0);
        permanent && address.get(3) == Some(&0) && read_u32(address, 4) == Some(index)
    });
    Ok(all)
}

fn add_address(socket: &mut Socket, index: u32, address: &[u8]) -> Result<(), Fault> {
    let mut header = [0; ADDRESS_HEADER];
    let fixed = address.iter().copied().take(4).chain(index.to_ne_bytes());
    for (place, byte) in header.iter_mut().zip(fixed) {
        *place = byte;
    }
    let copied = attributes(address.get(ADDRESS_HEADER..).unwrap_or_default())
        .filter(|(kind, _)| COPIED.contains(kind));
    request(socket, |w| {
        w.message(Op(NEW_ADDRESS, ACK | CREATE | EXCLUSIVE), &header, |w| {
            copied.for_each(|(kind, value)| w.bytes(kind, value));
        });
    })
    .map(drop)
}
