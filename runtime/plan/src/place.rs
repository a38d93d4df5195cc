//! A place in the configuration that a step came from, such as `mounts[2].options[1]`.

use std::fmt;

/// A place in `config.json`: a pattern in which each `#` stands for an index.
///
/// Every step carries one, and most steps never fail, so it is kept unformatted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pattern: &'static str,
    indices: [u32; 2],
}

impl Place {
    /// A place without an index.
    pub const fn of(pattern: &'static str) -> Self {
        Self { pattern, indices: [0; 2] }
    }

    /// A place with one index.
    pub fn at(pattern: &'static str, index: usize) -> Self {
        Self { pattern, indices: [narrow(index), 0] }
    }

    /// A place with two indices, the outer one first.
    pub fn within(pattern: &'static str, outer: usize, inner: usize) -> Self {
        Self { pattern, indices: [narrow(outer), narrow(inner)] }
    }

    /// The place of what the configuration does not name: steps that every container takes.
    pub const DEFAULT: Self = Self::of("");

    /// Whether the configuration names this place at all.
    pub fn is_named(&self) -> bool {
        !self.pattern.is_empty()
    }
}

/// An index beyond four thousand million can't come from a file that was read into memory.
fn narrow(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut indices = self.indices.iter();
        for (part, text) in self.pattern.split('#').enumerate() {
            if part > 0 {
                write!(out, "{}", indices.next().unwrap_or(&0))?;
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
    fn indices_fill_the_pattern_in_order() {
        assert_eq!(Place::within("mounts[#].options[#]", 2, 1).to_string(), "mounts[2].options[1]");
        assert_eq!(Place::at("hooks.prestart[#]", 0).to_string(), "hooks.prestart[0]");
        assert_eq!(Place::of("root.path").to_string(), "root.path");
    }
}
