//! The iptables backend: chains of the nat table, changed by one run of `iptables-restore` for each protocol and verb.
//!
//! What an attachment has is noted in nf_tables before it is made, as the lines that take it out again: `DEL` and `GC`
//! go by that note, and need neither the configuration nor a search among everybody's rules.

mod chains;
mod note;
mod program;

pub use chains::{Chains, Place, Way};
pub use note::{Owned, Taken};
pub use program::Lock;

use crate::attachment::Attachment;
use crate::hash::fnv;

/// The longest that iptables takes.
const LONGEST_COMMENT: usize = 255;
const LONGEST_CHAIN: usize = 28;

/// The name of an attachment's own chain: unlike the Go plugins' it tells two interfaces of one container apart.
pub fn own_chain(prefix: &str, attachment: &Attachment) -> String {
    let key = attachment.to_string();
    let hash = format!("{:016x}{:016x}", fnv(&key), fnv(&format!("{key}/")));
    format!("CNI-{prefix}{hash}").chars().take(LONGEST_CHAIN).collect()
}

/// A comment as the rules of the Go plugins have it, quoted for `iptables-restore`.
pub fn comment(words: &str, attachment: &Attachment) -> String {
    let Attachment { network, container, .. } = attachment;
    let text: String =
        format!("{words}name: \"{network}\" id: \"{container}\"").chars().take(LONGEST_COMMENT).collect();
    format!("-m comment --comment {}", quote(&text))
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
        assert_eq!(comment("", &attachment("eth0")), r#"-m comment --comment "name: \"net\" id: \"c1\"""#);
    }
}
