//! A rule of iptables as data, printed in iptables syntax.

use super::quote;
use crate::address::Cidr;
use crate::resource::Transport;
use std::fmt;
use std::net::IpAddr;

/// A rule: matches and a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The matches, in order.
    pub matches: Vec<Match>,
    /// The target.
    pub target: Target,
}

/// A match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// The transport protocol.
    Protocol(Transport),
    /// A source in this network.
    From(Cidr),
    /// A destination in this network.
    To(Cidr),
    /// A destination outside of this network.
    NotTo(Cidr),
    /// A comment; matches everything.
    Comment(String),
    /// A local destination address.
    ToThisHost,
    /// The transport protocol and its destination port.
    Port(Transport, u16),
    /// One of these destination ports, at most 15.
    Ports(Vec<u16>),
    /// A packet mark with these bits set.
    Marked(u32),
    /// Matches of the configuration in iptables syntax, which only iptables can parse.
    Raw(Vec<String>),
}

/// A target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Accepts the packet.
    Accept,
    /// Rewrites the source to an address of the host.
    Masquerade,
    /// Rewrites the destination to this address and port.
    Redirect(IpAddr, u16),
    /// Sets these bits of the packet mark.
    Mark(u32),
    /// Continues in another chain.
    Chain(String),
}

impl Rule {
    /// Creates a rule.
    pub fn new(matches: Vec<Match>, target: Target) -> Rule {
        Rule { matches, target }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.matches.iter().try_for_each(|it| write!(f, "{it} "))?;
        write!(f, "-j {}", self.target)
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Match::Protocol(transport) => write!(f, "-p {}", transport.text()),
            Match::From(network) => write!(f, "-s {network}"),
            Match::To(network) => write!(f, "-d {network}"),
            Match::NotTo(network) => write!(f, "! -d {network}"),
            Match::Comment(text) => write!(f, "-m comment --comment {}", quote(text)),
            Match::ToThisHost => f.write_str("-m addrtype --dst-type LOCAL"),
            Match::Port(transport, port) => write!(f, "-p {} --dport {port}", transport.text()),
            Match::Ports(ports) => {
                let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
                write!(f, "-m multiport --destination-ports {}", ports.join(","))
            }
            Match::Marked(bits) => write!(f, "-m mark --mark {bits:#x}/{bits:#x}"),
            Match::Raw(words) => {
                f.write_str(&words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "))
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Accept => f.write_str("ACCEPT"),
            Target::Masquerade => f.write_str("MASQUERADE"),
            Target::Redirect(IpAddr::V4(address), port) => {
                write!(f, "DNAT --to-destination {address}:{port}")
            }
            Target::Redirect(IpAddr::V6(address), port) => {
                write!(f, "DNAT --to-destination [{address}]:{port}")
            }
            Target::Mark(bits) => write!(f, "MARK --set-xmark {bits:#x}/{bits:#x}"),
            Target::Chain(name) if name.chars().all(is_plain) => f.write_str(name),
            Target::Chain(name) => f.write_str(&quote(name)),
        }
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_prints_in_iptables_syntax() {
        let network = crate::address::parse("10.1.0.0/24").unwrap();
        let rule = Rule::new(
            vec![
                Match::From(network),
                Match::Port(Transport::Tcp, 80),
                Match::Comment("a \"b\"".into()),
                Match::Raw(vec!["-i".into(), "eth 0".into()]),
            ],
            Target::Redirect("fd00::1".parse().unwrap(), 8080),
        );
        let text = r#"-s 10.1.0.0/24 -p tcp --dport 80 -m comment --comment "a \"b\"" "-i" "eth 0" -j DNAT --to-destination [fd00::1]:8080"#;
        assert_eq!(rule.to_string(), text);
        assert_eq!(
            Rule::new(vec![Match::Marked(8192)], Target::Masquerade).to_string(),
            "-m mark --mark 0x2000/0x2000 -j MASQUERADE"
        );
    }
}
