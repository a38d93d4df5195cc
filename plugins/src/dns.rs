//! Name service of a container: read, merged and passed on, never acted on.

use crate::error::Result;
use crate::json::Section;
use crate::render::{Json, Members, texts};

/// Name service, passed on and never acted on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dns {
    /// Addresses of name servers.
    pub nameservers: Vec<String>,
    /// The local domain.
    pub domain: String,
    /// Domains to search.
    pub search: Vec<String>,
    /// Options of the resolver.
    pub options: Vec<String>,
}

impl Dns {
    pub(crate) fn render(&self) -> Json {
        Members::default()
            .list("nameservers", texts(&self.nameservers))
            .text("domain", &self.domain)
            .list("search", texts(&self.search))
            .list("options", texts(&self.options))
            .object()
    }

    /// Reads a `dns` object.
    ///
    /// # Errors
    /// A member has the wrong type.
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

    /// Takes over every part that the other one says something about.
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
