//! The iptables backend. Chains of iptables-nft are changed and read over netlink; chains of legacy iptables with one
//! run of `iptables-restore` for each family and verb.
//!
//! The lines that remove the rules of an attachment are recorded in nf_tables before or with the rules. `DEL` and `GC`
//! use this record, and need neither the configuration nor a search through all rules of the host.

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

/// The limit of the comment match.
const LONGEST_COMMENT: usize = 255;
/// The limit of iptables for chain names.
pub const LONGEST_CHAIN: usize = 28;

/// Returns the name of an attachment's own chain. For the interface `eth0` it is the name that the Go plugins use, so
/// that either plugin finds the chains of the other. For other interfaces the name includes the interface: with the Go
/// plugins' name, two interfaces of a container on one network would share a chain.
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

/// Returns a comment like those of the Go plugins.
pub fn comment(words: &str, attachment: &Attachment) -> Match {
    let Attachment { network, container, .. } = attachment;
    let text = format!("{words}name: \"{network}\" id: \"{container}\"");
    Match::Comment(text.chars().take(LONGEST_COMMENT).collect())
}

/// Quotes an argument for a line of `iptables-restore`.
pub fn quote(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_interface_of_a_container_has_its_own_chain() {
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
