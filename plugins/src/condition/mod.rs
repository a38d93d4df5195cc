//! Conditions in the words of nftables: `ip saddr 10.0.0.0/8 tcp sport 1024-65535 ct state { new, related }`, read into
//! steps of rules. A word that is not known is refused with its place.
//!
//! A set in braces becomes several rules, one for each of its elements: no table of ours has sets without a name.

mod key;
mod value;

use crate::address::Family;
use crate::error::{Error, Result};
use crate::nft::{Relation, Source, Step};
use key::{KEYS, Key, Kind, Needs};
use value::Value;

/// What a packet has to match: all steps of any one of the alternatives.
pub type Alternatives = Vec<Vec<Step>>;

/// More would make too many rules.
const MOST: usize = 64;
const RELATIONS: [(&str, Relation); 12] = [
    ("==", Relation::Equal),
    ("eq", Relation::Equal),
    ("!=", Relation::Different),
    ("ne", Relation::Different),
    ("<", Relation::Less),
    ("lt", Relation::Less),
    ("<=", Relation::AtMost),
    ("le", Relation::AtMost),
    (">", Relation::Greater),
    ("gt", Relation::Greater),
    (">=", Relation::AtLeast),
    ("ge", Relation::AtLeast),
];

/// Reads the conditions for packets of a protocol, which are one text cut anywhere between words; `place` is their key.
///
/// # Errors
/// Code 7: a word that is not known, or not where it is expected, with its place; or sets that make too many rules.
pub fn read(texts: &[&str], family: Family, place: &str) -> Result<Alternatives> {
    let mut reader = Reader { words: words(texts), at: 0, place };
    let mut alternatives = vec![Vec::new()];
    while reader.peek().is_some() {
        let clause = reader.clause(family)?;
        alternatives = alternatives
            .iter()
            .flat_map(|before| clause.iter().map(move |steps| [before.as_slice(), steps.as_slice()].concat()))
            .collect();
        if alternatives.len() > MOST {
            return Err(Error::config(format!("the sets make more than {MOST} rules")).about(place));
        }
    }
    Ok(alternatives)
}

/// The words and marks of the texts, each with the number of the text that it is in.
fn words<'a>(texts: &[&'a str]) -> Vec<(&'a str, usize)> {
    texts
        .iter()
        .enumerate()
        .flat_map(|(number, text)| split(text).into_iter().map(move |word| (word, number)))
        .collect()
}

fn split(mut text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    while let Some(first) = text.trim_start().chars().next() {
        text = text.trim_start();
        let length = match first {
            '"' => text.get(1..).and_then(|rest| rest.find('"')).map_or(text.len(), |end| end + 2),
            '=' | '!' | '<' | '>' => text.find(|c| !"=!<>".contains(c)).unwrap_or(text.len()),
            '{' | '}' | '(' | ')' | ',' | '&' | '|' => 1,
            _ => text.find(|c: char| c.is_whitespace() || "=!<>{}(),&|\"".contains(c)).unwrap_or(text.len()),
        };
        let (word, rest) = text.split_at(length);
        words.push(word);
        text = rest;
    }
    words
}

struct Reader<'a> {
    words: Vec<(&'a str, usize)>,
    at: usize,
    place: &'a str,
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

    /// The error about the word that was taken last.
    fn wrong(&self, what: &str) -> Error {
        let before = self.words.get(self.at.wrapping_sub(1)).or(self.words.last());
        let (word, number) = before.copied().unwrap_or_default();
        Error::config(format!("invalid condition: {what} at \"{word}\""))
            .about(format!("{}[{number}]", self.place))
    }

    /// One thing that is asked: a key, a mask, a relation and values.
    fn clause(&mut self, family: Family) -> Result<Alternatives> {
        let key = self.key()?;
        let mut steps = self.depended_on(key, family)?;
        steps.push(Step::Load(key.source, key.length));
        if let Kind::Field { mask, .. } = key.kind {
            steps.push(Step::Mask(value::in_network_order(mask, key.length)));
        }
        let masked = self.takes(&["&", "and"]);
        if masked {
            let bits = self.bits(key)?;
            steps.push(Step::Mask(bits));
        }
        let relation = self.relation();
        let tests = self.tests(key, relation, masked)?;
        Ok(tests.into_iter().map(|test| [steps.as_slice(), test.as_slice()].concat()).collect())
    }

    /// The longest key that the next words are.
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
        let allowed =
            ["meta mark", "meta iifname", "meta oifname", "meta skuid", "meta skgid", "meta l4proto"];
        match KEYS.iter().find(|key| key.words == bare && allowed.contains(&key.words)) {
            Some(key) => {
                self.at += 1;
                Ok(key)
            }
            None => {
                // Where the first word is known, the second is the one that is not.
                let known = next
                    .first()
                    .is_some_and(|first| KEYS.iter().any(|key| key.words.split(' ').next() == Some(first)));
                self.at += if known { 2.min(next.len()) } else { 1 };
                Err(self.wrong("unknown word"))
            }
        }
    }

    /// What a packet must be to have the key at all.
    fn depended_on(&self, key: &Key, family: Family) -> Result<Vec<Step>> {
        let is = |meta: u32, value: &[u8]| {
            let length = u32::try_from(value.len()).unwrap_or(0);
            vec![Step::Load(Source::Meta(meta), length), Step::Compare(Relation::Equal, value.to_vec())]
        };
        match key.needs {
            Needs::Nothing | Needs::Ports => Ok(Vec::new()),
            Needs::Family(needed) if needed == family => Ok(Vec::new()),
            Needs::Family(_) => Err(self.wrong("these packets are of the other protocol")),
            Needs::Transport(protocol) => Ok(is(TRANSPORT, &[protocol])),
            Needs::Ethernet => Ok(is(LINK_TYPE, &ETHERNET.to_ne_bytes())),
        }
    }

    fn relation(&mut self) -> Option<Relation> {
        let next = self.peek()?;
        let found = RELATIONS.iter().find(|(word, _)| *word == next).map(|(_, relation)| *relation);
        self.at += usize::from(found.is_some());
        found
    }

    /// The values that follow: one, several bits, or a set.
    fn tests(&mut self, key: &Key, relation: Option<Relation>, masked: bool) -> Result<Alternatives> {
        if self.takes(&["{"]) {
            let mut values = vec![self.value(key)?];
            while self.takes(&[","]) {
                values.push(self.value(key)?);
            }
            if !self.takes(&["}"]) {
                self.at += 1;
                return Err(self.wrong("a set is not closed"));
            }
            return match relation.unwrap_or(Relation::Equal) {
                Relation::Equal => Ok(values.iter().map(|value| value.steps(key, Relation::Equal)).collect()),
                Relation::Different => {
                    Ok(vec![values.iter().flat_map(|value| value.steps(key, Relation::Different)).collect()])
                }
                _ => Err(self.wrong("a set is not greater or smaller")),
            };
        }
        if let (Kind::Bits(_), None, false) = (key.kind, relation, masked) {
            let bits = self.bits(key)?;
            let nothing = vec![0; bits.len()];
            return Ok(vec![vec![Step::Mask(bits), Step::Compare(Relation::Different, nothing)]]);
        }
        if let Kind::Bits(_) = key.kind {
            return Ok(vec![vec![Step::Compare(relation.unwrap_or(Relation::Equal), self.bits(key)?)]]);
        }
        let value = self.value(key)?;
        let relation = relation.unwrap_or(Relation::Equal);
        match value {
            Value::Exactly(_) => Ok(vec![value.steps(key, relation)]),
            _ if matches!(relation, Relation::Equal | Relation::Different) => {
                Ok(vec![value.steps(key, relation)])
            }
            _ => Err(self.wrong("a range is not greater or smaller")),
        }
    }

    fn value(&mut self, key: &Key) -> Result<Value> {
        let word = self.take().unwrap_or_default();
        Value::read(word, key).ok_or_else(|| self.wrong(&format!("no value of {}", key.words)))
    }

    /// Bits with commas or bars between them, in parentheses or not.
    fn bits(&mut self, key: &Key) -> Result<Vec<u8>> {
        let enclosed = self.takes(&["("]);
        let mut all = vec![0; usize::try_from(key.length).unwrap_or(0)];
        loop {
            let Value::Exactly(bits) = self.value(key)? else { return Err(self.wrong("no bits")) };
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

/// `NFT_META_L4PROTO`, `NFT_META_IIFTYPE`, and `ARPHRD_ETHER`.
const TRANSPORT: u32 = 16;
const LINK_TYPE: u32 = 8;
const ETHERNET: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (String, String) {
        let error = read(&[text], Family::V4, "conditionsV4").unwrap_err();
        (error.msg, error.details)
    }

    #[test]
    fn words_need_no_blanks_between_them_and_marks() {
        let text = "ip saddr!={10.0.0.1,10.0.0.2-10.0.0.9}";
        let found: Vec<&str> = words(&[text]).into_iter().map(|(word, _)| word).collect();
        assert_eq!(found, ["ip", "saddr", "!=", "{", "10.0.0.1", ",", "10.0.0.2-10.0.0.9", "}"]);
    }

    #[test]
    fn a_set_is_an_alternative_for_each_element_unless_it_is_denied() {
        let count = |text: &str| read(&[text], Family::V4, "c").unwrap().len();
        assert_eq!(count("tcp sport { 1, 2, 3 } ip saddr { 10.0.0.0/8, 192.0.2.1 }"), 6);
        assert_eq!(count("tcp sport != { 1, 2, 3 }"), 1);
    }

    #[test]
    fn a_word_that_is_not_known_is_refused_with_its_place() {
        for (text, msg) in [
            ("ip sadr 10.0.0.1", "unknown word at \"sadr\""),
            ("foo bar", "unknown word at \"foo\""),
            ("ip saddr fd00::1", "no value of ip saddr at \"fd00::1\""),
            ("ip6 saddr fd00::1", "these packets are of the other protocol at \"saddr\""),
            ("tcp sport { 1, 2", "a set is not closed at \"2\""),
            ("tcp sport 70000", "no value of tcp sport at \"70000\""),
            ("tcp sport", "no value of tcp sport at \"sport\""),
            ("ct state odd", "no value of ct state at \"odd\""),
            ("ip saddr > 10.0.0.0/8", "a range is not greater or smaller at \"10.0.0.0/8\""),
        ] {
            assert_eq!(
                refused(text),
                (format!("invalid condition: {msg}"), "conditionsV4[0]".to_owned()),
                "{text}"
            );
        }
        let error = read(&["ip saddr", "10.0.0.1", "iif eth0"], Family::V4, "conditionsV4").unwrap_err();
        assert_eq!(error.details, "conditionsV4[2]");
    }
}
