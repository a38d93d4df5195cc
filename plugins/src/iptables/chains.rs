//! The chains of one attachment in the nat table of one protocol, and the scripts that make, check and remove them.

use super::program::{Restore, Tables};
use super::rule::{Match, Rule, Target};
use super::{legacy, nat};
use crate::address::Family;
use crate::error::{Code, Error, Result};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use tare_netlink::Socket;

/// Where among the rules of a chain another one goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before all.
    First,
    /// After all.
    Last,
}

/// A rule that leads from one chain to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The chain that it is in.
    pub from: String,
    /// Where in it.
    pub place: Place,
    /// What it matches.
    pub matches: Vec<Match>,
    /// The chain that it leads to.
    pub to: String,
}

impl Way {
    /// The rule, without the chain that it is in.
    pub(super) fn rule(&self) -> Rule {
        Rule::new(self.matches.clone(), Target::Chain(self.to.clone()))
    }

    fn words(&self) -> String {
        format!("{} {}", self.from, self.rule())
    }

    fn line(&self) -> String {
        let verb = if self.place == Place::First { "-I" } else { "-A" };
        format!("{verb} {}", self.words())
    }
}

/// What an attachment has in one protocol's nat table, and what it shares with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chains {
    /// The protocol.
    pub family: Family,
    /// Shared chains whose content is the same for all: each with its rules.
    pub refilled: Vec<(String, Vec<Rule>)>,
    /// Shared chains in which each attachment has its own rules.
    pub gathering: Vec<String>,
    /// The rules that lead to shared chains, each to be there once.
    pub ways_in: Vec<Way>,
    /// The attachment's own chain.
    pub own: String,
    /// Its rules.
    pub rules: Vec<Rule>,
    /// What leads to it.
    pub entries: Vec<Way>,
}

impl Chains {
    /// Makes all of it, or nothing. The first time that something is to be shared, what is there is listed before.
    ///
    /// # Errors
    /// What `iptables-restore` says.
    pub(super) fn make(&self, netfilter: &mut Socket) -> Result<()> {
        let restore = Restore::of(self.family)?;
        if self.ways_in.is_empty() {
            return restore.run(&self.script(&[], &[]));
        }
        let checks: Vec<String> = self.ways_in.iter().map(|way| format!("-C {}", way.words())).collect();
        let may_be_there = restore.tables() == Tables::Own || self.is_gathered(netfilter)?;
        if may_be_there && restore.run(&self.script(&[], &checks)).is_ok() {
            return Ok(());
        }
        let saved = restore.saved()?;
        let is_missing = |chain: &&String| !saved.iter().any(|line| line.starts_with(&format!(":{chain} ")));
        let missing: Vec<String> =
            self.gathering.iter().filter(is_missing).map(|chain| format!(":{chain} - [0:0]")).collect();
        let ways = self.ways_in.iter().filter(|way| !is_there(way, &saved)).map(Way::line);
        restore.run(&self.script(&missing, &ways.collect::<Vec<_>>()))
    }

    /// Whether all of it is known here, so that it can be made without the programs of iptables.
    pub(super) fn is_known(&self) -> bool {
        let ways = self.ways_in.iter().chain(&self.entries).flat_map(|way| &way.matches);
        !ways.chain(self.rules.iter().flat_map(|rule| &rule.matches)).any(|it| matches!(it, Match::Words(_)))
    }

    /// The chains from which its own chain is led to, each as often as it is.
    pub(super) fn sources(&self) -> Vec<&str> {
        self.entries.iter().map(|way| way.from.as_str()).collect()
    }

    /// The chains of somebody else's that its rules lead to.
    pub(super) fn others(&self) -> BTreeSet<&str> {
        let ours = |name: &str| self.refilled.iter().any(|(refilled, _)| refilled == name);
        let named = self.rules.iter().filter_map(|rule| match &rule.target {
            Target::Chain(name) => Some(name.as_str()),
            _ => None,
        });
        named.filter(|name| !ours(name)).collect()
    }

    /// Whether it is all there. Only where it is not as it is made here are the programs of iptables asked: somebody may
    /// have saved and restored all rules, or made these in another way.
    ///
    /// # Errors
    /// Code 100: it is not; the kernel's.
    pub fn check(&self, netfilter: &mut Socket) -> Result<()> {
        if self.is_known() && nat::holds(netfilter, self)? {
            return Ok(());
        }
        let own = self.rules.iter().map(|rule| format!("{} {rule}", self.own));
        let ways = self.ways_in.iter().chain(&self.entries).map(Way::words);
        let lines: Vec<String> = own.chain(ways).map(|rule| format!("-C {rule}")).collect();
        Restore::of(self.family)?.run(&table(&lines)).map_err(|error| {
            Error::new(Code::Differs, format!("a rule of chain {} is missing", self.own)).about(error.msg)
        })
    }

    /// The lines that take the attachment's own rules out again; what is shared stays.
    pub fn undo(&self) -> Vec<String> {
        let entries = self.entries.iter().map(|way| format!("-D {}", way.words()));
        entries.chain([format!("-F {}", self.own), format!("-X {}", self.own)]).collect()
    }

    fn script(&self, chains: &[String], ways: &[String]) -> String {
        let names = self.refilled.iter().map(|(name, _)| name).chain([&self.own]);
        let mut lines = chains.to_vec();
        lines.extend(names.map(|name| format!(":{name} - [0:0]")));
        lines.extend_from_slice(ways);
        for (name, rules) in &self.refilled {
            lines.extend(rules.iter().map(|rule| format!("-A {name} {rule}")));
        }
        lines.extend(self.rules.iter().map(|rule| format!("-A {} {rule}", self.own)));
        lines.extend(self.entries.iter().map(Way::line));
        table(&lines)
    }

    /// iptables-nft keeps its chains where they can be asked for.
    fn is_gathered(&self, netfilter: &mut Socket) -> Result<bool> {
        for chain in &self.gathering {
            if !nat::has_chain(netfilter, self.family, chain)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn is_there(way: &Way, saved: &[String]) -> bool {
    let (head, tail) = (format!("-A {} ", way.from), format!("-j {}", way.to));
    saved.iter().any(|line| line.starts_with(&head) && line.trim_end().ends_with(&tail))
}

fn table(lines: &[String]) -> String {
    let mut script = "*nat\n".to_owned();
    for line in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(script, "{line}");
    }
    script + "COMMIT\n"
}

/// Takes out what an attachment has, by the lines that were noted when it was made, from where it is: it may have been made
/// when the host's iptables was another one.
///
/// # Errors
/// What `iptables-restore` says; the kernel's.
pub(super) fn take_out(netfilter: &mut Socket, family: Family, lines: &[String]) -> Result<()> {
    let own = lines.iter().find_map(|line| line.strip_prefix("-X ")).unwrap_or_default();
    let from: Vec<&str> =
        lines.iter().filter_map(|line| line.strip_prefix("-D ")?.split(' ').next()).collect();
    nat::take_out(netfilter, (family, own), &from)?;
    match legacy::has_chain(family, own)? {
        true => take_out_of_legacy(family, own, lines),
        false => Ok(()),
    }
}

/// By these lines, or where there are none, or one of the rules is gone already or was never made, by all rules that lead
/// to the chain.
///
/// # Errors
/// What `iptables-restore` says.
pub(super) fn take_out_of_legacy(family: Family, own: &str, lines: &[String]) -> Result<()> {
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
    use super::*;

    fn chains() -> Chains {
        let way = |from: &str, place, to: &str| Way {
            from: from.into(),
            place,
            matches: vec![Match::ToThisHost],
            to: to.into(),
        };
        Chains {
            family: Family::V4,
            refilled: vec![("MASQ".into(), vec![Rule::new(Vec::new(), Target::Masquerade)])],
            gathering: vec!["DNAT".into()],
            ways_in: vec![way("PREROUTING", Place::Last, "DNAT")],
            own: "OWN".into(),
            rules: vec![Rule::new(Vec::new(), Target::Accept)],
            entries: vec![way("DNAT", Place::First, "OWN")],
        }
    }

    #[test]
    fn scripts_make_all_of_it_in_one_go_and_undo_lines_take_the_own_part_out() {
        let made = "*nat\n:DNAT - [0:0]\n:MASQ - [0:0]\n:OWN - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL \
                    -j DNAT\n-A MASQ -j MASQUERADE\n-A OWN -j ACCEPT\n-I DNAT -m addrtype --dst-type LOCAL -j OWN\nCOMMIT\n";
        let ways = [chains().ways_in[0].line()];
        assert_eq!(chains().script(&[":DNAT - [0:0]".into()], &ways), made);
        assert_eq!(chains().undo(), ["-D DNAT -m addrtype --dst-type LOCAL -j OWN", "-F OWN", "-X OWN"]);
    }

    #[test]
    fn a_way_is_found_among_what_is_saved() {
        let saved = [
            "-A PREROUTING -m addrtype --dst-type LOCAL -j DNAT".to_owned(),
            "-A OUTPUT -j DNATX".to_owned(),
        ];
        assert!(is_there(&chains().ways_in[0], &saved));
        let output = Way { from: "OUTPUT".into(), ..chains().ways_in[0].clone() };
        assert!(!is_there(&output, &saved));
    }
}
