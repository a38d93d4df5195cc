//! The chains of one attachment in the nat table of one protocol, and the scripts that make, check and remove them.

use super::rule::{Match, Rule, Target};
use crate::address::Family;
use crate::nft::Position;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// A rule that leads from one chain to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jump {
    /// The chain that it is in.
    pub from: String,
    /// Where in it.
    pub position: Position,
    /// What it matches.
    pub matches: Vec<Match>,
    /// The chain that it leads to.
    pub to: String,
}

impl Jump {
    /// The rule, without the chain that it is in.
    pub(super) fn rule(&self) -> Rule {
        Rule::new(self.matches.clone(), Target::Chain(self.to.clone()))
    }

    pub(super) fn words(&self) -> String {
        format!("{} {}", self.from, self.rule())
    }

    pub(super) fn line(&self) -> String {
        let verb = if self.position == Position::First { "-I" } else { "-A" };
        format!("{verb} {}", self.words())
    }
}

/// What an attachment has in one protocol's nat table, and what it shares with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chains {
    /// The protocol.
    pub family: Family,
    /// Shared chains whose content is the same for all: each with its rules.
    pub fixed_chains: Vec<(String, Vec<Rule>)>,
    /// Shared chains in which each attachment has its own rules.
    pub shared_chains: Vec<String>,
    /// The rules that lead to shared chains, each to be there once.
    pub shared_jumps: Vec<Jump>,
    /// The attachment's own chain.
    pub own: String,
    /// Its rules.
    pub rules: Vec<Rule>,
    /// What leads to it.
    pub entries: Vec<Jump>,
}

impl Chains {
    /// Whether all of it is known here, so that it can be made without the programs of iptables.
    pub(super) fn is_known(&self) -> bool {
        let jumps = self.shared_jumps.iter().chain(&self.entries).flat_map(|jump| &jump.matches);
        !jumps.chain(self.rules.iter().flat_map(|rule| &rule.matches)).any(|it| matches!(it, Match::Raw(_)))
    }

    /// The chains from which its own chain is led to, each as often as it is.
    pub(super) fn sources(&self) -> Vec<&str> {
        self.entries.iter().map(|jump| jump.from.as_str()).collect()
    }

    /// The chains of somebody else's that its rules lead to.
    pub(super) fn others(&self) -> BTreeSet<&str> {
        let ours = |name: &str| self.fixed_chains.iter().any(|(fixed_chains, _)| fixed_chains == name);
        let named = self.rules.iter().filter_map(|rule| match &rule.target {
            Target::Chain(name) => Some(name.as_str()),
            _ => None,
        });
        named.filter(|name| !ours(name)).collect()
    }

    /// The lines that take the attachment's own rules out again; what is shared stays.
    pub fn undo(&self) -> Vec<String> {
        let entries = self.entries.iter().map(|jump| format!("-D {}", jump.words()));
        entries.chain([format!("-F {}", self.own), format!("-X {}", self.own)]).collect()
    }

    pub(super) fn script(&self, chains: &[String], jumps: &[String]) -> String {
        let names = self.fixed_chains.iter().map(|(name, _)| name).chain([&self.own]);
        let mut lines = chains.to_vec();
        lines.extend(names.map(|name| format!(":{name} - [0:0]")));
        lines.extend_from_slice(jumps);
        for (name, rules) in &self.fixed_chains {
            lines.extend(rules.iter().map(|rule| format!("-A {name} {rule}")));
        }
        lines.extend(self.rules.iter().map(|rule| format!("-A {} {rule}", self.own)));
        lines.extend(self.entries.iter().map(Jump::line));
        table(&lines)
    }
}

pub(super) fn table(lines: &[String]) -> String {
    let mut script = "*nat\n".to_owned();
    for line in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(script, "{line}");
    }
    script + "COMMIT\n"
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn chains() -> Chains {
        let jump = |from: &str, position, to: &str| Jump {
            from: from.into(),
            position,
            matches: vec![Match::ToThisHost],
            to: to.into(),
        };
        Chains {
            family: Family::V4,
            fixed_chains: vec![("MASQ".into(), vec![Rule::new(Vec::new(), Target::Masquerade)])],
            shared_chains: vec!["DNAT".into()],
            shared_jumps: vec![jump("PREROUTING", Position::Last, "DNAT")],
            own: "OWN".into(),
            rules: vec![Rule::new(Vec::new(), Target::Accept)],
            entries: vec![jump("DNAT", Position::First, "OWN")],
        }
    }

    #[test]
    fn scripts_make_all_of_it_in_one_go_and_undo_lines_take_the_own_part_out() {
        let made = "*nat\n:DNAT - [0:0]\n:MASQ - [0:0]\n:OWN - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL \
                    -j DNAT\n-A MASQ -j MASQUERADE\n-A OWN -j ACCEPT\n-I DNAT -m addrtype --dst-type LOCAL -j OWN\nCOMMIT\n";
        let jumps = [chains().shared_jumps[0].line()];
        assert_eq!(chains().script(&[":DNAT - [0:0]".into()], &jumps), made);
        assert_eq!(chains().undo(), ["-D DNAT -m addrtype --dst-type LOCAL -j OWN", "-F OWN", "-X OWN"]);
    }
}
