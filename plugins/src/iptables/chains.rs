//! The chains of one attachment in the nat table of one family, and the scripts for `iptables-restore`.

use super::rule::{Match, Rule, Target};
use crate::address::Family;
use crate::nft::Position;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// A rule that jumps from one chain to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jump {
    /// The chain that contains the rule.
    pub from: String,
    /// The position in that chain.
    pub position: Position,
    /// The matches of the rule.
    pub matches: Vec<Match>,
    /// The chain to jump to.
    pub to: String,
}

impl Jump {
    /// Returns the rule without its chain.
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

/// The chains of an attachment in the nat table of one family, and those that it shares with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chains {
    /// The address family.
    pub family: Family,
    /// Shared chains with the same rules for all attachments.
    pub fixed_chains: Vec<(String, Vec<Rule>)>,
    /// Shared chains that contain rules of each attachment.
    pub shared_chains: Vec<String>,
    /// The jumps to shared chains. Each exists once.
    pub shared_jumps: Vec<Jump>,
    /// The attachment's own chain.
    pub own: String,
    /// The rules of the own chain.
    pub rules: Vec<Rule>,
    /// The jumps to the own chain.
    pub entries: Vec<Jump>,
}

impl Chains {
    /// Whether this crate can encode all matches, so that it needs no program of iptables.
    pub(super) fn is_known(&self) -> bool {
        let jumps = self.shared_jumps.iter().chain(&self.entries).flat_map(|jump| &jump.matches);
        !jumps.chain(self.rules.iter().flat_map(|rule| &rule.matches)).any(|it| matches!(it, Match::Raw(_)))
    }

    /// Returns the chains with jumps to the own chain, one for each jump.
    pub(super) fn sources(&self) -> Vec<&str> {
        self.entries.iter().map(|jump| jump.from.as_str()).collect()
    }

    /// Returns the chains of other programs that the rules jump to.
    pub(super) fn others(&self) -> BTreeSet<&str> {
        let ours = |name: &str| self.fixed_chains.iter().any(|(fixed_chains, _)| fixed_chains == name);
        let named = self.rules.iter().filter_map(|rule| match &rule.target {
            Target::Chain(name) => Some(name.as_str()),
            _ => None,
        });
        named.filter(|name| !ours(name)).collect()
    }

    /// Returns the lines that remove the attachment's own rules. Shared rules stay.
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
    fn a_script_creates_everything_and_undo_lines_remove_the_own_part() {
        let made = "*nat\n:DNAT - [0:0]\n:MASQ - [0:0]\n:OWN - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL \
                    -j DNAT\n-A MASQ -j MASQUERADE\n-A OWN -j ACCEPT\n-I DNAT -m addrtype --dst-type LOCAL -j OWN\nCOMMIT\n";
        let jumps = [chains().shared_jumps[0].line()];
        assert_eq!(chains().script(&[":DNAT - [0:0]".into()], &jumps), made);
        assert_eq!(chains().undo(), ["-D DNAT -m addrtype --dst-type LOCAL -j OWN", "-F OWN", "-X OWN"]);
    }
}
