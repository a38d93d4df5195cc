//! The keys of conditions: for each key of nftables its source in the packet, its length and its values.

use crate::address::Family;
use crate::nft::{Header, Source};

/// A key such as `ip saddr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// The key in nftables syntax.
    pub(super) words: &'static str,
    /// Where it is loaded from.
    pub(super) source: Source,
    /// Its length in bytes.
    pub(super) length: u32,
    /// The form of its values.
    pub(super) kind: Kind,
    /// The packets that have it.
    pub(super) needs: Needs,
}

/// The form of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An address, with or without a prefix length.
    Address(Family),
    /// A number in network byte order, or one of these names.
    Number(&'static [(&'static str, u32)]),
    /// A number in host byte order, or one of these names.
    HostNumber(&'static [(&'static str, u32)]),
    /// Any of these bits, in host byte order.
    Bits(&'static [(&'static str, u32)]),
    /// A number that is shifted within a mask.
    Field { shift: u32, mask: u32, words: &'static [(&'static str, u32)] },
    /// A hardware address.
    Hardware,
    /// An interface name, or a prefix with an asterisk.
    InterfaceName,
    /// An existing interface, by name or index.
    Interface,
}

/// The packets that have a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// All packets.
    Nothing,
    /// Packets of an address family.
    Family(Family),
    /// Packets of a transport protocol.
    Transport(u8),
    /// Packets of a protocol with ports.
    Ports,
    /// Packets that were received over Ethernet.
    Ethernet,
}

const NONE: &[(&str, u32)] = &[];
const PROTOCOLS: &[(&str, u32)] = &[
    ("icmp", 1),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("ipv6-icmp", 58),
    ("sctp", 132),
    ("udplite", 136),
];
const STATES: &[(&str, u32)] =
    &[("invalid", 1), ("established", 2), ("related", 4), ("new", 8), ("untracked", 64)];
const STATUS: &[(&str, u32)] = &[
    ("expected", 1),
    ("seen-reply", 2),
    ("assured", 4),
    ("confirmed", 8),
    ("snat", 16),
    ("dnat", 32),
    ("dying", 512),
];
const DIRECTIONS: &[(&str, u32)] = &[("original", 0), ("reply", 1)];
const ADDRESS_TYPES: &[(&str, u32)] = &[
    ("unicast", 1),
    ("local", 2),
    ("broadcast", 3),
    ("anycast", 4),
    ("multicast", 5),
    ("blackhole", 6),
    ("unreachable", 7),
    ("prohibit", 8),
];
const PACKET_TYPES: &[(&str, u32)] =
    &[("host", 0), ("unicast", 0), ("broadcast", 1), ("multicast", 2), ("other", 3)];
const NETWORK_PROTOCOLS: &[(&str, u32)] =
    &[("ip", 0x0800), ("arp", 0x0806), ("vlan", 0x8100), ("ip6", 0x86dd)];
const FAMILIES: &[(&str, u32)] = &[("ipv4", 2), ("ipv6", 10)];
const FLAGS: &[(&str, u32)] =
    &[("fin", 1), ("syn", 2), ("rst", 4), ("psh", 8), ("ack", 16), ("urg", 32), ("ecn", 64), ("cwr", 128)];
const SERVICES: &[(&str, u32)] = &[
    ("cs0", 0),
    ("cs1", 8),
    ("cs2", 16),
    ("cs3", 24),
    ("cs4", 32),
    ("cs5", 40),
    ("cs6", 48),
    ("cs7", 56),
    ("be", 0),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("ef", 46),
];

impl Key {
    /// Creates a key of all packets.
    const fn new(words: &'static str, source: Source, length: u32, kind: Kind) -> Key {
        Key { words, source, length, kind, needs: Needs::Nothing }
    }

    const fn of(self, needs: Needs) -> Key {
        Key { needs, ..self }
    }
}

const fn ip(words: &'static str, offset: u32, length: u32, kind: Kind) -> Key {
    Key::new(words, Source::Header(Header::Network, offset), length, kind).of(Needs::Family(Family::V4))
}

const fn ip6(words: &'static str, offset: u32, length: u32, kind: Kind) -> Key {
    Key::new(words, Source::Header(Header::Network, offset), length, kind).of(Needs::Family(Family::V6))
}

const fn port(words: &'static str, offset: u32, needs: Needs) -> Key {
    Key::new(words, Source::Header(Header::Transport, offset), 2, Kind::Number(NONE)).of(needs)
}

const fn meta(words: &'static str, key: u32, length: u32, kind: Kind) -> Key {
    Key::new(words, Source::Meta(key), length, kind)
}

const fn ct(words: &'static str, key: u32, length: u32, kind: Kind) -> Key {
    Key::new(words, Source::Connection(key), length, kind)
}

const fn of_ethernet(words: &'static str, offset: u32, length: u32, kind: Kind) -> Key {
    Key::new(words, Source::Header(Header::Link, offset), length, kind).of(Needs::Ethernet)
}

const fn fib(words: &'static str, flags: u32) -> Key {
    Key::new(words, Source::AddressType(flags), 4, Kind::HostNumber(ADDRESS_TYPES))
}

const TCP: Needs = Needs::Transport(6);
const UDP: Needs = Needs::Transport(17);
const SCTP: Needs = Needs::Transport(132);

/// All keys. The word `meta` may be omitted where nftables allows it.
pub(super) const KEYS: &[Key] = &[
    ip("ip saddr", 12, 4, Kind::Address(Family::V4)),
    ip("ip daddr", 16, 4, Kind::Address(Family::V4)),
    ip("ip protocol", 9, 1, Kind::Number(PROTOCOLS)),
    ip("ip ttl", 8, 1, Kind::Number(NONE)),
    ip("ip length", 2, 2, Kind::Number(NONE)),
    ip("ip id", 4, 2, Kind::Number(NONE)),
    ip("ip dscp", 1, 1, Kind::Field { shift: 2, mask: 0xfc, words: SERVICES }),
    ip6("ip6 saddr", 8, 16, Kind::Address(Family::V6)),
    ip6("ip6 daddr", 24, 16, Kind::Address(Family::V6)),
    ip6("ip6 nexthdr", 6, 1, Kind::Number(PROTOCOLS)),
    ip6("ip6 hoplimit", 7, 1, Kind::Number(NONE)),
    ip6("ip6 length", 4, 2, Kind::Number(NONE)),
    ip6("ip6 dscp", 0, 2, Kind::Field { shift: 6, mask: 0x0fc0, words: SERVICES }),
    port("tcp sport", 0, TCP),
    port("tcp dport", 2, TCP),
    port("udp sport", 0, UDP),
    port("udp dport", 2, UDP),
    port("sctp sport", 0, SCTP),
    port("sctp dport", 2, SCTP),
    port("th sport", 0, Needs::Ports),
    port("th dport", 2, Needs::Ports),
    Key::new("tcp flags", Source::Header(Header::Transport, 13), 1, Kind::Bits(FLAGS)).of(TCP),
    meta("meta mark", 3, 4, Kind::HostNumber(NONE)),
    meta("meta length", 0, 4, Kind::HostNumber(NONE)),
    meta("meta protocol", 1, 2, Kind::Number(NETWORK_PROTOCOLS)),
    meta("meta nfproto", 15, 1, Kind::Number(FAMILIES)),
    meta("meta l4proto", 16, 1, Kind::Number(PROTOCOLS)),
    meta("meta iif", 4, 4, Kind::Interface),
    meta("meta oif", 5, 4, Kind::Interface),
    meta("meta iifname", 6, 16, Kind::InterfaceName),
    meta("meta oifname", 7, 16, Kind::InterfaceName),
    meta("meta skuid", 10, 4, Kind::HostNumber(NONE)),
    meta("meta skgid", 11, 4, Kind::HostNumber(NONE)),
    meta("meta pkttype", 19, 1, Kind::Number(PACKET_TYPES)),
    ct("ct state", 0, 4, Kind::Bits(STATES)),
    ct("ct direction", 1, 1, Kind::Number(DIRECTIONS)),
    ct("ct status", 2, 4, Kind::Bits(STATUS)),
    ct("ct mark", 3, 4, Kind::HostNumber(NONE)),
    of_ethernet("ether daddr", 0, 6, Kind::Hardware),
    of_ethernet("ether saddr", 6, 6, Kind::Hardware),
    of_ethernet("ether type", 12, 2, Kind::Number(NETWORK_PROTOCOLS)),
    fib("fib saddr type", 1),
    fib("fib daddr type", 2),
];
