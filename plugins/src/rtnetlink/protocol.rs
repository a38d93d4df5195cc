//! What the protocols set for a link, without a look-up below `/proc/sys`: there the kernel keeps the entries of all
//! network namespaces in one chain of a hash table, so each look-up grows with the number of containers.

use super::Route;
use super::address::family_number;
use crate::address::Family;
use crate::error::Result;
use tare_netlink::{ACK, Attributes, Op, find, find_u32, read_u32};

const NEW_LINK: u16 = 16;
const OF_FAMILY: u16 = 26;
/// `IFLA_INET_CONF` and its `IPV4_DEVCONF_ARP_NOTIFY`.
const INET_SETTINGS: u16 = 1;
const ARP_NOTIFY: u16 = 22;
/// `IFLA_INET6_CONF` and places in it.
const INET6_SETTINGS: u16 = 2;
const ACCEPT_RA: usize = 3;
const DISABLE_IPV6: usize = 26;
/// `IFLA_INET6_ADDR_GEN_MODE` and its `IN6_ADDR_GEN_MODE_NONE`.
const ADDRESS_GENERATION: u16 = 8;
const NO_ADDRESS: u8 = 1;
const GET_SETTINGS: u16 = 82;
const SETTINGS_OF: u16 = 1;
const FORWARDING: u16 = 2;
/// `NETCONFA_IFINDEX_ALL`.
const ALL: i32 = -1;

/// What IPv6 is told about a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inet6 {
    /// `accept_ra`
    pub accept_ra: u32,
    /// `disable_ipv6`
    pub disable_ipv6: u32,
}

impl Inet6 {
    /// Out of the attributes of a link; `None` where the kernel has no IPv6.
    pub(super) fn read(attributes: &[u8]) -> Option<Inet6> {
        let settings =
            find(find(find(attributes, OF_FAMILY)?, family_number(Family::V6).into())?, INET6_SETTINGS)?;
        let at = |place: usize| read_u32(settings, place * 4);
        Some(Inet6 { accept_ra: at(ACCEPT_RA)?, disable_ipv6: at(DISABLE_IPV6)? })
    }
}

fn fixed(index: u32) -> [u8; 16] {
    let [a, b, c, d] = index.to_ne_bytes();
    [0, 0, 0, 0, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// Adds the message by which a link announces itself whenever it comes up with an address: `arp_notify`.
pub(super) fn put_announcing(w: &mut Attributes, index: u32) {
    w.message(Op(NEW_LINK, ACK), &fixed(index), |w| {
        w.nest(OF_FAMILY, |w| w.nest(family_number(Family::V4).into(), put_arp_notify));
    });
}

fn put_arp_notify(w: &mut Attributes) {
    w.nest(INET_SETTINGS, |w| w.number(ARP_NOTIFY, 1));
}

/// Adds that IPv6 makes up no address for a link by itself; refused with `EAFNOSUPPORT` where it has no IPv6.
pub(super) fn put_no_generated_address(w: &mut Attributes) {
    w.nest(OF_FAMILY, |w| {
        w.nest(family_number(Family::V6).into(), |w| w.bytes(ADDRESS_GENERATION, &[NO_ADDRESS]));
    });
}

impl Route {
    /// Whether the namespace forwards packets of a protocol between its links.
    ///
    /// # Errors
    /// The kernel's.
    pub fn forwards(&mut self, family: Family) -> Result<bool> {
        let head = [family_number(family), 0, 0, 0];
        let answers = self.ask_each(|w| {
            w.message(Op(GET_SETTINGS, ACK), &head, |w| w.bytes(SETTINGS_OF, &ALL.to_ne_bytes()));
        })?;
        let replies = answers.into_iter().filter_map(|answer| answer.outcome.ok()).flatten();
        Ok(replies.filter_map(|body| find_u32(body.get(4..)?, FORWARDING)).any(|value| value == 1))
    }
}
