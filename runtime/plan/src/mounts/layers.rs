//! The lower directories of an overlay, as overlayfs takes them.
//!
//! `root` uses it too.

use crate::host::Kernel;

/// Since this release overlayfs takes lower directories one by one (`lowerdir+`), in any number and of any
/// length.
pub(crate) const APPENDS_LAYERS: Kernel = Kernel { major: 6, minor: 7 };

/// The longest value of a mount option that fsconfig(2) accepts.
pub(crate) const OPTION_MAX: usize = 255;

/// Returns the directories as one colon-separated value, with a backslash before each colon and backslash in
/// a name.
pub(crate) fn joined(layers: &[String]) -> String {
    layers.iter().map(|layer| layer.replace('\\', "\\\\").replace(':', "\\:")).collect::<Vec<_>>().join(":")
}

/// Splits a value at its colons, except at escaped ones. Skips empty parts.
pub(crate) fn split(value: &str) -> Vec<String> {
    let mut layers = vec![String::new()];
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        let next = match letter {
            ':' => {
                layers.push(String::new());
                continue;
            }
            '\\' => letters.next().unwrap_or('\\'),
            plain => plain,
        };
        if let Some(last) = layers.last_mut() {
            last.push(next);
        }
    }
    layers.retain(|layer| !layer.is_empty());
    layers
}

#[cfg(test)]
mod tests {
    use super::{joined, split};

    #[test]
    fn layers_are_split_at_colons_but_not_at_escaped_ones() {
        assert_eq!(split(r"/a:/b\:c:d"), ["/a", "/b:c", "d"]);
        assert_eq!(split(r"/a\\:/b"), [r"/a\", "/b"]);
        assert_eq!(split(r"/a\"), [r"/a\"]);
        assert!(split("").is_empty() && split("::").is_empty());
    }

    #[test]
    fn joined_layers_split_into_the_same_again() {
        let layers = ["/a".to_owned(), "/b:c".to_owned(), r"/d\e\".to_owned()];
        assert_eq!(joined(&layers), r"/a:/b\:c:/d\\e\\");
        assert_eq!(split(&joined(&layers)), layers);
    }
}
