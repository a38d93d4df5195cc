//! The check: one sentence of a specification, and how it is tried.

use std::fmt;

use anyhow::Result;

use crate::bed::Bed;

/// One sentence, and its trial.
pub(crate) struct Check {
    /// What `--only`, reports and the list of known failures call it.
    pub(crate) name: &'static str,
    /// Where the sentence stands: the file and the section, as in `runtime.md#state`.
    pub(crate) place: &'static str,
    /// The sentence, without its links.
    pub(crate) sentence: &'static str,
    /// Tries it on the bed's subject. An error says what was seen instead, or is a [`Lacking`].
    pub(crate) run: fn(&Bed) -> Result<()>,
}

/// A specification: its sentences, and the checks of them.
pub(crate) struct Suite {
    /// The specification and its version.
    pub(crate) title: &'static str,
    /// The list of its sentences, as [`crate::sentences`] reads it.
    pub(crate) sentences: &'static str,
    /// The checks, group by group, in the order of the specification.
    pub(crate) groups: &'static [&'static [Check]],
    /// Subjects that are widely used: what all of them fail is suspect.
    pub(crate) peers: &'static [&'static str],
}

impl Suite {
    /// Every check.
    pub(crate) fn checks(&self) -> impl Iterator<Item = &'static Check> {
        self.groups.iter().flat_map(|group| group.iter())
    }
}

/// What the machine lacks for a check: neither success nor failure.
#[derive(Debug)]
pub(crate) struct Lacking(pub(crate) String);

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Lacking {}

/// Ends a check because the machine lacks something.
pub(crate) fn lacking<T>(what: &str) -> Result<T> {
    Err(Lacking(what.to_owned()).into())
}

/// What one check of one subject came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It does what the sentence says.
    Passed,
    /// It does not: what was seen.
    Failed(String),
    /// The machine cannot tell: what it lacks.
    Skipped(String),
}

impl From<Result<()>> for Outcome {
    fn from(result: Result<()>) -> Self {
        match result {
            Ok(()) => Self::Passed,
            Err(error) => match error.downcast_ref::<Lacking>() {
                Some(lacking) => Self::Skipped(lacking.to_string()),
                None => Self::Failed(format!("{error:#}")),
            },
        }
    }
}
