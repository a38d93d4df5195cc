//! Translates conditions in nftables syntax into expressions: `ip saddr 10.0.0.0/8 tcp sport 1024-65535 ct state { new,
//! related }`.
//!
//! A set in braces becomes several rules, one for each element, because the tables have no anonymous sets. An unknown
//! word is an error with its place.

mod key;
mod value;
mod word;

use crate::address::Family;
use crate::error::{Error, Result};
use crate::nft::{CmpOp, Expression, Source};
use key::{KEYS, Key, Kind, Needs};
use value::Value;
use word::words;

/// A list of alternatives. A packet matches if it matches all expressions of one alternative.
pub type Alternatives = Vec<Vec<Expression>>;

/// The limit of alternatives. Each alternative becomes a rule.
const MOST: usize = 64;
/// The kernel's limit is 128 expressions for each rule; some are needed for other parts of the rule.
const LONGEST: usize = 120;
const OPERATORS: [(&str, CmpOp); 12] = [
    ("==", CmpOp::Equal),
    ("eq", CmpOp::Equal),
    ("!=", CmpOp::NotEqual),
    ("ne", CmpOp::NotEqual),
    ("<", CmpOp::Less),
    ("lt", CmpOp::Less),
    ("<=", CmpOp::LessOrEqual),
    ("le", CmpOp::LessOrEqual),
    (">", CmpOp::Greater),
    ("gt", CmpOp::Greater),
    (">=", CmpOp::GreaterOrEqual),
    ("ge", CmpOp::GreaterOrEqual),
];

/// Reads the conditions for packets of a family. `texts` are parts of one text, cut anywhere between words; `place` is
/// their key.
///
/// # Errors
/// Code 7: an unknown or unexpected word, with its place; sets that make too many rules.
pub fn read(texts: &[&str], family: Family, place: &str) -> Result<Alternatives> {
    let mut reader = Reader { words: words(texts), at: 0, place, transport: None };
    let refused = |what: String| Err(Error::config(what).about(place));
    if reader.words.is_empty() {
        return refused("the conditions are empty".to_owned());
    }
    let mut alternatives = vec![Vec::new()];
    while reader.peek().is_some() {
        let clause = reader.clause(family)?;
        alternatives = alternatives
            .iter()
            .flat_map(|before| {
                clause.iter().map(move |expressions| [before.as_slice(), expressions.as_slice()].concat())
            })
            .collect();
        if alternatives.len() > MOST {
            return refused(format!("the sets make more than {MOST} rules"));
        }
        if alternatives.iter().any(|expressions| expressions.len() > LONGEST) {
            return refused(format!("the conditions make a rule of more than {LONGEST} expressions"));
        }
    }
    Ok(alternatives)
}

struct Reader<'a> {
    words: Vec<(&'a str, usize)>,
    at: usize,
    place: &'a str,
    /// The transport protocol of the packets, once a key has determined it.
    transport: Option<u8>,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).map(|(word, _)| *word)
    }

    fn take(&mut self) -> Option<&'a str> {
        let word = self.peek();
        self.at += 1;
        word
    }

    fn takes(&mut self, words: &[&str]) -> bool {
        let there = self.peek().is_some_and(|word| words.contains(&word));
        self.at += usize::from(there);
        there
    }

    /// Returns an error about the last word.
    fn wrong(&self, what: &str) -> Error {
        let before = self.words.get(self.at.wrapping_sub(1)).or(self.words.last());
        let (word, number) = before.copied().unwrap_or_default();
        Error::config(format!("invalid condition: {what} at \"{word}\""))
            .about(format!("{}[{number}]", self.place))
    }

    /// Reads one clause: a key, a mask, an operator and values.
    fn clause(&mut self, family: Family) -> Result<Alternatives> {
        let key = self.key()?;
        let depended_on = self.depended_on(key, family)?;
        let mut load = vec![Expression::Load(key.source, key.length)];
        if let Kind::Field { mask, .. } = key.kind {
            load.push(Expression::Mask(value::in_network_order(mask, key.length)));
        }
        let mask = self.mask(key)?;
        load.extend(mask.clone().map(Expression::Mask));
        let op = self.op();
        let tests = match (self.takes(&["{"]), mask) {
            (true, _) => self.set(key, op, &load)?,
            (false, mask) => vec![[load, self.test(key, op, mask.as_deref())?].concat()],
        };
        Ok(tests.into_iter().map(|test| [depended_on.as_slice(), test.as_slice()].concat()).collect())
    }

    /// Reads the mask after `&`: one value, or several in parentheses. Without parentheses nftables does not count `|`
    /// as part of the mask.
    fn mask(&mut self, key: &Key) -> Result<Option<Vec<u8>>> {
        if !self.takes(&["&", "and"]) {
            return Ok(None);
        }
        if self.peek() == Some("(") {
            return self.bits(key).map(Some);
        }
        match self.value(key)? {
            Value::Exactly(bits) => Ok(Some(bits)),
            _ => Err(self.wrong("not a bit mask")),
        }
    }

    /// Reads the longest key that matches the next words.
    fn key(&mut self) -> Result<&'static Key> {
        let next: Vec<&str> = self.words.iter().skip(self.at).take(3).map(|(word, _)| *word).collect();
        let bare = next.first().map(|word| format!("meta {word}")).unwrap_or_default();
        for length in [3, 2] {
            let Some(words) = next.get(..length) else { continue };
            let text = words.join(" ");
            if let Some(key) = KEYS.iter().find(|key| key.words == text) {
                self.at += length;
                return Ok(key);
            }
        }
        match KEYS.iter().find(|key| key.words == bare && ALONE.contains(&key.words)) {
            Some(key) => {
                self.at += 1;
                Ok(key)
            }
            None => {
                // If the first word is known, the second one is the mistake.
                let known = next
                    .first()
                    .is_some_and(|first| KEYS.iter().any(|key| key.words.split(' ').next() == Some(first)));
                self.at += if known { 2.min(next.len()) } else { 1 };
                Err(self.wrong("unknown word"))
            }
        }
    }

    /// Returns the expressions that select the packets with the key.
    fn depended_on(&mut self, key: &Key, family: Family) -> Result<Vec<Expression>> {
        let is = |source: Source, value: &[u8]| {
            let length = u32::try_from(value.len()).unwrap_or(0);
            vec![Expression::Load(source, length), Expression::Compare(CmpOp::Equal, value.to_vec())]
        };
        match key.needs {
            Needs::Nothing | Needs::Ports => Ok(Vec::new()),
            Needs::Family(needed) if needed == family => Ok(Vec::new()),
            Needs::Family(_) => Err(self.wrong("key of the other address family")),
            Needs::Transport(protocol) if self.transport.is_some_and(|other| other != protocol) => {
                Err(self.wrong("key of another transport protocol"))
            }
            Needs::Transport(protocol) => {
                self.transport = Some(protocol);
                Ok(is(Source::TRANSPORT, &[protocol]))
            }
            Needs::Ethernet => Ok(is(LINK_TYPE, &ETHERNET.to_ne_bytes())),
        }
    }

    fn op(&mut self) -> Option<CmpOp> {
        let next = self.peek()?;
        let found = OPERATORS.iter().find(|(word, _)| *word == next).map(|(_, op)| *op);
        self.at += usize::from(found.is_some());
        found
    }

    /// Reads the values up to the end of a set.
    fn set(&mut self, key: &Key, op: Option<CmpOp>, load: &[Expression]) -> Result<Alternatives> {
        let mut values = vec![self.value(key)?];
        while self.takes(&[","]) && self.peek() != Some("}") {
            values.push(self.value(key)?);
        }
        if !self.takes(&["}"]) {
            self.at += 1;
            return Err(self.wrong("a set is not closed"));
        }
        let expressions = |value: &Value, op| [load, &value.expressions(key, op)].concat();
        match op.unwrap_or(CmpOp::Equal) {
            CmpOp::Equal => Ok(values.iter().map(|value| expressions(value, CmpOp::Equal)).collect()),
            CmpOp::NotEqual => Ok(vec![none_of(&values, key, load)]),
            _ => Err(self.wrong("a set can't be compared by size")),
        }
    }

    /// Reads one value, or several bits.
    fn test(&mut self, key: &Key, op: Option<CmpOp>, mask: Option<&[u8]>) -> Result<Vec<Expression>> {
        let is_equality = matches!(op, None | Some(CmpOp::Equal | CmpOp::NotEqual));
        if matches!(key.kind, Kind::Bits(_) | Kind::Interface) && !is_equality {
            return Err(self.wrong("it can't be compared by size"));
        }
        if let Kind::Bits(_) = key.kind {
            let bits = self.bits(key)?;
            let nothing = vec![0; bits.len()];
            return Ok(match (op, mask) {
                (None, None) => vec![Expression::Mask(bits), Expression::Compare(CmpOp::NotEqual, nothing)],
                (op, _) => vec![Expression::Compare(op.unwrap_or(CmpOp::Equal), bits)],
            });
        }
        let value = self.value(key)?;
        match value {
            Value::Network(..) | Value::Range(..) if !is_equality => {
                Err(self.wrong("a range can't be compared by size"))
            }
            _ => Ok(value.expressions(key, op.unwrap_or(CmpOp::Equal))),
        }
    }

    fn value(&mut self, key: &Key) -> Result<Value> {
        let word = self.take().unwrap_or_default();
        Value::read(word, key).ok_or_else(|| match key.kind {
            Kind::Interface => self.wrong("interface does not exist"),
            _ => self.wrong(&format!("invalid value of {}", key.words)),
        })
    }

    /// Reads bits, separated by commas or bars, with or without parentheses.
    fn bits(&mut self, key: &Key) -> Result<Vec<u8>> {
        let enclosed = self.takes(&["("]);
        let mut all = vec![0; usize::try_from(key.length).unwrap_or(0)];
        loop {
            let Value::Exactly(bits) = self.value(key)? else { return Err(self.wrong("not a bit mask")) };
            all.iter_mut().zip(bits).for_each(|(all, bits)| *all |= bits);
            if !self.takes(&[",", "|"]) {
                break;
            }
        }
        match enclosed && !self.takes(&[")"]) {
            true => Err(self.wrong("a parenthesis is not closed")),
            false => Ok(all),
        }
    }
}

/// Returns expressions that match a packet with none of the values. A masked or converted value can't be compared
/// again, so that it is loaded for each comparison.
fn none_of(values: &[Value], key: &Key, load: &[Expression]) -> Vec<Expression> {
    let tests = values.iter().map(|value| value.expressions(key, CmpOp::NotEqual));
    let (as_loaded, changed): (Vec<_>, Vec<_>) = tests.partition(|expressions| expressions.len() == 1);
    let once = if as_loaded.is_empty() { Vec::new() } else { [load, &as_loaded.concat()].concat() };
    changed.iter().fold(once, |before, expressions| [before.as_slice(), load, expressions].concat())
}

/// The keys that are also valid without `meta`.
const ALONE: [&str; 8] = [
    "meta mark",
    "meta iif",
    "meta oif",
    "meta iifname",
    "meta oifname",
    "meta skuid",
    "meta skgid",
    "meta pkttype",
];

/// `NFT_META_IIFTYPE` and `ARPHRD_ETHER`.
const LINK_TYPE: Source = Source::Meta(8);
const ETHERNET: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (String, String) {
        let error = read(&[text], Family::V4, "conditionsV4").unwrap_err();
        (error.msg, error.details)
    }

    #[test]
    fn a_set_becomes_one_alternative_for_each_element_unless_negated() {
        let count = |text: &str| read(&[text], Family::V4, "c").unwrap().len();
        assert_eq!(count("tcp sport { 1, 2, 3 } ip saddr { 10.0.0.0/8, 192.0.2.1 }"), 6);
        assert_eq!(count("tcp sport != { 1, 2, 3 }"), 1);
    }

    /// Returns for each comparison which masks were applied to its operand, and whether its byte order was converted.
    fn found_loaded(expressions: &[Expression]) -> Vec<(Vec<Vec<u8>>, bool)> {
        let mut masks = Vec::new();
        let mut turned = false;
        let mut found = Vec::new();
        for expression in expressions {
            match expression {
                Expression::Load(..) => (masks, turned) = (Vec::new(), false),
                Expression::Mask(mask) => masks.push(mask.clone()),
                Expression::ToNetworkOrder(_) => turned = !turned,
                _ => found.push((masks.clone(), turned)),
            }
        }
        found
    }

    #[test]
    fn each_element_of_a_negated_set_is_compared_with_a_freshly_loaded_value() {
        let one = |text: &str| found_loaded(&read(&[text], Family::V4, "c").unwrap()[0]);
        let networks = one("ip saddr != { 10.0.0.0/8, 192.168.0.0/16, 192.0.2.1 }");
        assert_eq!(
            networks,
            [(vec![], false), (vec![vec![255, 0, 0, 0]], false), (vec![vec![255, 255, 0, 0]], false),]
        );
        assert_eq!(one("meta mark != { 1-5, 7-9, 12 }"), [(vec![], false), (vec![], true), (vec![], true)]);
        let masked = one("meta mark & 0xff != { 1-5, 7 }");
        assert_eq!(masked, [(vec![vec![255, 0, 0, 0]], false), (vec![vec![255, 0, 0, 0]], true)]);
    }

    #[test]
    fn numbers_are_parsed_like_nftables_does() {
        let port =
            |text: &str| read(&[&format!("tcp sport {text}")], Family::V4, "c").unwrap()[0].last().cloned();
        for (text, bytes) in
            [("10", [0, 10]), ("010", [0, 8]), ("0x10", [0, 16]), ("0", [0, 0]), ("65535", [255, 255])]
        {
            assert_eq!(port(text), Some(Expression::Compare(CmpOp::Equal, bytes.to_vec())), "{text}");
        }
    }

    #[test]
    fn an_interface_matches_by_name_or_index() {
        let last = |text: &str| read(&[text], Family::V4, "c").unwrap()[0].last().cloned();
        let number = |number: u32| Some(Expression::Compare(CmpOp::Equal, number.to_ne_bytes().to_vec()));
        assert_eq!((last("iif lo"), last("meta oif \"lo\"")), (number(1), number(1)));
        assert_eq!(last("iif 4000000"), number(4_000_000));
        assert_eq!(refused("iif nosuch0").0, "invalid condition: interface does not exist at \"nosuch0\"");
    }

    #[test]
    fn an_unknown_word_is_refused_with_its_place() {
        for (text, msg) in [
            ("ip sadr 10.0.0.1", "unknown word at \"sadr\""),
            ("foo bar", "unknown word at \"foo\""),
            ("ip saddr fd00::1", "invalid value of ip saddr at \"fd00::1\""),
            ("ip6 saddr fd00::1", "key of the other address family at \"saddr\""),
            ("tcp sport { 1, 2", "a set is not closed at \"2\""),
            ("tcp sport 70000", "invalid value of tcp sport at \"70000\""),
            ("tcp sport", "invalid value of tcp sport at \"sport\""),
            ("ct state odd", "invalid value of ct state at \"odd\""),
            ("ip saddr > 10.0.0.0/8", "a range can't be compared by size at \"10.0.0.0/8\""),
            ("tcp sport 1 udp dport 2", "key of another transport protocol at \"dport\""),
            ("ct state > new", "it can't be compared by size at \">\""),
            ("tcp sport +5", "invalid value of tcp sport at \"+5\""),
            ("tcp sport 0x+5", "invalid value of tcp sport at \"0x+5\""),
            ("tcp sport 09", "invalid value of tcp sport at \"09\""),
            ("tcp sport 9-1", "invalid value of tcp sport at \"9-1\""),
            ("tcp sport { }", "invalid value of tcp sport at \"}\""),
            ("tcp flags & syn|ack == syn", "invalid value of tcp flags at \"|\""),
            ("iifname \"eth0", "invalid value of meta iifname at \"\"eth0\""),
            ("iifname eth\\*", "invalid value of meta iifname at \"eth\\*\""),
            ("iifname a-name-too-long0", "invalid value of meta iifname at \"a-name-too-long0\""),
            ("iif 2147483648", "interface does not exist at \"2147483648\""),
        ] {
            assert_eq!(
                refused(text),
                (format!("invalid condition: {msg}"), "conditionsV4[0]".to_owned()),
                "{text}"
            );
        }
        let error = read(&["ip saddr", "10.0.0.1", "foo eth0"], Family::V4, "conditionsV4").unwrap_err();
        assert_eq!(error.details, "conditionsV4[2]");
    }

    #[test]
    fn empty_and_oversized_conditions_are_refused_by_their_key() {
        let ports = |count: u32| (1..=count).map(|port| format!("{port}, ")).collect::<String>();
        for (text, msg) in [
            (" ".to_owned(), "the conditions are empty"),
            (format!("tcp sport {{ {} }}", ports(65)), "the sets make more than 64 rules"),
            (
                format!("tcp sport != {{ {} }}", ports(200)),
                "the conditions make a rule of more than 120 expressions",
            ),
        ] {
            assert_eq!(refused(&text), (msg.to_owned(), "conditionsV4".to_owned()));
        }
        assert_eq!(read(&[&format!("tcp sport {{ {} }}", ports(64))], Family::V4, "c").unwrap().len(), 64);
    }
}
