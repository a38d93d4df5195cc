//! How the objects of a document are read and written: one table of properties for each.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};

use super::mistake::{Place, Report};
use super::spelling;

/// The warning about a repeated key.
pub(crate) const REPEATED: &str = "property is given twice: the last one counts";

/// Looks up a key of an object among the known properties. Returns its position, or `None` for an unknown
/// key.
pub(crate) struct KeySeed<'a> {
    pub(crate) known: &'static [&'static str],
    pub(crate) at: &'a Place<'a>,
    pub(crate) report: &'a mut Report,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Option<usize>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a property")
    }

    /// Prefers the exact key to one that differs in case, as encoding/json does.
    fn visit_str<E: Error>(self, key: &str) -> Result<Option<usize>, E> {
        let exact = self.known.iter().position(|name| *name == key);
        let same = exact.or_else(|| self.known.iter().position(|name| name.eq_ignore_ascii_case(key)));
        if same.is_none() {
            self.unknown(key);
        }
        Ok(same)
    }
}

impl KeySeed<'_> {
    /// Warns of an unknown key that looks like a misspelling. Others are ignored (config.md, Extensibility).
    #[cold]
    #[inline(never)]
    fn unknown(self, key: &str) {
        if let Some(near) = spelling::nearest(key, self.known) {
            let place = self.at.key(key);
            self.report.warn(&place, format!("unknown property is ignored: did you mean {near:?}?"));
        }
    }
}

/// Defines the type of a JSON object: the struct, how it is read, and how it is written.
///
/// The type of a property decides whether it is required, and what its default is: see [`Decode::absent`].
/// The properties after `ignoring` are part of the specification and have no meaning on Linux.
macro_rules! object {
    (
        $(#[$about:meta])*
        pub struct $object:ident $(ignoring ($($ignored:literal)*))? {
            $($(#[$doc:meta])* $field:ident: $type:ty = $key:literal,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $object {
            $($(#[$doc])* pub $field: $type,)*
        }

        impl $crate::spec::decode::Decode for $object {
            const EXPECTED: &'static str = "an object";

            fn absent() -> Option<Self> {
                Some(Self { $($field: <$type as $crate::spec::decode::Decode>::absent()?,)* })
            }

            fn is_omitted(&self) -> bool {
                $(self.$field.is_omitted())&&*
            }

            // Each object has a function of its own: inlined into each other they would take a hundred pages
            // of code.
            #[inline(never)]
            fn object<'de, A: serde::de::MapAccess<'de>>(
                mut object: A,
                at: &$crate::spec::mistake::Place<'_>,
                report: &mut $crate::spec::mistake::Report,
            ) -> Result<$crate::spec::decode::Parsed<Self>, A::Error> {
                use $crate::spec::decode::{Parsed, Seed};
                use $crate::spec::object::{KeySeed, REPEATED};

                #[allow(non_camel_case_types)]
                enum Property { $($field),* }
                const KNOWN: &[&str] = &[$($key,)* $($($ignored,)*)?];

                $(let mut $field: Parsed<$type> = Parsed::Absent;)*
                while let Some(key) = object.next_key_seed(KeySeed { known: KNOWN, at, report })? {
                    match key {
                        $(Some(key) if key == Property::$field as usize => {
                            let place = at.key($key);
                            if !matches!($field, Parsed::Absent) {
                                report.warn(&place, REPEATED);
                            }
                            $field = object.next_value_seed(Seed::new(&place, report))?;
                        })*
                        _ => {
                            object.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                $(let $field = $field.or_default(&at.key($key), report);)*
                let whole = (|| Some(Self { $($field: $field?,)* }))();
                Ok(whole.map_or(Parsed::Invalid, Parsed::Value))
            }
        }

        /// Writes the object without the properties that have their default.
        impl serde::Serialize for $object {
            fn serialize<S: serde::Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                use $crate::spec::decode::Decode;

                let mut object = writer.serialize_map(None)?;
                $(if !self.$field.is_omitted() {
                    object.serialize_entry($key, &self.$field)?;
                })*
                object.end()
            }
        }
    };
}
pub(crate) use object;
