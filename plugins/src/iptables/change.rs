//! Makes, checks and removes the chains of an attachment with the programs of iptables.

use super::chains::{Chains, Jump, table};
use super::legacy;
use super::nat::{self, OwnChain};
use super::program::{Restore, Tables};
use crate::address::Family;
use crate::error::{Code, Error, Result};
use tare_netlink::Socket;

impl Chains {
    /// Creates all chains and rules, or none. Lists the existing rules first only if a shared chain may be missing.
    ///
    /// # Errors
    /// The message of `iptables-restore`.
    pub(super) fn make(&self, netfilter: &mut Socket) -> Result<()> {
        let restore = Restore::of(self.family)?;
        if self.shared_jumps.is_empty() {
            return restore.run(&self.script(&[], &[]));
        }
        let checks: Vec<String> =
            self.shared_jumps.iter().map(|jump| format!("-C {}", jump.words())).collect();
        let may_be_there = restore.tables() == Tables::Own || self.has_shared_chains(netfilter)?;
        if may_be_there && restore.run(&self.script(&[], &checks)).is_ok() {
            return Ok(());
        }
        let saved = restore.saved()?;
        let is_missing = |chain: &&String| !saved.iter().any(|line| line.starts_with(&format!(":{chain} ")));
        let missing: Vec<String> =
            self.shared_chains.iter().filter(is_missing).map(|chain| format!(":{chain} - [0:0]")).collect();
        let jumps = self.shared_jumps.iter().filter(|jump| !is_there(jump, &saved)).map(Jump::line);
        restore.run(&self.script(&missing, &jumps.collect::<Vec<_>>()))
    }

    /// Checks that all chains and rules exist. The programs of iptables are run only if a rule is not encoded as this
    /// crate does it: a save and restore, or another program, may have changed the encoding.
    ///
    /// # Errors
    /// Code 100: a rule is missing; the kernel's error.
    pub fn check(&self, netfilter: &mut Socket) -> Result<()> {
        if self.is_known() && nat::holds(netfilter, self)? {
            return Ok(());
        }
        let own = self.rules.iter().map(|rule| format!("{} {rule}", self.own));
        let jumps = self.shared_jumps.iter().chain(&self.entries).map(Jump::words);
        let lines: Vec<String> = own.chain(jumps).map(|rule| format!("-C {rule}")).collect();
        Restore::of(self.family)?.run(&table(&lines)).map_err(|error| {
            Error::new(Code::Differs, format!("a rule of chain {} is missing", self.own)).about(error.msg)
        })
    }

    /// The chains of iptables-nft can be queried over netlink.
    fn has_shared_chains(&self, netfilter: &mut Socket) -> Result<bool> {
        for chain in &self.shared_chains {
            if !nat::has_chain(netfilter, self.family, chain)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn is_there(jump: &Jump, saved: &[String]) -> bool {
    let (head, tail) = (format!("-A {} ", jump.from), format!("-j {}", jump.to));
    saved.iter().any(|line| line.starts_with(&head) && line.trim_end().ends_with(&tail))
}

/// Removes the rules of an attachment by its recorded lines, from nf_tables and from legacy iptables: the host may have
/// switched between them since `ADD`.
///
/// # Errors
/// The message of `iptables-restore`; the kernel's error.
pub(super) fn remove_chains(netfilter: &mut Socket, family: Family, lines: &[String]) -> Result<()> {
    let own = lines.iter().find_map(|line| line.strip_prefix("-X ")).unwrap_or_default();
    let from: Vec<&str> =
        lines.iter().filter_map(|line| line.strip_prefix("-D ")?.split(' ').next()).collect();
    nat::remove_chain(netfilter, &OwnChain { family, name: own }, &from)?;
    match legacy::has_chain(family, own)? {
        true => remove_from_legacy(family, own, lines),
        false => Ok(()),
    }
}

/// Removes the rules with the recorded lines. Without lines, or if one of the rules does not exist, removes all rules
/// that jump to the chain.
///
/// # Errors
/// The message of `iptables-restore`.
pub(super) fn remove_from_legacy(family: Family, own: &str, lines: &[String]) -> Result<()> {
    let restore = Restore::of_legacy(family)?;
    if !lines.is_empty() && restore.run(&table(lines)).is_ok() {
        return Ok(());
    }
    let saved = restore.saved()?;
    let leads_to_own = |line: &&String| line.trim_end().ends_with(&format!("-j {own}"));
    let entries = saved.iter().filter(leads_to_own).filter_map(|line| line.strip_prefix("-A "));
    let mut present: Vec<String> = entries.map(|rule| format!("-D {rule}")).collect();
    if saved.iter().any(|line| line.starts_with(&format!(":{own} "))) {
        present.extend([format!("-F {own}"), format!("-X {own}")]);
    }
    if present.is_empty() { Ok(()) } else { restore.run(&table(&present)) }
}

#[cfg(test)]
mod tests {
    use super::super::chains::tests::chains;
    use super::*;

    #[test]
    fn a_jump_is_found_in_saved_lines() {
        let saved = [
            "-A PREROUTING -m addrtype --dst-type LOCAL -j DNAT".to_owned(),
            "-A OUTPUT -j DNATX".to_owned(),
        ];
        assert!(is_there(&chains().shared_jumps[0], &saved));
        let output = Jump { from: "OUTPUT".into(), ..chains().shared_jumps[0].clone() };
        assert!(!is_there(&output, &saved));
    }
}
