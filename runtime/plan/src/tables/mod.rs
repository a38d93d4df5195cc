//! The kernel's vocabularies: names and numbers that parsing, printing and `features` share.

pub mod capabilities;
pub mod rlimits;
pub mod signals;
mod syscall_rows;
pub mod syscalls;

/// A closed set of words, each with its meaning.
pub trait Vocabulary: Copy + 'static {
    /// What a word of it is called, without an article: `namespace type`.
    const NOUN: &'static str;

    /// The same with its article, as what a mistake says was wanted.
    const WANTED: &'static str;

    /// Every word, in the order of its table.
    const WORDS: &'static [Self];

    /// The word as it is spelled.
    fn word(self) -> &'static str;
}

/// Defines a vocabulary: one table that parsing, printing and listing share.
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
            /// Every word, in the order of its table.
            pub const ALL: &'static [Self] = &[$(Self::$word,)*];

            /// The word as it is spelled.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$word => $text,)*
                }
            }

            /// The word that is spelled so, exactly.
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
            const WANTED: &'static str = concat!("the name of a ", $noun);
            const WORDS: &'static [Self] = Self::ALL;

            fn word(self) -> &'static str {
                self.name()
            }
        }
    };
}
pub(crate) use vocabulary;
