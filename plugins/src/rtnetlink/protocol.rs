//! Per-link settings of IPv4 and IPv6 over netlink, without lookups below `/proc/sys`: the kernel keeps the dentries of
//! all network namespaces in one hash chain, so that each lookup takes longer with every container.

use super::Route;
use super::address::family_number;
use crate::address::Family;
use crate::error::Result;
use tare_netlink::{ACK, Attributes, Op, find, find_u32, read_u32};

const NEW_LINK: u16 = 16;
/// `IFLA_AF_SPEC`
const OF_FAMILY: u16 = 26;
/// `IFLA_INET_CONF` and its `IPV4_DEVCONF_ARP_NOTIFY`.
const INET_SETTINGS: u16 = 1;
const ARP_NOTIFY: u16 = 22;
/// `IFLA_INET6_CONF` and indices into it.
const INET6_SETTINGS: u16 = 2;
const ACCEPT_RA: usize = 3;
const DISABLE_IPV6: usize = 26;
/// `IFLA_INET6_ADDR_GEN_MODE` and its `IN6_ADDR_GEN_MODE_NONE`.
const ADDRESS_GENERATION: u16 = 8;
const NO_ADDRESS: u8 = 1;
/// `RTM_GETNETCONF` with `NETCONFA_IFINDEX` and `NETCONFA_FORWARDING`.
const GET_SETTINGS: u16 = 82;
const SETTINGS_OF: u16 = 1;
const FORWARDING: u16 = 2;
/// `NETCONFA_IFINDEX_ALL`.
const ALL: i32 = -1;

/// The sysctls of IPv6 for a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inet6 {
    /// `accept_ra`
    pub accept_ra: u32,
    /// `disable_ipv6`
    pub disable_ipv6: u32,
}

impl Inet6 {
    /// Reads the attributes of a link; `None` if the kernel has no IPv6.
    pub(super) fn read(attributes: &[u8]) -> Option<Inet6> {
        let settings =
            find(find(find(attributes, OF_FAMILY)?, family_number(Family::V6).into())?, INET6_SETTINGS)?;
        let at = |place: usize| read_u32(settings, place * 4);
        Some(Inet6 { accept_ra: at(ACCEPT_RA)?, disable_ipv6: at(DISABLE_IPV6)? })
    }
}

/// Returns a `struct ifinfomsg`.
fn fixed(index: u32) -> [u8; 16] {
    let [a, b, c, d] = index.to_ne_bytes();
    [0, 0, 0, 0, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// Adds the message that turns `arp_notify` on: the link sends a gratuitous ARP whenever it comes up.
pub(super) fn put_announcing(w: &mut Attributes, index: u32) {
    w.message(Op(NEW_LINK, ACK), &fixed(index), |w| {
        w.nest(OF_FAMILY, |w| w.nest(family_number(Family::V4).into(), put_arp_notify));
    });
}

fn put_arp_notify(w: &mut Attributes) {
    w.nest(INET_SETTINGS, |w| w.number(ARP_NOTIFY, 1));
}

/// Turns the generation of a link-local address off; refused with `EAFNOSUPPORT` if the kernel has no IPv6.
pub(super) fn put_no_generated_address(w: &mut Attributes) {
    w.nest(OF_FAMILY, |w| {
        w.nest(family_number(Family::V6).into(), |w| w.bytes(ADDRESS_GENERATION, &[NO_ADDRESS]));
    });
}

impl Route {
    /// Whether the namespace forwards packets of a family.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn forwards(&mut self, family: Family) -> Result<bool> {
        let head = [family_number(family), 0, 0, 0];
        let answers = self.ask_each(|w| {
            w.message(Op(GET_SETTINGS, ACK), &head, |w| w.bytes(SETTINGS_OF, &ALL.to_ne_bytes()));
        })?;
        let replies = answers.into_iter().filter_map(|answer| answer.outcome.ok()).flatten();
        Ok(replies.filter_map(|body| find_u32(body.get(4..)?, FORWARDING)).any(|value| value == 1))
    }
}
