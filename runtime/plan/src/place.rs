//! The place in config.json that a step comes from, such as `mounts[2].options[1]`.

use std::fmt;

/// A place in config.json: a pattern in which each `#` stands for an index or for the key of an object.
///
/// Every step has a place, and only an error prints it. So a place allocates nothing and formats nothing
/// until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pattern: &'static str,
    indices: [u32; 2],
    key: Key,
}

/// The bytes of a key that a place keeps. Names of network devices have at most 15, those of kernel
/// parameters rarely more than 47.
const KEY: usize = 47;

/// The key of an object, cut after [`KEY`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    bytes: [u8; KEY],
    length: u8,
}

impl Key {
    const NONE: Self = Self { bytes: [0; KEY], length: 0 };

    fn new(text: &str) -> Self {
        let mut key = Self::NONE;
        let mut end = text.len().min(KEY);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        for (place, byte) in key.bytes.iter_mut().zip(text.bytes().take(end)) {
            *place = byte;
        }
        key.length = u8::try_from(end).unwrap_or(0);
        key
    }

    fn text(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Place {
    /// Makes a place without an index.
    pub const fn of(pattern: &'static str) -> Self {
        Self { pattern, indices: [0; 2], key: Key::NONE }
    }

    /// Makes a place with one index.
    pub fn at(pattern: &'static str, index: usize) -> Self {
        Self { pattern, indices: [narrow(index), 0], key: Key::NONE }
    }

    /// Makes a place with two indices, the outer one first.
    pub fn within(pattern: &'static str, outer: usize, inner: usize) -> Self {
        Self { pattern, indices: [narrow(outer), narrow(inner)], key: Key::NONE }
    }

    /// Makes a place with the key of an object.
    pub fn keyed(pattern: &'static str, key: &str) -> Self {
        Self { pattern, indices: [0; 2], key: Key::new(key) }
    }

    /// The place of steps that every container takes, whatever its configuration.
    pub const DEFAULT: Self = Self::of("");

    /// Whether this is a place in the configuration.
    pub fn is_named(&self) -> bool {
        !self.pattern.is_empty()
    }
}

/// Prints a key as the places of mistakes do: plain keys after a dot, others quoted in brackets.
impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if plain { write!(out, ".{text}") } else { write!(out, "[{text:?}]") }
    }
}

/// Stores an index in 32 bits. An array of 2^32 items would not fit into a config.json.
fn narrow(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut indices = self.indices.iter();
        for (part, text) in self.pattern.split('#').enumerate() {
            match part {
                0 => {}
                1 if self.key.length > 0 => self.key.fmt(out)?,
                _ => write!(out, "{}", indices.next().unwrap_or(&0))?,
            }
            out.write_str(text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn indices_replace_the_marks_in_order() {
        assert_eq!(Place::within("mounts[#].options[#]", 2, 1).to_string(), "mounts[2].options[1]");
        assert_eq!(Place::at("hooks.prestart[#]", 0).to_string(), "hooks.prestart[0]");
        assert_eq!(Place::of("root.path").to_string(), "root.path");
    }

    #[test]
    fn a_key_replaces_the_mark_and_a_long_one_is_cut() {
        let place = |key: &str| Place::keyed("linux.sysctl#", key).to_string();
        assert_eq!(place("net.core.x"), r#"linux.sysctl["net.core.x"]"#);
        assert_eq!(place(&"ä".repeat(40)), format!("linux.sysctl[\"{}\"]", "ä".repeat(23)));
        assert_eq!(place("eth0"), "linux.sysctl.eth0");
    }
}
