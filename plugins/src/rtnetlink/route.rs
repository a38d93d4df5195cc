//! Routes, and the setup of a container's interface in one exchange (rtnetlink(7), linux/rtnetlink.h).

use super::Route;
use super::address::{Detection, family_number, put_new};
use super::link::put_up;
use super::protocol::put_announcing;
use crate::address::{Cidr, Family, from_octets, octets};
use crate::error::{Error, Result};
use crate::result;
use std::net::IpAddr;
use tare_netlink::{ACK, Attributes, CREATE, DUMP, Op, find, find_u32};

/// `RTM_NEWROUTE` and `RTM_GETROUTE`.
const NEW: u16 = 24;
const GET: u16 = 26;
/// `RTA_DST`, `RTA_OIF`, `RTA_GATEWAY`, `RTA_PRIORITY` and `RTA_TABLE`.
const DESTINATION: u16 = 1;
const OUT_LINK: u16 = 4;
const GATEWAY: u16 = 5;
const PRIORITY: u16 = 6;
const TABLE: u16 = 15;
/// `RT_TABLE_MAIN`, `RTPROT_BOOT`, `RTN_UNICAST` and `RT_SCOPE_LINK`.
const MAIN: u8 = 254;
const BY_BOOT: u8 = 3;
const UNICAST: u8 = 1;
const SCOPE_LINK: u8 = 253;

/// A route as the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The destination.
    pub dst: Cidr,
    /// The next hop.
    pub gw: Option<IpAddr>,
    /// The index of the output interface.
    pub link: u32,
    /// The routing table.
    pub table: u32,
}

/// The settings of an interface inside a container.
#[derive(Clone, Copy, Debug)]
pub struct InterfaceSetup<'a> {
    /// The index.
    pub index: u32,
    /// The addresses.
    pub addresses: &'a [Cidr],
    /// Whether the kernel runs duplicate address detection.
    pub detection: Detection,
    /// The routes, with their gateways filled in.
    pub routes: &'a [result::Route],
}

impl Route {
    /// Adds the addresses, sets the link up and adds the routes, in one exchange.
    ///
    /// # Errors
    /// The first refusal, with the refused object.
    pub fn set_up_interface(&mut self, setup: &InterfaceSetup<'_>) -> Result<()> {
        let answers = self.ask_each(|w| {
            setup.addresses.iter().for_each(|cidr| put_new(w, setup.index, *cidr, setup.detection));
            put_up(w, setup.index);
            // Takes effect the next time the link comes up: the bridge port is not open yet, and opening it would flood
            // all others.
            put_announcing(w, setup.index);
            setup.routes.iter().for_each(|route| put_route(w, setup.index, route));
        })?;
        for (place, answer) in answers.into_iter().enumerate() {
            answer.outcome.map_err(|refusal| Error::refused(setup.name_of(place), &refusal))?;
        }
        Ok(())
    }

    /// Returns the routes of a family.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn routes(&mut self, family: Family) -> Result<Vec<Installed>> {
        let head = [family_number(family), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let replies = self.ask("list routes", |w| w.message(Op(GET, DUMP), &head, |_| {}))?;
        Ok(replies.iter().filter_map(|body| read(body)).collect())
    }

    /// Returns the index of the interface through which an address is reached; `None` if it is unreachable.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn link_towards(&mut self, address: IpAddr) -> Result<Option<u32>> {
        let family = Family::of(address);
        let head = [family_number(family), family.bits(), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let answers =
            self.ask_each(|w| w.message(Op(GET, ACK), &head, |w| w.bytes(DESTINATION, &octets(address))))?;
        let replies = answers.into_iter().filter_map(|answer| answer.outcome.ok()).flatten();
        Ok(replies.filter_map(|body| find_u32(body.get(12..)?, OUT_LINK)).next())
    }
}

impl InterfaceSetup<'_> {
    /// Returns what the message at this position does, for errors.
    fn name_of(&self, place: usize) -> String {
        if let Some(cidr) = self.addresses.get(place) {
            return format!("add address {cidr}");
        }
        match self.routes.get(place.wrapping_sub(self.addresses.len() + 2)) {
            None if place == self.addresses.len() => "set the interface up".to_owned(),
            None => "set arp_notify of the interface".to_owned(),
            Some(route) => match route.gw {
                Some(gw) => format!("add route to {} via {gw}", route.dst),
                None => format!("add route to {}", route.dst),
            },
        }
    }
}

/// Adds a route. The scope is that of the configuration; else global with a gateway or with IPv6, which has no scopes, and
/// link without.
fn put_route(w: &mut Attributes, index: u32, route: &result::Route) {
    let [priority, table, scope] = [route.priority, route.table, route.scope]
        .map(|value| value.and_then(|value| u32::try_from(value).ok()));
    let scope = scope.and_then(|scope| u8::try_from(scope).ok());
    let scope =
        scope.unwrap_or(if route.gw.is_some() || route.dst.family() == Family::V6 { 0 } else { SCOPE_LINK });
    let family = family_number(route.dst.family());
    let head = [family, route.dst.length, 0, 0, MAIN, BY_BOOT, scope, UNICAST, 0, 0, 0, 0];
    w.message(Op(NEW, ACK | CREATE), &head, |w| {
        w.bytes(DESTINATION, &octets(route.dst.address));
        w.number(OUT_LINK, index);
        if let Some(gw) = route.gw {
            w.bytes(GATEWAY, &octets(gw));
        }
        if let Some(priority) = priority {
            w.number(PRIORITY, priority);
        }
        if let Some(table) = table {
            w.number(TABLE, table);
        }
    });
}

fn read(body: &[u8]) -> Option<Installed> {
    let attributes = body.get(12..)?;
    let family = if *body.first()? == family_number(Family::V4) { Family::V4 } else { Family::V6 };
    let dst = match find(attributes, DESTINATION) {
        Some(bytes) => Cidr { address: from_octets(bytes)?, length: *body.get(1)? },
        None => family.everything(),
    };
    let gw = find(attributes, GATEWAY).and_then(from_octets);
    let table = find_u32(attributes, TABLE).unwrap_or(u32::from(*body.get(4)?));
    Some(Installed { dst, gw, link: find_u32(attributes, OUT_LINK).unwrap_or(0), table })
}
