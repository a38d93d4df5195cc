//! The reader of JSON documents: one pass, every mistake with its place, and Go's rules for keys and null.
//!
//! Callers write their documents with Go's encoding/json and were tested against runtimes that read them with it, so
//! its rules hold here too: keys are matched without regard to case, `null` says the same as an absent property, of a
//! repeated key the last one counts, and unknown keys are ignored.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::mistake::{Mistake, Place, Report};

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
                missing(T::WANTED, at, report);
                None
            }),
        }
    }
}

#[cold]
#[inline(never)]
fn missing(wanted: &str, at: &Place<'_>, report: &mut Report) {
    report.wrong(at, format!("required property is missing: expected {wanted}"));
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
        wrong(Self::WANTED, Found::Boolean(value), at, report)
    }

    fn number(value: Number, at: &Place<'_>, report: &mut Report) -> Slot<Self> {
        wrong(Self::WANTED, Found::Number(value), at, report)
    }

    fn text(value: &str, at: &Place<'_>, report: &mut Report) -> Slot<Self> {
        wrong(Self::WANTED, Found::Text(value), at, report)
    }

    fn list<'de, A: SeqAccess<'de>>(
        list: A,
        at: &Place<'_>,
        report: &mut Report,
    ) -> Result<Slot<Self>, A::Error> {
        pass_list(list)?;
        Ok(wrong(Self::WANTED, Found::List, at, report))
    }

    fn object<'de, A: MapAccess<'de>>(
        object: A,
        at: &Place<'_>,
        report: &mut Report,
    ) -> Result<Slot<Self>, A::Error> {
        pass_object(object)?;
        Ok(wrong(Self::WANTED, Found::Object, at, report))
    }
}

/// A value of the wrong type.
pub(super) enum Found<'a> {
    Boolean(bool),
    Number(Number),
    Text(&'a str),
    List,
    Object,
}

pub(super) fn wrong<T>(wanted: &str, found: Found<'_>, at: &Place<'_>, report: &mut Report) -> Slot<T> {
    mismatch(wanted, found, at, report);
    Slot::Wrong
}

#[cold]
#[inline(never)]
fn mismatch(wanted: &str, found: Found<'_>, at: &Place<'_>, report: &mut Report) {
    let found = match found {
        Found::Boolean(value) => value.to_string(),
        Found::Number(value) => value.to_string(),
        Found::Text(value) => quote(value),
        Found::List => "an array".to_owned(),
        Found::Object => "an object".to_owned(),
    };
    report.wrong(at, format!("expected {wanted}, found {found}"));
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

fn pass_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn pass_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<(), A::Error> {
    while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
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
