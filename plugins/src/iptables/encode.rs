//! Encodes rules of iptables as iptables-nft does (linux/netfilter/nf_tables_compat.h and the headers of each match):
//! as native expressions where every release of iptables uses them, else as extensions.

use super::rule::{Match, Rule, Target};
use crate::address::{Cidr, Family, octets};
use crate::nft::{CmpOp, accept, compare, jump, load_network, load_transport, mask, put};
use crate::resource::Transport;
use std::net::IpAddr;
use tare_netlink::Attributes;

/// `NFTA_RULE_COMPAT`, and the two attributes in it.
const COMPATIBLE: u16 = 5;
const COMPATIBLE_PROTOCOL: u16 = 1;
const COMPATIBLE_FLAGS: u16 = 2;
/// `NFTA_RULE_EXPRESSIONS`.
pub(super) const EXPRESSIONS: u16 = 4;
/// `XT_ADDRTYPE_LOCAL`.
const LOCAL: u16 = 1 << 2;
/// `NF_NAT_RANGE_MAP_IPS` and `NF_NAT_RANGE_PROTO_SPECIFIED`.
const ADDRESS_AND_PORT: u32 = 3;

/// Writes the attributes of a rule, except its table and chain.
pub(super) fn write(w: &mut Attributes, family: Family, rule: &Rule) {
    let protocol = rule.matches.iter().find_map(protocol_of);
    w.nest(EXPRESSIONS, |w| {
        if let Some(protocol) = protocol {
            load_transport(w);
            compare(w, CmpOp::Equal, &[protocol as u8]);
        }
        rule.matches.iter().for_each(|it| write_match(w, it));
        put(w, "counter", |_| {});
        write_target(w, family, &rule.target);
    });
    if let Some(protocol) = protocol {
        // Extensions need the protocol: the kernel checks that the match fits it.
        w.nest(COMPATIBLE, |w| {
            w.number_be(COMPATIBLE_PROTOCOL, protocol as u32);
            w.number_be(COMPATIBLE_FLAGS, 0);
        });
    }
}

fn protocol_of(it: &Match) -> Option<Transport> {
    match it {
        Match::Protocol(transport) | Match::Port(transport, _) => Some(*transport),
        _ => None,
    }
}

fn write_match(w: &mut Attributes, it: &Match) {
    match it {
        Match::From(network) => write_network(w, SOURCE, *network, CmpOp::Equal),
        Match::To(network) => write_network(w, DESTINATION, *network, CmpOp::Equal),
        Match::NotTo(network) => write_network(w, DESTINATION, *network, CmpOp::NotEqual),
        Match::Comment(text) => {
            put_extension(w, Extension::matching("comment", 0), &fields(256, &[text.as_bytes()]))
        }
        Match::ToThisHost => {
            put_extension(
                w,
                Extension::matching("addrtype", 1),
                &fields(8, &[&[0; 2], &LOCAL.to_ne_bytes()]),
            );
        }
        Match::Port(transport, port) => write_port(w, *transport, *port),
        Match::Ports(ports) => write_ports(w, ports),
        Match::Marked(bits) => put_extension(w, Extension::matching("mark", 1), &twice(16, *bits)),
        Match::Protocol(_) | Match::Raw(_) => {}
    }
}

/// The offsets of the addresses in the headers of IPv4 and of IPv6.
const SOURCE: [u32; 2] = [12, 8];
const DESTINATION: [u32; 2] = [16, 24];

/// Writes a match of an address; the first parameter has its offset in the header of IPv4 and of IPv6.
fn write_network(w: &mut Attributes, [v4, v6]: [u32; 2], network: Cidr, op: CmpOp) {
    let (offset, length) = if network.family() == Family::V4 { (v4, 4) } else { (v6, 16) };
    if network.length == 0 {
        return;
    }
    load_network(w, offset, length);
    if network.length < network.family().bits() {
        mask(w, &octets(network.netmask()));
    }
    compare(w, op, &octets(network.network().address));
}

/// `struct xt_tcp`, `xt_udp` and `xt_sctp_info` with any source port and one destination port.
fn write_port(w: &mut Attributes, transport: Transport, port: u16) {
    let (any, port) = ([0, 0, 0xff, 0xff], port.to_ne_bytes());
    let only = [port, port].concat();
    match transport {
        Transport::Tcp => put_extension(w, Extension::matching("tcp", 0), &fields(16, &[&any, &only])),
        Transport::Udp => put_extension(w, Extension::matching("udp", 0), &fields(16, &[&any, &only])),
        Transport::Sctp => {
            let no_chunk = [0xff, 0, 0];
            let chunks = [no_chunk, no_chunk, no_chunk, no_chunk].concat();
            let by_destination = 2_u32.to_ne_bytes();
            let parts: [&[u8]; 5] = [&only, &[0; 264], &chunks, &[0; 4], &by_destination];
            put_extension(w, Extension::matching("sctp", 0), &fields(296, &parts));
        }
    }
}

/// `struct xt_multiport_v1` with `XT_MULTIPORT_DESTINATION`.
fn write_ports(w: &mut Attributes, ports: &[u16]) {
    let count = u8::try_from(ports.len()).unwrap_or(0);
    let list: Vec<u8> = ports.iter().flat_map(|port| port.to_ne_bytes()).collect();
    put_extension(w, Extension::matching("multiport", 1), &fields(48, &[&[1, count], &list]));
}

fn write_target(w: &mut Attributes, family: Family, target: &Target) {
    match target {
        Target::Accept => accept(w),
        Target::Chain(name) => jump(w, name),
        Target::Mark(bits) => put_extension(w, Extension::target("MARK", 2), &twice(8, *bits)),
        // `struct nf_nat_ipv4_multi_range_compat` with one empty range, and an empty `nf_nat_range`.
        Target::Masquerade if family == Family::V4 => {
            put_extension(w, Extension::target("MASQUERADE", 0), &fields(24, &[&1_u32.to_ne_bytes()]));
        }
        Target::Masquerade => put_extension(w, Extension::target("MASQUERADE", 0), &fields(40, &[])),
        Target::Redirect(address, port) => {
            put_extension(w, Extension::target("DNAT", 2), &redirection(*address, *port));
        }
    }
}

/// `struct nf_nat_range2` with one address and one port.
fn redirection(address: IpAddr, port: u16) -> Vec<u8> {
    let address = fields(16, &[&octets(address)]);
    let port = port.to_be_bytes();
    fields(48, &[&ADDRESS_AND_PORT.to_ne_bytes(), &address, &address, &port, &port])
}

/// Returns a mark and its mask.
fn twice(length: usize, bits: u32) -> Vec<u8> {
    fields(length, &[&bits.to_ne_bytes(), &bits.to_ne_bytes()])
}

/// Concatenates fields; pads with zeros or cuts to a length.
fn fields(length: usize, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = parts.concat();
    bytes.resize(length, 0);
    bytes
}

/// A match or a target extension of iptables.
struct Extension {
    /// The name of the nf_tables expression that wraps it: `match` or `target`.
    kind: &'static str,
    name: &'static str,
    revision: u32,
}

impl Extension {
    fn matching(name: &'static str, revision: u32) -> Self {
        Self { kind: "match", name, revision }
    }

    fn target(name: &'static str, revision: u32) -> Self {
        Self { kind: "target", name, revision }
    }
}

/// Adds an extension with its struct, `data`.
fn put_extension(w: &mut Attributes, extension: Extension, data: &[u8]) {
    put(w, extension.kind, |w| {
        w.text(1, extension.name);
        w.number_be(2, extension.revision);
        w.bytes(3, data);
    });
}
