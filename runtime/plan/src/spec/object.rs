//! How the objects of a document are read and written: one table of properties for each.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};

use super::mistake::{Place, Report};
use super::spelling;

/// What is said of a repeated key.
pub(crate) const TWICE: &str = "property is given twice: the last one counts";

/// Finds the property that a key of an object names: its position among the known ones, `None` for an unknown one.
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
    #[cold]
    #[inline(never)]
    fn unknown(self, key: &str) {
        if let Some(near) = spelling::nearest(key, self.known) {
            let place = self.at.key(key);
            self.report.warn(&place, format!("unknown property is ignored: did you mean {near:?}?"));
        }
    }
}

/// Defines the type of a JSON object: the struct, and how it is read and written.
///
/// Whether a property is required, and what its absence means, is decided by its type: see [`Decode::absent`].
/// Properties after `ignoring` are known to the specification and have no meaning on Linux.
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
            const WANTED: &'static str = "an object";

            fn absent() -> Option<Self> {
                Some(Self { $($field: <$type as $crate::spec::decode::Decode>::absent()?,)* })
            }

            fn is_silent(&self) -> bool {
                $(self.$field.is_silent())&&*
            }

            // Each object is read by a function of its own: inlined into each other they would fill a hundred pages.
            #[inline(never)]
            fn object<'de, A: serde::de::MapAccess<'de>>(
                mut object: A,
                at: &$crate::spec::mistake::Place<'_>,
                report: &mut $crate::spec::mistake::Report,
            ) -> Result<$crate::spec::decode::Slot<Self>, A::Error> {
                use $crate::spec::decode::{Seed, Slot};
                use $crate::spec::object::{KeySeed, TWICE};

                #[allow(non_camel_case_types)]
                enum Property { $($field),* }
                const KNOWN: &[&str] = &[$($key,)* $($($ignored,)*)?];

                $(let mut $field: Slot<$type> = Slot::Absent;)*
                while let Some(key) = object.next_key_seed(KeySeed { known: KNOWN, at, report })? {
                    match key {
                        $(Some(key) if key == Property::$field as usize => {
                            let place = at.key($key);
                            if !matches!($field, Slot::Absent) {
                                report.warn(&place, TWICE);
                            }
                            $field = object.next_value_seed(Seed::new(&place, report))?;
                        })*
                        _ => {
                            object.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                $(let $field = $field.settle(&at.key($key), report);)*
                let whole = (|| Some(Self { $($field: $field?,)* }))();
                Ok(whole.map_or(Slot::Wrong, Slot::Given))
            }
        }

        /// Writes the object; what says nothing is left out.
        impl serde::Serialize for $object {
            fn serialize<S: serde::Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                use $crate::spec::decode::Decode;

                let mut object = writer.serialize_map(None)?;
                $(if !self.$field.is_silent() {
                    object.serialize_entry($key, &self.$field)?;
                })*
                object.end()
            }
        }
    };
}
pub(crate) use object;
