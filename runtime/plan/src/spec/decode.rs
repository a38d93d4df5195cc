//! The reader of JSON documents: one pass, every mistake with its place, and the rules of Go's encoding/json.
//!
//! containerd, Docker, Podman and CRI-O write their documents with encoding/json, and their authors tested
//! them with runtimes that read them with it. So its rules hold here too. Keys match without regard to case.
//! `null` means the same as an absent property. The last of several equal keys counts. Unknown keys are
//! ignored.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::mistake::{Mistake, Place, Report};

/// What the reader found at a property.
#[derive(Debug)]
pub(crate) enum Parsed<T> {
    /// No property, or `null`.
    Absent,
    /// A value that can't be used. The report says why.
    Invalid,
    /// A value.
    Value(T),
}

impl<T> Parsed<T> {
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Parsed<U> {
        match self {
            Self::Absent => Parsed::Absent,
            Self::Invalid => Parsed::Invalid,
            Self::Value(value) => Parsed::Value(f(value)),
        }
    }
}

impl<T: Decode> Parsed<T> {
    /// Returns the value, or the default of its type for an absent property. Reports an absent property that
    /// is required.
    pub(crate) fn or_default(self, at: &Place<'_>, report: &mut Report) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Invalid => None,
            Self::Absent => T::absent().or_else(|| {
                missing(T::EXPECTED, at, report);
                None
            }),
        }
    }
}

#[cold]
#[inline(never)]
fn missing(expected: &str, at: &Place<'_>, report: &mut Report) {
    report.wrong(at, format!("required property is missing: expected {expected}"));
}

/// A JSON number, in the type that serde_json chose for it.
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

/// A JSON value that holds no other values.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scalar<'a> {
    Boolean(bool),
    Number(Number),
    Text(&'a str),
}

/// A type that is read from JSON.
///
/// A type overrides the methods for the kinds of values that it accepts. The others report a mistake and skip
/// the value.
pub(crate) trait Decode: Sized {
    /// The kind of value that messages say was expected, with its article: `a string`.
    const EXPECTED: &'static str;

    /// The default of an absent property; `None` for a required one.
    fn absent() -> Option<Self> {
        None
    }

    /// Whether an optional property with this value counts as absent, as an empty string does in Go.
    fn means_absent(&self) -> bool {
        false
    }

    /// Whether an object is written without this value, as with `omitempty` in Go.
    fn is_omitted(&self) -> bool {
        false
    }

    fn scalar(value: Scalar<'_>, at: &Place<'_>, report: &mut Report) -> Parsed<Self> {
        mismatch(Self::EXPECTED, Unexpected::Scalar(value), at, report)
    }

    fn list<'de, A: SeqAccess<'de>>(
        list: A,
        at: &Place<'_>,
        report: &mut Report,
    ) -> Result<Parsed<Self>, A::Error> {
        skip_list(list)?;
        Ok(mismatch(Self::EXPECTED, Unexpected::List, at, report))
    }

    fn object<'de, A: MapAccess<'de>>(
        object: A,
        at: &Place<'_>,
        report: &mut Report,
    ) -> Result<Parsed<Self>, A::Error> {
        skip_object(object)?;
        Ok(mismatch(Self::EXPECTED, Unexpected::Object, at, report))
    }
}

/// A value of the wrong type.
pub(super) enum Unexpected<'a> {
    Scalar(Scalar<'a>),
    List,
    Object,
}

/// Reports a value of the wrong type.
pub(super) fn mismatch<T>(
    expected: &str,
    found: Unexpected<'_>,
    at: &Place<'_>,
    report: &mut Report,
) -> Parsed<T> {
    report_mismatch(expected, found, at, report);
    Parsed::Invalid
}

// One copy for all types: `mismatch` is generic.
#[cold]
#[inline(never)]
fn report_mismatch(expected: &str, found: Unexpected<'_>, at: &Place<'_>, report: &mut Report) {
    let found = match found {
        Unexpected::Scalar(Scalar::Boolean(value)) => value.to_string(),
        Unexpected::Scalar(Scalar::Number(value)) => value.to_string(),
        Unexpected::Scalar(Scalar::Text(value)) => quote(value),
        Unexpected::List => "an array".to_owned(),
        Unexpected::Object => "an object".to_owned(),
    };
    report.wrong(at, format!("expected {expected}, found {found}"));
}

/// A string as messages show it: quoted, control characters escaped, cut after 80 characters.
pub(crate) fn quote(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut shown = text.chars();
    let short: String = shown.by_ref().take(LONGEST).collect();
    if shown.next().is_some() { format!("{short:?}…") } else { format!("{short:?}") }
}

/// Reads a whole document. A syntax error comes last in the report, without a place; its message has line and
/// column.
pub(crate) fn document<T: Decode>(bytes: &[u8]) -> (Option<T>, Report) {
    let mut report = Report::default();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let seed = Seed::new(&Place::DOCUMENT, &mut report);
    let read = seed.deserialize(&mut reader).and_then(|parsed| reader.end().map(|()| parsed));
    match read {
        Ok(parsed) => (parsed.or_default(&Place::DOCUMENT, &mut report), report),
        Err(error) => {
            report.mistakes.push(Mistake::new("", format!("invalid JSON: {error}")));
            (None, report)
        }
    }
}

/// Reads one value of type `T`. Unlike `Deserialize`, serde's `DeserializeSeed` takes the place and the
/// report along.
pub(crate) struct Seed<'a, T> {
    at: &'a Place<'a>,
    report: &'a mut Report,
    of: PhantomData<T>,
}

impl<'a, T: Decode> Seed<'a, T> {
    pub(crate) fn new(at: &'a Place<'a>, report: &'a mut Report) -> Self {
        Self { at, report, of: PhantomData }
    }
}

impl<'de, T: Decode> DeserializeSeed<'de> for Seed<'_, T> {
    type Value = Parsed<T>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Parsed<T>, D::Error> {
        reader.deserialize_any(self)
    }
}

fn skip_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn skip_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<(), A::Error> {
    while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

impl<'de, T: Decode> Visitor<'de> for Seed<'_, T> {
    type Value = Parsed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Parsed<T>, E> {
        Ok(T::scalar(Scalar::Boolean(value), self.at, self.report))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Parsed<T>, E> {
        Ok(T::scalar(Scalar::Number(Number::Unsigned(value)), self.at, self.report))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Parsed<T>, E> {
        Ok(T::scalar(Scalar::Number(Number::Signed(value)), self.at, self.report))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Parsed<T>, E> {
        Ok(T::scalar(Scalar::Number(Number::Float(value)), self.at, self.report))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Parsed<T>, E> {
        Ok(T::scalar(Scalar::Text(value), self.at, self.report))
    }

    fn visit_unit<E: Error>(self) -> Result<Parsed<T>, E> {
        Ok(Parsed::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Parsed<T>, A::Error> {
        T::list(list, self.at, self.report)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Parsed<T>, A::Error> {
        T::object(object, self.at, self.report)
    }
}
