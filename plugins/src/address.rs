//! An IP address with a prefix length, in CIDR notation.

use crate::error::{Error, Result};
use serde::{Serialize, Serializer};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Returns the family of an address.
    pub fn of(address: IpAddr) -> Family {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// Returns the number of bits in an address.
    pub fn bits(self) -> u8 {
        match self {
            Family::V4 => 32,
            Family::V6 => 128,
        }
    }

    /// Returns the network of all addresses, the destination of a default route.
    pub fn everything(self) -> Cidr {
        match self {
            Family::V4 => Cidr { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), length: 0 },
            Family::V6 => Cidr { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), length: 0 },
        }
    }
}

/// An address and a prefix length. The host bits are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cidr {
    /// The address. An IPv4-mapped IPv6 address is stored as IPv4.
    pub address: IpAddr,
    /// The prefix length, at most 32 or 128.
    pub length: u8,
}

impl Cidr {
    /// Reads `10.1.0.2/16`; `place` is its key in the configuration.
    ///
    /// # Errors
    /// The text is not in CIDR notation.
    pub fn read(text: &str, place: &str) -> Result<Cidr> {
        parse(text).ok_or_else(|| Error::config(format!("invalid CIDR address: {text}")).about(place))
    }

    /// Returns the address family.
    pub fn family(self) -> Family {
        Family::of(self.address)
    }

    /// Returns the network: the same prefix with all host bits cleared.
    pub fn network(self) -> Cidr {
        Cidr { address: from_number(number(self.address) & self.mask(), self.family()), ..self }
    }

    /// Returns the last address of the network, in IPv4 the broadcast address.
    pub fn last(self) -> IpAddr {
        from_number(number(self.address) | (self.all_ones() & !self.mask()), self.family())
    }

    /// Whether the network contains an address.
    pub fn contains(self, address: IpAddr) -> bool {
        self.family() == Family::of(address)
            && number(address) & self.mask() == number(self.address) & self.mask()
    }

    /// Whether two networks have a common address.
    pub fn overlaps(self, other: Cidr) -> bool {
        self.contains(other.network().address) || other.contains(self.network().address)
    }

    /// Returns the netmask.
    pub fn netmask(self) -> IpAddr {
        from_number(self.mask(), self.family())
    }

    fn all_ones(self) -> u128 {
        match self.family() {
            Family::V4 => u128::from(u32::MAX),
            Family::V6 => u128::MAX,
        }
    }

    fn mask(self) -> u128 {
        let host_bits = u32::from(self.family().bits().saturating_sub(self.length));
        self.all_ones() & !1_u128.checked_shl(host_bits).map_or(u128::MAX, |bit| bit - 1)
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// Reads an address. An IPv4-mapped IPv6 address becomes IPv4.
pub fn parse_address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Reads CIDR notation.
pub fn parse(text: &str) -> Option<Cidr> {
    let (address, length) = text.split_once('/')?;
    let address = parse_address(address)?;
    let plain = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let length = if plain { length.parse::<u8>().ok()? } else { return None };
    (length <= Family::of(address).bits()).then_some(Cidr { address, length })
}

/// Returns the 4 or 16 bytes of an address in network byte order.
pub fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// Reads an address from its bytes in network byte order.
pub fn from_octets(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(v4));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

/// Returns an address as a number, for comparison and arithmetic within one family.
pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// Returns the next address; the last one wraps to zero.
pub fn next(address: IpAddr) -> IpAddr {
    from_number(number(address).wrapping_add(1), Family::of(address))
}

/// Returns the previous address; zero wraps to the last one.
pub fn previous(address: IpAddr) -> IpAddr {
    from_number(number(address).wrapping_sub(1), Family::of(address))
}

/// Returns the address of a number.
pub fn from_number(number: u128, family: Family) -> IpAddr {
    match family {
        Family::V4 => {
            let [.., a, b, c, d] = number.to_be_bytes();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        Family::V6 => IpAddr::V6(Ipv6Addr::from(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        parse(text).unwrap()
    }

    #[test]
    fn a_network_has_a_first_and_a_last_address() {
        assert_eq!(cidr("10.1.2.3/16").network(), cidr("10.1.0.0/16"));
        assert_eq!(cidr("10.1.2.3/16").last().to_string(), "10.1.255.255");
        assert_eq!(cidr("fd00::5/64").last().to_string(), "fd00::ffff:ffff:ffff:ffff");
        assert_eq!(cidr("1.2.3.4/0").network(), Family::V4.everything());
        assert_eq!(cidr("1.2.3.4/32").network(), cidr("1.2.3.4/32"));
        assert_eq!(cidr("::1/128").last().to_string(), "::1");
    }

    #[test]
    fn a_network_contains_no_address_of_the_other_family() {
        assert!(cidr("0.0.0.0/0").contains("9.9.9.9".parse().unwrap()));
        assert!(!cidr("0.0.0.0/0").contains("::".parse().unwrap()));
    }

    #[test]
    fn an_ipv4_mapped_address_becomes_ipv4() {
        assert_eq!(parse_address("::ffff:10.0.0.1"), parse_address("10.0.0.1"));
    }

    #[test]
    fn invalid_cidr_notation_is_refused() {
        for text in
            ["", "10.0.0.1", "10.0.0.1/33", "10.0.0.1/", "10.0.0.1/+8", "x/8", "fd00::/129", "1.2.3/8"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn next_and_previous_wrap_within_the_family() {
        assert_eq!(next("255.255.255.255".parse().unwrap()).to_string(), "0.0.0.0");
        assert_eq!(previous("10.0.1.0".parse().unwrap()).to_string(), "10.0.0.255");
    }
}
