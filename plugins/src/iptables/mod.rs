//! The iptables backend: chains of the nat table, changed and read over netlink where iptables-nft keeps them, and by one run
//! of `iptables-restore` for each protocol and verb where they are those of legacy iptables.
//!
//! What an attachment has is noted in nf_tables before or as it is made, as the lines that take it out again: `DEL` and `GC`
//! go by that note, and need neither the configuration nor a search among everybody's rules.

mod chains;
mod change;
mod encode;
mod equivalence;
mod legacy;
mod nat;
mod program;
mod record;
mod rule;

pub use crate::nft::Position;
pub use chains::{Chains, Jump};
pub use program::{Lock, is_installed};
pub use record::{ChainNames, FactConflict, RecordedChains};
pub use rule::{Match, Rule, Target};

use crate::attachment::Attachment;
use crate::hash::fnv;
use sha2::{Digest as _, Sha512};

/// The longest that iptables takes.
const LONGEST_COMMENT: usize = 255;
/// The longest name of a chain that iptables takes.
pub const LONGEST_CHAIN: usize = 28;

/// The name of an attachment's own chain. An interface called `eth0` has the one that the Go plugins give the container,
/// so that they find what ours have made, and ours what theirs have; any other has one of its own, since by that name
/// two interfaces of one container on one network would be one.
pub fn own_chain(prefix: &str, attachment: &Attachment) -> String {
    let Attachment { network, container, interface } = attachment;
    let hash = match interface.as_str() {
        "eth0" => hexadecimal(&Sha512::digest(format!("{network}{container}"))),
        _ => {
            let key = attachment.to_string();
            format!("{:016x}{:016x}", fnv(&key), fnv(&format!("{key}/")))
        }
    };
    format!("CNI-{prefix}{hash}").chars().take(LONGEST_CHAIN).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A comment as the rules of the Go plugins have it.
pub fn comment(words: &str, attachment: &Attachment) -> Match {
    let Attachment { network, container, .. } = attachment;
    let text = format!("{words}name: \"{network}\" id: \"{container}\"");
    Match::Comment(text.chars().take(LONGEST_COMMENT).collect())
}

/// One word of a line of `iptables-restore`.
pub fn quote(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_interfaces_of_one_container_have_two_chains() {
        let attachment = |interface: &str| Attachment {
            network: "net".into(),
            container: "c1".into(),
            interface: interface.into(),
        };
        let chain = own_chain("DN-", &attachment("eth0"));
        assert!(chain.starts_with("CNI-DN-") && chain.len() == LONGEST_CHAIN);
        assert_ne!(chain, own_chain("DN-", &attachment("eth1")));
        assert_eq!(
            comment("", &attachment("eth0")).to_string(),
            r#"-m comment --comment "name: \"net\" id: \"c1\"""#
        );
    }
}
