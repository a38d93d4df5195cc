//! Known failures: what a subject is expected not to do, by name and with the reason.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use crate::check::Outcome;
use crate::runner::Part;

/// The list: subject and check, and why.
#[derive(Debug, Default)]
pub(crate) struct Known(BTreeMap<(String, String), String>);

impl Known {
    /// Reads a list: `SUBJECT CHECK REASON` a line; lines that begin with `#` are notes.
    ///
    /// # Errors
    /// A line has no reason.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let mut all = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut words = line.splitn(3, char::is_whitespace);
            let mut next = || words.next().map(str::trim).filter(|word| !word.is_empty());
            let row = next().zip(next()).zip(next());
            let ((subject, check), reason) = row.with_context(|| format!("no reason in: {line}"))?;
            all.insert((subject.to_owned(), check.to_owned()), reason.to_owned());
        }
        Ok(Self(all))
    }

    /// Why the subject fails the check, if that is known.
    pub(crate) fn reason(&self, subject: &str, check: &str) -> Option<&str> {
        self.0.get(&(subject.to_owned(), check.to_owned())).map(String::as_str)
    }

    /// What came out otherwise than known: each subject and check, and what it came to.
    pub(crate) fn surprises(&self, part: &Part) -> Vec<(String, &'static str, Outcome)> {
        let mut all = Vec::new();
        for row in &part.rows {
            for (subject, outcome) in part.subjects.iter().zip(&row.outcomes) {
                let known = self.reason(&subject.name, row.check.name).is_some();
                let surprise = match outcome {
                    Outcome::Passed => known,
                    Outcome::Failed(_) => !known,
                    Outcome::Skipped(_) => false,
                };
                if surprise {
                    all.push((subject.name.clone(), row.check.name, outcome.clone()));
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_subject_check_and_reason() {
        let known = Known::read("# note\n\nruns  some-check it is late\n").unwrap_err();
        assert!(known.to_string().contains("no reason"), "two blanks part nothing");
        let known = Known::read("runs some-check it is late\n").unwrap();
        assert_eq!(known.reason("runs", "some-check"), Some("it is late"));
        assert_eq!(known.reason("runs", "other"), None);
    }

    #[test]
    fn a_failure_without_a_reason_is_no_entry() {
        assert!(Known::read("runs some-check\n").is_err());
    }
}
