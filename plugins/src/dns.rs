//! DNS settings of a container: read, merged and printed in the result, never applied.

use crate::error::Result;
use crate::json::Section;
use serde::Serialize;

/// DNS settings. The declared order of the fields is the order of the printed keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dns {
    /// Addresses of name servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// The local domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Search domains.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Resolver options.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Dns {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Dns::default()
    }

    /// Reads a `dns` object.
    ///
    /// # Errors
    /// A key has the wrong type.
    pub fn read(section: &Section<'_>) -> Result<Dns> {
        let list =
            |key| -> Result<Vec<String>> { Ok(section.texts(key)?.into_iter().map(str::to_owned).collect()) };
        Ok(Dns {
            nameservers: list("nameservers")?,
            domain: section.text("domain")?.to_owned(),
            search: list("search")?,
            options: list("options")?,
        })
    }

    /// Replaces every field that is set in `other`.
    pub fn overlay(&mut self, other: Dns) {
        for (ours, theirs) in [
            (&mut self.nameservers, other.nameservers),
            (&mut self.search, other.search),
            (&mut self.options, other.options),
        ] {
            if !theirs.is_empty() {
                *ours = theirs;
            }
        }
        if !other.domain.is_empty() {
            self.domain = other.domain;
        }
    }
}
