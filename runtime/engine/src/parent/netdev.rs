//! Network devices that are moved into the container, with the addresses they have (config-linux.md, "Network Devices").
//!
//! The device keeps its MTU and hardware address by itself; its addresses go when it leaves, so they are read before and
//! given back after.

use crate::fault::{Call, During, Fault};
use crate::netlink::{Attribute, Message, NEW_LINK, Socket};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::ffi::CStr;
use tare_plan::step::MoveNetDevice;

const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
/// `IFLA_IFNAME`, `IFLA_NET_NS_FD` (rtnetlink(7)).
const NAME: u16 = 3;
const NAMESPACE: u16 = 28;
/// What of an address is given back: `IFA_ADDRESS`, `IFA_LOCAL`, `IFA_BROADCAST`, `IFA_ANYCAST`, `IFA_FLAGS`, `IFA_RT_PRIORITY`.
const KEPT: [u16; 6] = [1, 2, 4, 5, 8, 9];
/// `IFF_UP`
const UP: u32 = 1;
/// `IFA_F_PERMANENT`
const PERMANENT: u8 = 0x80;

/// Moves a device to `namespace`, gives it back its permanent addresses of global scope, and brings it up.
pub(crate) fn move_to(namespace: BorrowedFd<'_>, step: &MoveNetDevice) -> Result<(), Fault> {
    let mut here = Socket::open()?;
    let mut there = within(namespace, Socket::open)?;
    let index = index_of(&mut here, &step.device)?;
    refuse_taken(&mut there, step.name.as_deref())?;
    let addresses = addresses(&mut here, index)?;
    let before = indices(&mut there)?;
    let number = namespace.as_raw_fd().to_ne_bytes();
    let mut attributes = vec![Attribute::new(NAMESPACE, &number)];
    if let Some(name) = &step.name {
        attributes.push(Attribute::new(NAME, name.as_bytes_with_nul()));
    }
    here.change(NEW_LINK, &link(index, 0, 0), &attributes)?;
    let after = indices(&mut there)?;
    let moved = after.into_iter().find(|index| !before.contains(index));
    let moved = moved.ok_or(Fault::new(Call::NetDevice, Errno::NODEV))?;
    there.change(NEW_LINK, &link(moved, UP, UP), &[])?;
    addresses.iter().try_for_each(|address| give_back(&mut there, moved, address))
}

/// The kernel renames when it has moved already: a name that is taken is told before, while the device is where it was.
fn refuse_taken(there: &mut Socket, name: Option<&CStr>) -> Result<(), Fault> {
    let name = name.filter(|name| !name.to_bytes().contains(&b'%'));
    match name.map(|name| index_of(there, name)) {
        Some(Ok(_)) => Err(Fault::new(Call::NetDevice, Errno::EXIST)),
        _ => Ok(()),
    }
}

/// Opens something in another network namespace; this process is back in its own when it returns.
fn within<T>(namespace: BorrowedFd<'_>, open: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let kind = Some(LinkNameSpaceType::Network);
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let own: OwnedFd = fs::openat(CWD, c"/proc/self/ns/net", flags, Mode::empty()).during(Call::Open)?;
    move_into_link_name_space(namespace, kind).during(Call::SetNamespace)?;
    let opened = open();
    move_into_link_name_space(own.as_fd(), kind).during(Call::SetNamespace)?;
    opened
}

/// `struct ifinfomsg`
fn link(index: i32, flags: u32, change: u32) -> [u8; 16] {
    let mut header = [0; 16];
    let words = [0_u32, index.cast_unsigned(), flags, change];
    for (place, byte) in header.iter_mut().zip(words.into_iter().flat_map(u32::to_ne_bytes)) {
        *place = byte;
    }
    header
}

fn index_of(socket: &mut Socket, name: &CStr) -> Result<i32, Fault> {
    let attributes = [Attribute::new(NAME, name.to_bytes_with_nul())];
    let answers = socket.ask(GET_LINK, &link(0, 0, 0), &attributes)?;
    answers.first().and_then(|answer| answer.word(4)).ok_or(Fault::new(Call::NetDevice, Errno::NODEV))
}

fn indices(socket: &mut Socket) -> Result<Vec<i32>, Fault> {
    let links = socket.dump(GET_LINK, &link(0, 0, 0))?;
    Ok(links.iter().filter_map(|link| link.word(4)).collect())
}

/// The permanent addresses of global scope, of any family.
fn addresses(socket: &mut Socket, index: i32) -> Result<Vec<Message>, Fault> {
    let mut all = socket.dump(GET_ADDRESS, &[0; 8])?;
    // struct ifaddrmsg: family, length of the prefix, flags, scope, index.
    all.retain(|address| {
        let permanent = address.byte(2).is_some_and(|flags| flags & PERMANENT != 0);
        permanent && address.byte(3) == Some(0) && address.word(4) == Some(index)
    });
    Ok(all)
}

fn give_back(socket: &mut Socket, index: i32, address: &Message) -> Result<(), Fault> {
    let mut header = [0; 8];
    let fixed = (0..4).filter_map(|at| address.byte(at)).chain(index.to_ne_bytes());
    for (place, byte) in header.iter_mut().zip(fixed) {
        *place = byte;
    }
    let kept = address.attributes(header.len()).filter(|attribute| KEPT.contains(&attribute.kind));
    socket.change(NEW_ADDRESS, &header, &kept.collect::<Vec<_>>())
}
