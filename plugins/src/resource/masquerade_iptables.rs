//! Masquerading with iptables: packets to destinations outside of the attachment's network get the host's address.

use crate::address::{Cidr, Family};
use crate::attachment::Attachment;
use crate::declaration::{Resource, Undo};
use crate::error::Result;
use crate::host::Host;
use crate::iptables::{
    ChainNames, Chains, Jump, Match, Position, RecordedChains, Rule, Target, comment, own_chain,
};
use crate::nft::{Batch, Chain, Entry, Kind, Schema};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The masqueraded addresses of an attachment, in the nat tables of iptables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IptablesMasquerade {
    /// The attachment.
    pub attachment: Attachment,
    /// The addresses with their networks. Packets within the network are not masqueraded.
    pub addresses: Vec<Cidr>,
}

const POSTROUTING: &str = "POSTROUTING";
const MULTICAST_V4: Cidr = Cidr { address: IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), length: 4 };
const MULTICAST_V6: Cidr =
    Cidr { address: IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), length: 8 };

impl Resource for IptablesMasquerade {
    fn add(&self, host: &mut Host) -> Result<Undo> {
        let chains = self.chains();
        if chains.is_empty() {
            return Ok(Undo::Nothing);
        }
        // The records contain no facts, so that there is no conflict.
        let _ = self.owned().add(host, &[], &chains)?;
        Ok(Undo::Remove)
    }

    fn del(&self, host: &mut Host) -> Result<()> {
        let own = own_chain("", &self.attachment);
        self.owned().remove(host, &ChainNames { own: &own, from: POSTROUTING }).map(drop)
    }

    fn check(&self, host: &mut Host) -> Result<()> {
        self.chains().iter().try_for_each(|chains| chains.check(host.netfilter()?))
    }

    fn gc(&self, host: &mut Host, network: &str, valid: &[Attachment]) -> Result<()> {
        RecordedChains::<Notes>::keep_only(host, network, valid)
    }
}

impl IptablesMasquerade {
    fn owned(&self) -> RecordedChains<'_, Notes> {
        RecordedChains::of(&self.attachment)
    }

    fn chains(&self) -> Vec<Chains> {
        let has = |family: &Family| self.addresses.iter().any(|address| address.family() == *family);
        [Family::V4, Family::V6].into_iter().filter(has).map(|family| self.chains_of(family)).collect()
    }

    fn chains_of(&self, family: Family) -> Chains {
        let (own, comment) = (own_chain("", &self.attachment), comment("", &self.attachment));
        let of_family = || self.addresses.iter().filter(|address| address.family() == family);
        let multicast = if family == Family::V4 { MULTICAST_V4 } else { MULTICAST_V6 };
        let entry = |address: &Cidr| Jump {
            from: POSTROUTING.to_owned(),
            position: Position::Last,
            matches: vec![Match::From(Cidr { length: family.bits(), ..*address }), comment.clone()],
            to: own.clone(),
        };
        let within = |address: &Cidr| vec![Match::To(address.network()), comment.clone()];
        let mut rules: Vec<Rule> =
            of_family().map(|address| Rule::new(within(address), Target::Accept)).collect();
        rules.push(Rule::new(vec![Match::NotTo(multicast), comment.clone()], Target::Masquerade));
        Chains {
            family,
            fixed_chains: Vec::new(),
            shared_chains: Vec::new(),
            shared_jumps: Vec::new(),
            rules,
            entries: of_family().map(entry).collect(),
            own,
        }
    }
}

/// `table inet tare_iptables_masq`: only records.
#[derive(Debug)]
struct Notes;

impl Schema for Notes {
    const TABLE: &'static str = "tare_iptables_masq";
    const CHAIN: &'static str = "notes";
    const FIXED: u32 = 1;
    const FIXED_RULES: u32 = 0;

    fn build(batch: &mut Batch) {
        batch.chain(Chain { name: Self::CHAIN, hook: None, kind: Kind::Filter });
    }

    fn build_network(_: &mut Batch, _: Cidr) {}

    fn entries(_: &str) -> Vec<Entry> {
        Vec::new()
    }
}
