//! MAC spoof check: drops frames that a container sends under another hardware address (`macspoofchk`).

use super::differs;
use crate::attachment::Attachment;
use crate::declaration::{Resource, Undo};
use crate::error::{Error, Result};
use crate::host::{Host, Side};
use crate::nft::{
    AttachmentEntries, Batch, Chain, Element, Entry, Hook, Kind, OnConflict, Rule, Schema, Set, TableFamily,
    Verdict,
};
use crate::rtnetlink::parse_mac;

/// The check of an attachment's port. Frames are dropped before the bridge learns their sender's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacSpoofCheck {
    /// The attachment.
    pub attachment: Attachment,
}

impl Resource for MacSpoofCheck {
    fn add(&self, host: &mut Host) -> Result<Undo> {
        let facts = self.facts(host)?;
        AttachmentEntries::<Table>::of(host.netfilter()?, &self.attachment).add(&facts)?;
        Ok(Undo::Remove)
    }

    fn del(&self, host: &mut Host) -> Result<()> {
        let Some(socket) = host.netfilter_if_any()? else { return Ok(()) };
        AttachmentEntries::<Table>::of(socket, &self.attachment).remove().map(drop)
    }

    fn check(&self, host: &mut Host) -> Result<()> {
        let facts = self.facts(host)?;
        let missing =
            AttachmentEntries::<Table>::of(host.netfilter()?, &self.attachment).missing_facts(&facts)?;
        match missing.first() {
            None => Ok(()),
            Some(fact) => Err(differs(format!("the sender's hardware address is not checked: {fact}"))),
        }
    }

    fn gc(&self, host: &mut Host, network: &str, valid: &[Attachment]) -> Result<()> {
        let Some(socket) = host.netfilter_if_any()? else { return Ok(()) };
        AttachmentEntries::<Table>::keep_only(socket, network, valid)
    }
}

impl MacSpoofCheck {
    /// Returns the port and the hardware address that may send through it. Both ends of the veth pair exist at this
    /// point.
    fn facts(&self, host: &mut Host) -> Result<Vec<String>> {
        let inside = host.link(Side::Container, &self.attachment.interface)?;
        let port = host.host_end.clone().ok_or_else(|| {
            Error::config(format!("interface {} has no other end on the host", inside.name))
        })?;
        Ok(vec![format!("{port} {}", inside.mac_text())])
    }
}

/// `table bridge tare_macspoof`: the checked ports, and the pairs of port and address. As `nft` prints it, with one attachment:
///
/// ```text
/// set ports {
///     type ifname
///     elements = { "veth1a2b3c4d" }
/// }
/// set senders {
///     type ifname . ether_addr
///     elements = { "veth1a2b3c4d" . 0a:58:0a:58:00:05 }
/// }
/// chain prerouting {
///     type filter hook prerouting priority dstnat
///     iifname @ports iifname . ether saddr != @senders drop
/// }
/// ```
/// One rule checks all ports, so that its costs do not grow with the number of attachments.
#[derive(Debug)]
struct Table;

const PREROUTING: &str = "prerouting";
/// The priority `dstnat` of the bridge family: before the bridge processes the frame.
const PRIORITY: i32 = -300;
const PORTS: &str = "ports";
const SENDERS: &str = "senders";
/// The numbers of the types in `nft`, and their lengths in a key.
const INTERFACE_NAME: (u32, u32) = (41, 16);
const HARDWARE_ADDRESS: (u32, u32) = (9, 8);

impl Schema for Table {
    const TABLE: &'static str = "tare_macspoof";
    const FAMILY: TableFamily = TableFamily::Bridge;
    const CHAIN: &'static str = PREROUTING;
    const FIXED: u32 = 3;
    const FIXED_RULES: u32 = 1;

    fn build(batch: &mut Batch) {
        batch.set(&Set { name: PORTS.to_owned(), key: INTERFACE_NAME, data: None });
        let ((name, name_length), (mac, mac_length)) = (INTERFACE_NAME, HARDWARE_ADDRESS);
        let pair = ((name << 6) | mac, name_length + mac_length);
        batch.set(&Set { name: SENDERS.to_owned(), key: pair, data: None });
        batch.chain(Chain { name: PREROUTING, hook: Some((Hook::Prerouting, PRIORITY)), kind: Kind::Filter });
        batch.rule(PREROUTING, &Rule::of_spoofed_sender(PORTS, SENDERS).verdict(Verdict::Drop));
    }

    fn build_network(_: &mut Batch, _: crate::address::Cidr) {}

    fn entries(fact: &str) -> Vec<Entry> {
        let Some((port, mac)) = fact.split_once(' ') else { return Vec::new() };
        let Some(mac) = parse_mac(mac) else { return Vec::new() };
        let mut name = port.as_bytes().to_vec();
        name.resize(INTERFACE_NAME.1 as usize, 0);
        let pair = [name.clone(), mac.to_vec(), vec![0; 2]].concat();
        // An interface name belongs to one port at a time. An existing element is a leftover.
        let entry = |set: &str, key| Entry {
            set: set.to_owned(),
            network: None,
            element: Element { key, data: Vec::new() },
            on_conflict: OnConflict::Replace,
        };
        vec![entry(PORTS, name), entry(SENDERS, pair)]
    }
}
