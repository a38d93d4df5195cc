//! Masquerading with nftables: packets to destinations outside of the attachment's network get the host's address.

use super::differs;
use crate::address::{self, Cidr, Family, octets};
use crate::attachment::Attachment;
use crate::declaration::{Resource, Undo};
use crate::error::Result;
use crate::host::Host;
use crate::nft::{
    AttachmentEntries, Batch, Chain, Element, Entry, Hook, Kind, OnConflict, Rule, Schema, Set, Verdict,
    network_set,
};

/// The masqueraded addresses of an attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masquerade {
    /// The attachment.
    pub attachment: Attachment,
    /// The addresses with their networks. Packets within the network are not masqueraded.
    pub addresses: Vec<Cidr>,
}

impl Resource for Masquerade {
    fn add(&self, host: &mut Host) -> Result<Undo> {
        if self.addresses.is_empty() {
            return Ok(Undo::Nothing);
        }
        AttachmentEntries::<Table>::of(host.netfilter()?, &self.attachment).add(&self.facts())?;
        Ok(Undo::Remove)
    }

    fn del(&self, host: &mut Host) -> Result<()> {
        let Some(socket) = host.netfilter_if_any()? else { return Ok(()) };
        AttachmentEntries::<Table>::of(socket, &self.attachment).remove().map(drop)
    }

    fn check(&self, host: &mut Host) -> Result<()> {
        let missing = AttachmentEntries::<Table>::of(host.netfilter()?, &self.attachment)
            .missing_facts(&self.facts())?;
        match missing.first() {
            None => Ok(()),
            Some(fact) => Err(differs(format!("address {fact} is not masqueraded"))),
        }
    }

    fn gc(&self, host: &mut Host, network: &str, valid: &[Attachment]) -> Result<()> {
        let Some(socket) = host.netfilter_if_any()? else { return Ok(()) };
        AttachmentEntries::<Table>::keep_only(socket, network, valid)
    }
}

impl Masquerade {
    fn facts(&self) -> Vec<String> {
        self.addresses.iter().map(Cidr::to_string).collect()
    }
}

/// `table inet tare_masquerade`: a set and a rule for each network. As `nft` prints it, with one attachment:
///
/// ```text
/// set in/10.88.0.0/16 {
///     type ipv4_addr
///     elements = { 10.88.0.5 comment "at/net/c1/eth0" }
/// }
/// chain postrouting {
///     type nat hook postrouting priority srcnat
///     ip daddr 224.0.0.0/4 return
///     ip6 daddr ff00::/8 return
///     ip saddr @in/10.88.0.0/16 ip daddr != 10.88.0.0/16 masquerade
/// }
/// ```
/// Multicast is not masqueraded: its receivers need the sender's address.
#[derive(Debug)]
struct Table;

const POSTROUTING: &str = "postrouting";
/// The priority `srcnat`.
const PRIORITY: i32 = 100;
const IPV4_ADDRESS: u32 = 7;
const IPV6_ADDRESS: u32 = 8;

impl Schema for Table {
    const TABLE: &'static str = "tare_masquerade";
    const CHAIN: &'static str = POSTROUTING;
    const FIXED: u32 = 1;
    const FIXED_RULES: u32 = 2;

    fn build(batch: &mut Batch) {
        batch.chain(Chain { name: POSTROUTING, hook: Some((Hook::Postrouting, PRIORITY)), kind: Kind::Nat });
        for multicast in ["224.0.0.0/4", "ff00::/8"].into_iter().filter_map(address::parse) {
            let rule = Rule::of(multicast.family()).to_network(multicast).verdict(Verdict::Return);
            batch.rule(POSTROUTING, &rule);
        }
    }

    fn build_network(batch: &mut Batch, network: Cidr) {
        let family = network.family();
        let name = network_set(network);
        let key = if family == Family::V4 { (IPV4_ADDRESS, 4) } else { (IPV6_ADDRESS, 16) };
        batch.set(&Set { name: name.clone(), key, data: None });
        let rule = Rule::of(family).from_any_of(family, &name).not_to_network(network).masquerade();
        batch.rule(POSTROUTING, &rule);
    }

    fn entries(fact: &str) -> Vec<Entry> {
        let entry = |cidr: Cidr| Entry {
            set: network_set(cidr),
            network: Some(cidr.network()),
            element: Element { key: octets(cidr.address), data: Vec::new() },
            // The address was just leased. An existing element belongs to a container that is gone.
            on_conflict: OnConflict::Replace,
        };
        address::parse(fact).map(entry).into_iter().collect()
    }
}
