//! Mistakes in a document, and the places of its properties.

use std::fmt;

/// An error or a warning about a property of a document.
///
/// It prints as `WHAT, because of PLACE`, or as `WHAT` where it is about the document as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The path of the property, such as `mounts[2].options[1]`; empty for the document as a whole.
    pub place: String,
    /// The message: one line in lower case, with the value and what was expected.
    pub what: String,
}

impl Mistake {
    /// Makes a mistake at a place of the document.
    pub fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.place.is_empty() { Ok(()) } else { write!(f, ", because of {}", self.place) }
    }
}

impl std::error::Error for Mistake {}

/// The messages of a reading or a check. A document with mistakes is refused, one with warnings is not.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) mistakes: Vec<Mistake>,
    pub(crate) warnings: Vec<Mistake>,
}

impl Report {
    /// Adds a mistake.
    // Cold and never inlined, so that the code that formats messages stays away from the code that reads.
    #[cold]
    #[inline(never)]
    pub(crate) fn wrong(&mut self, at: &Place<'_>, what: impl Into<String>) {
        self.mistakes.push(Mistake::new(at.to_string(), what));
    }

    /// Adds a warning.
    #[cold]
    #[inline(never)]
    pub(crate) fn warn(&mut self, at: &Place<'_>, what: impl Into<String>) {
        self.warnings.push(Mistake::new(at.to_string(), what));
    }
}

/// The place that is being read or checked. It is a chain of references up the call stack, so it costs
/// nothing until a message prints it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    up: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Document,
    Key(&'a str),
    Index(usize),
}

impl Place<'static> {
    /// The document itself.
    pub(crate) const DOCUMENT: Self = Self { up: None, step: Step::Document };
}

impl Place<'_> {
    /// The place of a property of this object.
    pub(crate) fn key<'a>(&'a self, key: &'a str) -> Place<'a> {
        Place { up: Some(self), step: Step::Key(key) }
    }

    /// The place of an item of this array.
    pub(crate) fn index(&self, index: usize) -> Place<'_> {
        Place { up: Some(self), step: Step::Index(index) }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(up) = self.up {
            up.fmt(f)?;
        }
        let first = matches!(self.up.map(|up| up.step), None | Some(Step::Document));
        match self.step {
            Step::Document => Ok(()),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) if !is_plain(key) => write!(f, "[{key:?}]"),
            Step::Key(key) if first => f.write_str(key),
            Step::Key(key) => write!(f, ".{key}"),
        }
    }
}

/// Whether a key can follow a dot without being read as two keys.
fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_prints_as_the_path_of_a_property() {
        let root = Place::DOCUMENT;
        let mounts = root.key("mounts");
        let mount = mounts.index(2);
        let options = mount.key("options");
        assert_eq!(options.index(1).to_string(), "mounts[2].options[1]");
        let linux = root.key("linux");
        let sysctl = linux.key("sysctl");
        assert_eq!(sysctl.key("net.ipv4.ip_forward").to_string(), r#"linux.sysctl["net.ipv4.ip_forward"]"#);
        assert_eq!(root.index(0).to_string(), "[0]");
    }

    #[test]
    fn a_mistake_prints_its_message_then_its_place() {
        assert_eq!(Mistake::new("root.path", "is empty").to_string(), "is empty, because of root.path");
        assert_eq!(Mistake::new("", "not JSON").to_string(), "not JSON");
    }
}
