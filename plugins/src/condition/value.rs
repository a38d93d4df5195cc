//! Values of conditions: addresses, numbers, names and ranges.

use super::key::{Key, Kind};
use crate::address::{self, Family, octets};
use crate::nft::{CmpOp, Expression};
use crate::rtnetlink::{interface_number, parse_mac};

/// A value to compare a key with, in the byte order of the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// One value.
    Exactly(Vec<u8>),
    /// All values with a prefix: the prefix and the mask.
    Network(Vec<u8>, Vec<u8>),
    /// All values of a range.
    Range(Vec<u8>, Vec<u8>),
}

impl Value {
    /// Reads a word, or two words with a dash between them.
    pub(super) fn read(word: &str, key: &Key) -> Option<Value> {
        if let Some(value) = read_one(word, key) {
            return Some(value);
        }
        let (from, to) = word.split_once('-')?;
        match (read_one(from, key)?, read_one(to, key)?) {
            (Value::Exactly(from), Value::Exactly(to)) if is_in_order(key, &from, &to) => {
                Some(Value::Range(from, to))
            }
            _ => None,
        }
    }

    /// Returns the expressions that compare the loaded key with the value.
    pub(super) fn expressions(&self, key: &Key, op: CmpOp) -> Vec<Expression> {
        let is_equality = matches!(op, CmpOp::Equal | CmpOp::NotEqual);
        match self {
            Value::Exactly(bytes) if is_equality => vec![Expression::Compare(op, bytes.clone())],
            Value::Exactly(bytes) => turned(key, |turn| vec![Expression::Compare(op, turn(bytes))]),
            Value::Network(bytes, mask) => {
                vec![Expression::Mask(mask.clone()), Expression::Compare(op, bytes.clone())]
            }
            Value::Range(from, to) => turned(key, |turn| match op {
                CmpOp::NotEqual => vec![Expression::Outside(turn(from), turn(to))],
                _ => vec![Expression::Within(turn(from), turn(to))],
            }),
        }
    }
}

/// Less and greater are compared in network byte order, as the kernel compares with memcmp.
fn turned(
    key: &Key,
    expressions: impl FnOnce(&dyn Fn(&[u8]) -> Vec<u8>) -> Vec<Expression>,
) -> Vec<Expression> {
    match key.kind {
        Kind::HostNumber(_) => {
            let turn = |bytes: &[u8]| bytes.iter().rev().copied().collect();
            [vec![Expression::ToNetworkOrder(key.length)], expressions(&turn)].concat()
        }
        _ => expressions(&|bytes| bytes.to_vec()),
    }
}

fn is_in_order(key: &Key, from: &[u8], to: &[u8]) -> bool {
    match key.kind {
        Kind::HostNumber(_) => from.iter().rev().le(to.iter().rev()),
        Kind::Bits(_) | Kind::InterfaceName | Kind::Interface => false,
        _ => from <= to,
    }
}

/// All supported targets are little-endian.
fn in_host_order(number: u32, length: u32) -> Vec<u8> {
    in_network_order(number, length).into_iter().rev().collect()
}

/// Returns the last bytes of a number in network byte order.
pub(super) fn in_network_order(number: u32, length: u32) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let first = bytes.len().saturating_sub(usize::try_from(length).unwrap_or(0));
    bytes.get(first..).unwrap_or_default().to_vec()
}

fn read_one(word: &str, key: &Key) -> Option<Value> {
    let most = u32::MAX.checked_shr(32_u32.saturating_sub(key.length * 8)).unwrap_or(u32::MAX);
    match key.kind {
        Kind::Address(family) => read_address(word, family),
        Kind::Number(words) => Some(Value::Exactly(in_network_order(number(word, words, most)?, key.length))),
        Kind::HostNumber(words) | Kind::Bits(words) => {
            Some(Value::Exactly(in_host_order(number(word, words, most)?, key.length)))
        }
        Kind::Field { shift, mask, words } => {
            let value = number(word, words, mask.checked_shr(shift)?)?;
            Some(Value::Exactly(in_network_order(value.checked_shl(shift)?, key.length)))
        }
        Kind::Hardware => parse_mac(word).map(|mac| Value::Exactly(mac.to_vec())),
        Kind::InterfaceName => read_name(word),
        Kind::Interface => read_interface(word, key),
    }
}

fn read_address(word: &str, family: Family) -> Option<Value> {
    if let Some(address) = word.parse().ok().filter(|address| Family::of(*address) == family) {
        return Some(Value::Exactly(octets(address)));
    }
    let cidr = address::parse(word).filter(|cidr| cidr.family() == family)?;
    match cidr.length == family.bits() {
        true => Some(Value::Exactly(octets(cidr.address))),
        false => Some(Value::Network(octets(cidr.network().address), octets(cidr.netmask()))),
    }
}

/// Reads a name or a number with the rules of nftables: hexadecimal after `0x`, octal after `0`, else decimal.
fn number(word: &str, words: &[(&str, u32)], most: u32) -> Option<u32> {
    let named = words.iter().find(|(name, _)| *name == word).map(|(_, number)| *number);
    let (digits, radix) = match (word.strip_prefix("0x"), word.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) if !digits.is_empty() => (digits, 8),
        _ => (word, 10),
    };
    let plain = digits.chars().all(|c| c.is_digit(radix));
    let read = || u32::from_str_radix(digits, radix).ok().filter(|_| plain);
    named.or_else(read).filter(|number| *number <= most)
}

/// Returns the current index of an interface.
fn read_interface(word: &str, key: &Key) -> Option<Value> {
    const MOST: u32 = i32::MAX.unsigned_abs();
    let name = unquote(word)?;
    let digits = || name.parse().ok().filter(|number| !name.starts_with('+') && *number <= MOST);
    let index = interface_number(name).or_else(digits)?;
    Some(Value::Exactly(in_host_order(index, key.length)))
}

/// A name is compared with its terminating NUL, a prefix without.
fn read_name(word: &str) -> Option<Value> {
    const LENGTH: usize = 16;
    let bare = unquote(word)?;
    let beginning = bare.strip_suffix('*');
    let mut bytes = beginning.unwrap_or(bare).as_bytes().to_vec();
    // nftables reads a backslash as an escape of the asterisk.
    let fits = !bytes.is_empty() && bytes.len() < LENGTH && !bare.contains('\\');
    if beginning.is_none() {
        bytes.resize(LENGTH, 0);
    }
    fits.then_some(Value::Exactly(bytes))
}

/// Removes quotes; `None` if only one of them is present.
fn unquote(word: &str) -> Option<&str> {
    match word.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"'),
        None => Some(word),
    }
}
