//! Compares rules in the kernel with rules of this crate.

use super::encode;
use super::rule::Rule;
use crate::address::Family;
use tare_netlink::{NESTED, attributes, encode_attributes, find, flagged_attributes};

/// Whether these expressions are the encoding of this rule. Other programs may encode the same rule in another way, so
/// that a difference does not mean that the rule has another effect.
pub(super) fn is_equivalent(expressions: &[u8], family: Family, rule: &Rule) -> bool {
    let ours = encode_attributes(|w| encode::write(w, family, rule));
    let ours = find(&ours, encode::EXPRESSIONS).unwrap_or_default();
    attributes(ours).count() == attributes(expressions).count()
        && attributes(expressions)
            .zip(attributes(ours))
            .all(|((_, theirs), (_, ours))| contains(theirs, ours))
}

/// Whether `theirs` contains all attributes of `ours`. The kernel adds more: counter values and defaults.
fn contains(theirs: &[u8], ours: &[u8]) -> bool {
    flagged_attributes(ours).all(|(kind, payload)| {
        let found = find(theirs, kind & !NESTED);
        found.is_some_and(|found| match kind & NESTED {
            0 => found == payload || is_first_register(found, payload),
            _ => contains(found, payload),
        })
    })
}

/// Whether this is the first register under its two numbers. A rule is written with `NFT_REG32_00`; the kernel returns
/// the same register as `NFT_REG_1`. No other number that this crate writes has this value.
fn is_first_register(theirs: &[u8], ours: &[u8]) -> bool {
    const NAMES: [u32; 2] = [1, 8];
    let [older, newer] = NAMES.map(u32::to_be_bytes);
    theirs == older && ours == newer
}
