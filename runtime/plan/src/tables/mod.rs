//! The kernel's names and numbers, which parsing, printing and `features` share.

pub mod capabilities;
pub mod rlimits;
pub mod signals;
mod syscall_rows;
pub mod syscalls;

/// A closed set of words.
pub trait Vocabulary: Copy + 'static {
    /// The noun for a word of it: `namespace type`.
    const NOUN: &'static str;

    /// The noun as messages say what was expected: `the name of a namespace type`.
    const EXPECTED: &'static str;

    /// All words, in the order of the table.
    const WORDS: &'static [Self];

    /// Returns the spelling of the word.
    fn word(self) -> &'static str;
}

/// Defines a vocabulary: an enum, and the spelling of each variant.
macro_rules! vocabulary {
    (
        $(#[$about:meta])*
        pub enum $set:ident: $noun:literal {
            $($(#[$doc:meta])* $word:ident = $text:literal,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $set {
            $($(#[$doc])* $word,)*
        }

        impl $set {
            /// All words, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$word,)*];

            /// Returns the spelling of the word.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$word => $text,)*
                }
            }

            /// Looks up a word by its exact spelling.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.name() == text)
            }
        }

        impl std::fmt::Display for $set {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl serde::Serialize for $set {
            fn serialize<S: serde::Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
                writer.serialize_str(self.name())
            }
        }

        impl $crate::tables::Vocabulary for $set {
            const NOUN: &'static str = $noun;
            const EXPECTED: &'static str = concat!("the name of a ", $noun);
            const WORDS: &'static [Self] = Self::ALL;

            fn word(self) -> &'static str {
                self.name()
            }
        }
    };
}
pub(crate) use vocabulary;
