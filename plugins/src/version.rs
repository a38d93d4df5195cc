//! The versions of the CNI specification.

use crate::error::{Code, Error, Result};

/// A supported version of the CNI specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 0.1.0: results with `ip4` and `ip6`.
    V010,
    /// 0.2.0: like 0.1.0.
    V020,
    /// 0.3.0: results with lists of interfaces and addresses.
    V030,
    /// 0.3.1: like 0.3.0.
    V031,
    /// 0.4.0: `CHECK`, and `prevResult` for `DEL`.
    V040,
    /// 1.0.0: addresses without a `version` key.
    V100,
    /// 1.1.0: `GC` and `STATUS`.
    V110,
}

/// All versions, oldest first. `VERSION` prints this list.
pub const ALL: [(Version, &str); 7] = [
    (Version::V010, "0.1.0"),
    (Version::V020, "0.2.0"),
    (Version::V030, "0.3.0"),
    (Version::V031, "0.3.1"),
    (Version::V040, "0.4.0"),
    (Version::V100, "1.0.0"),
    (Version::V110, "1.1.0"),
];

impl Version {
    /// The newest version.
    pub const NEWEST: Version = Version::V110;

    /// Returns the version as a text.
    pub fn text(self) -> &'static str {
        ALL.iter().find(|(version, _)| *version == self).map_or("", |(_, text)| text)
    }

    /// Reads a version. An empty text is 0.1.0: older configurations have no version.
    pub fn read(text: &str) -> Option<Version> {
        let text = if text.is_empty() { "0.1.0" } else { text };
        ALL.iter().find(|(_, spelling)| *spelling == text).map(|(version, _)| *version)
    }

    /// Reads the version of a configuration.
    ///
    /// # Errors
    /// Code 1 with the text that callers match, and the supported versions in the details.
    pub fn of_config(text: &str) -> Result<Version> {
        Version::read(text).ok_or_else(|| {
            Error::new(Code::Version, "incompatible CNI versions")
                .about(format!("config is \"{text}\", plugin supports [{}]", spellings(" ")))
        })
    }
}

/// Returns all versions in quotes, separated by `between`.
pub fn spellings(between: &str) -> String {
    ALL.map(|(_, text)| format!("\"{text}\"")).join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_version_is_0_1_0() {
        assert_eq!(Version::of_config("").unwrap(), Version::V010);
    }

    #[test]
    fn an_unknown_version_names_the_supported_ones() {
        let error = Version::of_config("9.9.9").unwrap_err();
        assert_eq!((error.code, error.msg.as_str()), (1, "incompatible CNI versions"));
        assert_eq!(
            error.details,
            r#"config is "9.9.9", plugin supports ["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]"#
        );
    }
}
