//! The list of sentences of a specification, as the files in `sentences/` have it.
//!
//! A line that begins in the first column is a place; below it stand its sentences, indented once. A line indented
//! twice says why the sentence above it has no check.

/// One sentence of the list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sentence<'a> {
    /// The file and section.
    pub(crate) place: &'a str,
    /// The text.
    pub(crate) text: &'a str,
    /// Why there is no check of it.
    pub(crate) reason: Option<&'a str>,
}

/// Reads a list.
pub(crate) fn read(list: &str) -> Vec<Sentence<'_>> {
    let mut place = "";
    let mut all: Vec<Sentence<'_>> = Vec::new();
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with("//")) {
        let text = line.trim();
        match line.len() - line.trim_start().len() {
            0 => place = text,
            4 => all.push(Sentence { place, text, reason: None }),
            _ => {
                if let Some(last) = all.last_mut() {
                    last.reason = Some(text);
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::SUITES;

    #[test]
    fn a_list_is_places_sentences_and_reasons() {
        let list = "// note\n\na.md#b\n    One MUST.\n    Two MUST.\n        elsewhere\n";
        let one = Sentence { place: "a.md#b", text: "One MUST.", reason: None };
        let two = Sentence { place: "a.md#b", text: "Two MUST.", reason: Some("elsewhere") };
        assert_eq!(read(list), [one, two]);
    }

    #[test]
    fn every_sentence_has_either_a_check_or_a_reason() {
        for suite in SUITES {
            let checked: BTreeSet<_> = suite.checks().map(|check| (check.place, check.sentence)).collect();
            let wrong: Vec<_> = read(suite.sentences)
                .into_iter()
                .filter(|one| one.reason.is_some() == checked.contains(&(one.place, one.text)))
                .collect();
            assert!(wrong.is_empty(), "{}: neither a check nor a reason, or both: {wrong:#?}", suite.title);
        }
    }

    #[test]
    fn every_check_opens_with_a_sentence_of_the_list() {
        for suite in SUITES {
            let listed: BTreeSet<_> =
                read(suite.sentences).into_iter().map(|one| (one.place, one.text)).collect();
            for check in suite.checks() {
                assert!(listed.contains(&(check.place, check.sentence)), "{}: not in the list", check.name);
            }
        }
    }

    #[test]
    fn names_and_sentences_of_checks_are_unique() {
        let mut names = BTreeSet::new();
        let mut sentences = BTreeSet::new();
        for check in SUITES.iter().flat_map(|suite| suite.checks()) {
            assert!(names.insert(check.name), "{} is there twice", check.name);
            assert!(sentences.insert((check.place, check.sentence)), "{} repeats a sentence", check.name);
        }
    }
}
