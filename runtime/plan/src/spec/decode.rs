//! The reader of JSON documents: one pass, every mistake with its place, and Go's rules for keys and null.
//!
//! Callers write their documents with Go's encoding/json and were tested against runtimes that read them with it, so
//! its rules hold here too: keys are matched without regard to case, `null` says the same as an absent property, of a
//! repeated key the last one counts, and unknown keys are ignored.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::mistake::{Mistake, Place, Report};
use super::spelling;
use crate::tables::Vocabulary;

/// What was found at a property.
#[derive(Debug)]
pub(crate) enum Slot<T> {
    /// Nothing, or `null`.
    Absent,
    /// Something that can't be used; the report says why.
    Wrong,
    /// A value.
    Given(T),
}

impl<T> Slot<T> {
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Slot<U> {
        match self {
            Self::Absent => Slot::Absent,
            Self::Wrong => Slot::Wrong,
            Self::Given(value) => Slot::Given(f(value)),
        }
    }
}

impl<T: Decode> Slot<T> {
    /// The value, or what absence means for its type; where it means a mistake, that is reported.
    pub(crate) fn settle(self, at: &Place<'_>, report: &mut Report) -> Option<T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Wrong => None,
            Self::Absent => T::absent().or_else(|| {
                report.wrong(at, format!("required property is missing: expected {}", T::WANTED));
                None
            }),
        }
    }
}

/// A JSON number as the parser hands it over.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(number) => number.fmt(f),
            Self::Signed(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
        }
    }
}

/// A type that can be read from one or more of the kinds of JSON values.
///
/// A type overrides the methods of the kinds it understands; the others report a mistake and read past the value.
pub(crate) trait Decode: Sized {
    /// What a mistake says was wanted, with its article: `a string`.
    const WANTED: &'static str;

    /// The value that absence stands for; `None` where the property is required.
    fn absent() -> Option<Self> {
        None
    }

    /// Whether the value says no more than absence, as Go's empty strings do.
    fn says_nothing(&self) -> bool {
        false
    }

    /// Whether writing the value would say nothing: what an object leaves out.
    fn is_silent(&self) -> bool {
        false
    }

    fn boolean(value: bool, at: &Place<'_>, report: &mut Report) -> Slot<Self> {
        mismatch(Self::WANTED, &value.to_string(), at, report)
    }

    fn number(value: Number, at: &Place<'_>, report: &mut Report) -> Slot<Self> {
        mismatch(Self::WANTED, &value.to_string(), at, report)
    }

    fn text(value: &str, at: &Place<'_>, report: &mut Report) -> Slot<Self> {
        mismatch(Self::WANTED, &quote(value), at, report)
    }

    fn list<'de, A: SeqAccess<'de>>(
        mut list: A,
        at: &Place<'_>,
        report: &mut Report,
    ) -> Result<Slot<Self>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(mismatch(Self::WANTED, "an array", at, report))
    }

    fn object<'de, A: MapAccess<'de>>(
        mut object: A,
        at: &Place<'_>,
        report: &mut Report,
    ) -> Result<Slot<Self>, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(mismatch(Self::WANTED, "an object", at, report))
    }
}

fn mismatch<T>(wanted: &str, found: &str, at: &Place<'_>, report: &mut Report) -> Slot<T> {
    report.wrong(at, format!("expected {wanted}, found {found}"));
    Slot::Wrong
}

/// A text as a message shows it: quoted, control characters escaped, and never longer than a line.
pub(crate) fn quote(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut shown = text.chars();
    let short: String = shown.by_ref().take(LONGEST).collect();
    if shown.next().is_some() { format!("{short:?}…") } else { format!("{short:?}") }
}

/// Reads a whole document; a mistake of syntax stands last, without a place but with its line and column.
pub(crate) fn document<T: Decode>(bytes: &[u8]) -> (Option<T>, Report) {
    let mut report = Report::default();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let seed = Seed::new(&Place::DOCUMENT, &mut report);
    let read = seed.deserialize(&mut reader).and_then(|slot| reader.end().map(|()| slot));
    match read {
        Ok(slot) => (slot.settle(&Place::DOCUMENT, &mut report), report),
        Err(error) => {
            report.mistakes.push(Mistake::new("", format!("invalid JSON: {error}")));
            (None, report)
        }
    }
}

/// Reads one value of type `T`, knowing where it stands.
pub(crate) struct Seed<'a, T> {
    at: &'a Place<'a>,
    report: &'a mut Report,
    wanted: PhantomData<T>,
}

impl<'a, T: Decode> Seed<'a, T> {
    pub(crate) fn new(at: &'a Place<'a>, report: &'a mut Report) -> Self {
        Self { at, report, wanted: PhantomData }
    }
}

impl<'de, T: Decode> DeserializeSeed<'de> for Seed<'_, T> {
    type Value = Slot<T>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Slot<T>, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de, T: Decode> Visitor<'de> for Seed<'_, T> {
    type Value = Slot<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WANTED)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Slot<T>, E> {
        Ok(T::boolean(value, self.at, self.report))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Slot<T>, E> {
        Ok(T::number(Number::Unsigned(value), self.at, self.report))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Slot<T>, E> {
        Ok(T::number(Number::Signed(value), self.at, self.report))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Slot<T>, E> {
        Ok(T::number(Number::Float(value), self.at, self.report))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Slot<T>, E> {
        Ok(T::text(value, self.at, self.report))
    }

    fn visit_unit<E: Error>(self) -> Result<Slot<T>, E> {
        Ok(Slot::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Slot<T>, A::Error> {
        T::list(list, self.at, self.report)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Slot<T>, A::Error> {
        T::object(object, self.at, self.report)
    }
}

impl Decode for bool {
    const WANTED: &'static str = "true or false";

    fn absent() -> Option<Self> {
        Some(false)
    }

    fn boolean(value: bool, _: &Place<'_>, _: &mut Report) -> Slot<Self> {
        Slot::Given(value)
    }
}

impl Decode for String {
    const WANTED: &'static str = "a string";

    fn says_nothing(&self) -> bool {
        self.is_empty()
    }

    /// What a document says ends up as C strings, in which a NUL would silently end the text.
    fn text(value: &str, at: &Place<'_>, report: &mut Report) -> Slot<Self> {
        if value.contains('\0') {
            report.wrong(at, format!("{} has a NUL character", quote(value)));
            return Slot::Wrong;
        }
        Slot::Given(value.to_owned())
    }
}

/// Reads a whole number between two bounds; `noun` opens the mistake: `uid 4294967295 is out of range`.
pub(crate) fn whole<T: TryFrom<i128>>(
    value: Number,
    (noun, low, high): (&str, i128, i128),
    at: &Place<'_>,
    report: &mut Report,
) -> Slot<T> {
    let number = match value {
        Number::Unsigned(number) => i128::from(number),
        Number::Signed(number) => i128::from(number),
        // A number beyond 64 bits arrives as a float and is out of every range of ours; a fraction is no number of ours.
        Number::Float(number) if number.fract() != 0.0 || number.abs() < 1e18 => {
            return mismatch("a whole number", &number.to_string(), at, report);
        }
        Number::Float(_) => high.saturating_add(1),
    };
    let fits = (low..=high).contains(&number);
    if let (true, Ok(number)) = (fits, T::try_from(number)) {
        return Slot::Given(number);
    }
    report.wrong(at, format!("{noun} {value} is out of range: expected {low} to {high}"));
    Slot::Wrong
}

macro_rules! whole_numbers {
    ($($type:ident)*) => {$(
        impl Decode for $type {
            const WANTED: &'static str = "a whole number";

            fn number(value: Number, at: &Place<'_>, report: &mut Report) -> Slot<Self> {
                whole(value, ("number", i128::from($type::MIN), i128::from($type::MAX)), at, report)
            }
        }
    )*};
}

whole_numbers! { u16 u32 u64 i32 i64 }

impl<T: Decode> Decode for Option<T> {
    const WANTED: &'static str = T::WANTED;

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn is_silent(&self) -> bool {
        self.is_none()
    }

    fn boolean(value: bool, at: &Place<'_>, report: &mut Report) -> Slot<Self> {
        optional(T::boolean(value, at, report))
    }

    fn number(value: Number, at: &Place<'_>, report: &mut Report) -> Slot<Self> {
        optional(T::number(value, at, report))
    }

    fn text(value: &str, at: &Place<'_>, report: &mut Report) -> Slot<Self> {
        optional(T::text(value, at, report))
    }

    fn list<'de, A: SeqAccess<'de>>(
        list: A,
        at: &Place<'_>,
        report: &mut Report,
    ) -> Result<Slot<Self>, A::Error> {
        T::list(list, at, report).map(optional)
    }

    fn object<'de, A: MapAccess<'de>>(
        object: A,
        at: &Place<'_>,
        report: &mut Report,
    ) -> Result<Slot<Self>, A::Error> {
        T::object(object, at, report).map(optional)
    }
}

fn optional<T: Decode>(slot: Slot<T>) -> Slot<Option<T>> {
    slot.map(|value| if value.says_nothing() { None } else { Some(value) })
}

impl<T: Decode> Decode for Vec<T> {
    const WANTED: &'static str = "an array";

    fn absent() -> Option<Self> {
        Some(Self::new())
    }

    fn is_silent(&self) -> bool {
        self.is_empty()
    }

    fn list<'de, A: SeqAccess<'de>>(
        mut list: A,
        at: &Place<'_>,
        report: &mut Report,
    ) -> Result<Slot<Self>, A::Error> {
        let mut items = Self::new();
        for index in 0.. {
            let place = at.index(index);
            let Some(slot) = list.next_element_seed(Seed::<T>::new(&place, report))? else { break };
            items.extend(slot.settle(&place, report));
        }
        Ok(Slot::Given(items))
    }
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    const WANTED: &'static str = "an object";

    fn absent() -> Option<Self> {
        Some(Self::new())
    }

    fn is_silent(&self) -> bool {
        self.is_empty()
    }

    fn object<'de, A: MapAccess<'de>>(
        mut object: A,
        at: &Place<'_>,
        report: &mut Report,
    ) -> Result<Slot<Self>, A::Error> {
        let mut entries = Self::new();
        while let Some(key) = object.next_key::<String>()? {
            let place = at.key(&key);
            if key.contains('\0') {
                report.wrong(&place, "property name has a NUL character");
            }
            let slot = object.next_value_seed(Seed::<T>::new(&place, report))?;
            let Some(value) = slot.settle(&place, report) else { continue };
            if entries.contains_key(&key) {
                report.warn(&place, TWICE);
            }
            entries.insert(key, value);
        }
        Ok(Slot::Given(entries))
    }
}

impl<T: Vocabulary> Decode for T {
    const WANTED: &'static str = <T as Vocabulary>::WANTED;

    fn text(value: &str, at: &Place<'_>, report: &mut Report) -> Slot<Self> {
        if value.is_empty() {
            return Slot::Absent;
        }
        let known = T::WORDS.iter().copied().find(|word| word.word() == value);
        known.map_or_else(
            || {
                let words = T::WORDS.iter().map(|word| word.word());
                report.wrong(at, spelling::unknown(T::NOUN, value, words));
                Slot::Wrong
            },
            Slot::Given,
        )
    }
}

/// What is said of a repeated key.
pub(crate) const TWICE: &str = "property is given twice: the last one counts";

/// Finds the property that a key of an object names; `None` for an unknown one.
pub(crate) struct KeySeed<'a, K: 'static> {
    pub(crate) known: &'static [(&'static str, K)],
    pub(crate) at: &'a Place<'a>,
    pub(crate) report: &'a mut Report,
}

impl<'de, K: Copy> DeserializeSeed<'de> for KeySeed<'_, K> {
    type Value = Option<K>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Option<K>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<K: Copy> Visitor<'_> for KeySeed<'_, K> {
    type Value = Option<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a property")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Option<K>, E> {
        let exact = self.known.iter().find(|(name, _)| *name == key);
        let same = exact.or_else(|| self.known.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)));
        if same.is_none() {
            let names = self.known.iter().map(|(name, _)| *name);
            if let Some(near) = spelling::nearest(key, names) {
                let place = self.at.key(key);
                self.report.warn(&place, format!("unknown property is ignored: did you mean {near:?}?"));
            }
        }
        Ok(same.map(|(_, property)| *property))
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

            fn object<'de, A: serde::de::MapAccess<'de>>(
                mut object: A,
                at: &$crate::spec::mistake::Place<'_>,
                report: &mut $crate::spec::mistake::Report,
            ) -> Result<$crate::spec::decode::Slot<Self>, A::Error> {
                use $crate::spec::decode::{KeySeed, Seed, Slot, TWICE};

                #[allow(non_camel_case_types)]
                #[derive(Clone, Copy)]
                enum Property { $($field,)* #[allow(dead_code)] Ignored }
                const KNOWN: &[(&str, Property)] = &[
                    $(($key, Property::$field),)*
                    $($(($ignored, Property::Ignored),)*)?
                ];

                $(let mut $field: Slot<$type> = Slot::Absent;)*
                while let Some(key) = object.next_key_seed(KeySeed { known: KNOWN, at, report })? {
                    match key {
                        $(Some(Property::$field) => {
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
