//! The layers of an overlay, as its options take them.

use crate::host::Kernel;

/// From Linux 6.7 on, layers are given one by one, of any number and length.
pub(crate) const APPENDS_LAYERS: Kernel = Kernel { major: 6, minor: 7 };

/// What one option of a file system may hold, as fsconfig(2) takes it.
pub(crate) const OPTION_MAX: usize = 255;

/// Layers in one option; a colon in a name is escaped there.
pub(crate) fn joined(layers: &[String]) -> String {
    layers.iter().map(|layer| layer.replace('\\', "\\\\").replace(':', "\\:")).collect::<Vec<_>>().join(":")
}

/// Splits at colons that are not escaped.
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
    fn layers_are_parted_by_colons_but_not_by_escaped_ones() {
        assert_eq!(split(r"/a:/b\:c:d"), ["/a", "/b:c", "d"]);
        assert_eq!(joined(&split(r"/a:/b\:c")), r"/a:/b\:c");
        assert!(split("").is_empty());
    }
}
