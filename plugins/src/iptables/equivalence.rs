//! Whether a rule that the kernel tells of is one of ours.

use super::encode;
use super::rule::Rule;
use crate::address::Family;
use tare_netlink::{NESTED, attributes, encode_attributes, find, flagged_attributes};

/// Whether a rule with these expressions is this one, as it is written here. Other programs may write the same rule by
/// other expressions: that it is not alike does not mean that it does something else.
pub(super) fn is_equivalent(expressions: &[u8], family: Family, rule: &Rule) -> bool {
    let ours = encode_attributes(|w| encode::write(w, family, rule));
    let ours = find(&ours, encode::EXPRESSIONS).unwrap_or_default();
    attributes(ours).count() == attributes(expressions).count()
        && attributes(expressions).zip(attributes(ours)).all(|((_, theirs), (_, ours))| says(theirs, ours))
}

/// Whether all that is said here is said there. The kernel says more: what counters have counted, and defaults.
fn says(theirs: &[u8], ours: &[u8]) -> bool {
    flagged_attributes(ours).all(|(kind, payload)| {
        let found = find(theirs, kind & !NESTED);
        found.is_some_and(|found| match kind & NESTED {
            0 => found == payload || is_first_register(found, payload),
            _ => says(found, payload),
        })
    })
}

/// What is written as `NFT_REG32_00` the kernel tells as `NFT_REG_1`, the same register by its older name. No other
/// number of ours is that one.
fn is_first_register(theirs: &[u8], ours: &[u8]) -> bool {
    const NAMES: [u32; 2] = [1, 8];
    let [older, newer] = NAMES.map(u32::to_be_bytes);
    theirs == older && ours == newer
}
