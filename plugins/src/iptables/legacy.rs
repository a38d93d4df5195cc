//! Reads the nat table of legacy iptables without its programs (linux/netfilter_ipv4/ip_tables.h).

use crate::address::Family;
use crate::error::{Code, Error, Result};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::os::fd::OwnedFd;
use tare_sys::socket::option;

/// `IPT_SO_GET_INFO` and `IPT_SO_GET_ENTRIES`. Those of IPv6 have the same numbers.
const INFO: i32 = 64;
const ENTRIES: i32 = 65;
const NAT: &[u8] = b"nat";
/// `struct ipt_getinfo`: its size, and the offset of the size of all entries.
const INFO_LENGTH: usize = 84;
const SIZE: usize = 80;
/// `struct ipt_get_entries`: the offset of the size of all entries, and that of the entries.
const ENTRIES_SIZE: usize = 32;
const ENTRIES_BEGIN: usize = 40;
/// A table may change between reading its size and its entries. The read is repeated this often.
const ATTEMPTS: u32 = 10;

/// Whether the table has a chain. An unused table is not read, because reading would create it.
///
/// # Errors
/// The kernel's error.
pub(super) fn has_chain(family: Family, name: &str) -> Result<bool> {
    if !is_used(family) {
        return Ok(false);
    }
    for _ in 0..ATTEMPTS {
        match entries(family) {
            Err(Errno::AGAIN) => {}
            // The kernel modules of legacy iptables are not loaded.
            Err(Errno::NOPROTOOPT) => return Ok(false),
            Err(why) => return Err(Error::kernel("read the nat table of legacy iptables", why)),
            Ok(entries) => return Ok(names(&entries, name)),
        }
    }
    Err(Error::new(Code::TryAgain, "the nat table of legacy iptables changes faster than it can be read"))
}

fn is_used(family: Family) -> bool {
    let file = if family == Family::V4 { "ip_tables_names" } else { "ip6_tables_names" };
    let tables = std::fs::read(format!("/proc/thread-self/net/{file}")).unwrap_or_default();
    tables.split(|byte| *byte == b'\n').any(|table| table == NAT)
}

/// Returns all entries in the kernel's format.
fn entries(family: Family) -> rustix::io::Result<Vec<u8>> {
    let socket = open(family)?;
    let level = if family == Family::V4 { 0 } else { 41 };
    let mut info = named(INFO_LENGTH);
    option(&socket, (level, INFO), &mut info)?;
    let size =
        info.get(SIZE..INFO_LENGTH).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()).unwrap_or_default();
    let length = usize::try_from(u32::from_ne_bytes(size)).unwrap_or(0);
    let mut table = named(ENTRIES_BEGIN + length);
    if let Some(position) = table.get_mut(ENTRIES_SIZE..ENTRIES_SIZE + size.len()) {
        position.copy_from_slice(&size);
    }
    option(&socket, (level, ENTRIES), &mut table)?;
    Ok(table.split_off(ENTRIES_BEGIN))
}

/// Opens a socket for getsockopt(2). Any socket of the family will do; a datagram socket needs no capability to create.
fn open(family: Family) -> rustix::io::Result<OwnedFd> {
    let domain = if family == Family::V4 { AddressFamily::INET } else { AddressFamily::INET6 };
    socket_with(domain, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
}

/// Returns a buffer that starts with the table's name.
fn named(length: usize) -> Vec<u8> {
    let mut bytes = NAT.to_vec();
    bytes.resize(length, 0);
    bytes
}

/// Whether the entries define a chain. Its first entry contains the name, enclosed by NULs.
fn names(entries: &[u8], chain: &str) -> bool {
    entries.split(|byte| *byte == 0).any(|text| text == chain.as_bytes())
}
