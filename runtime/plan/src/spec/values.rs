//! How the plain values of a document are read: booleans, strings, numbers, words from a vocabulary, lists
//! and maps.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::de::{MapAccess, SeqAccess};

use super::decode::{Decode, Number, Parsed, Scalar, Seed, Unexpected, mismatch, quote};
use super::mistake::{Place, Report};
use super::object::REPEATED;
use super::spelling;
use crate::tables::Vocabulary;

impl Decode for bool {
    const EXPECTED: &'static str = "true or false";

    fn absent() -> Option<Self> {
        Some(false)
    }

    fn scalar(value: Scalar<'_>, at: &Place<'_>, report: &mut Report) -> Parsed<Self> {
        match value {
            Scalar::Boolean(value) => Parsed::Value(value),
            other => mismatch(Self::EXPECTED, Unexpected::Scalar(other), at, report),
        }
    }
}

impl Decode for String {
    const EXPECTED: &'static str = "a string";

    fn means_absent(&self) -> bool {
        self.is_empty()
    }

    /// Refuses NUL: most strings become C strings for system calls, and a NUL would end them early.
    fn scalar(value: Scalar<'_>, at: &Place<'_>, report: &mut Report) -> Parsed<Self> {
        match value {
            Scalar::Text(value) if value.contains('\0') => {
                report.wrong(at, format!("{} has a NUL character", quote(value)));
                Parsed::Invalid
            }
            Scalar::Text(value) => Parsed::Value(value.to_owned()),
            other => mismatch(Self::EXPECTED, Unexpected::Scalar(other), at, report),
        }
    }
}

/// The integers that a property accepts.
pub(crate) struct Integers {
    /// The first word of the message: `uid 4294967295 is out of range`.
    pub(crate) noun: &'static str,
    /// What the message about another type says was expected.
    pub(crate) expected: &'static str,
    pub(crate) range: RangeInclusive<i128>,
}

impl Integers {
    /// Reads one of them.
    pub(crate) fn read<T>(&self, value: Scalar<'_>, at: &Place<'_>, report: &mut Report) -> Parsed<T>
    where
        T: TryFrom<i128>,
    {
        let Scalar::Number(number) = value else {
            return mismatch(self.expected, Unexpected::Scalar(value), at, report);
        };
        let integer = match number {
            Number::Unsigned(number) => i128::from(number),
            Number::Signed(number) => i128::from(number),
            // serde_json reads an integer beyond 64 bits as a float, which is then above 1.8e19. Such a
            // number is out of range; any other float has a fraction or an exponent.
            Number::Float(float) if float.fract() != 0.0 || float.abs() < 1e18 => {
                return mismatch("a whole number", Unexpected::Scalar(value), at, report);
            }
            Number::Float(_) => self.range.end().saturating_add(1),
        };
        let accepted = self.range.contains(&integer).then(|| T::try_from(integer).ok()).flatten();
        accepted.map_or_else(|| self.refuse(number, at, report), Parsed::Value)
    }

    fn refuse<T>(&self, number: Number, at: &Place<'_>, report: &mut Report) -> Parsed<T> {
        let (low, high) = (self.range.start(), self.range.end());
        report.wrong(at, format!("{} {number} is out of range: expected {low} to {high}", self.noun));
        Parsed::Invalid
    }
}

macro_rules! integers {
    ($($type:ident)*) => {$(
        impl Decode for $type {
            const EXPECTED: &'static str = "a whole number";

            fn scalar(value: Scalar<'_>, at: &Place<'_>, report: &mut Report) -> Parsed<Self> {
                let range = i128::from($type::MIN)..=i128::from($type::MAX);
                Integers { noun: "number", expected: Self::EXPECTED, range }.read(value, at, report)
            }
        }
    )*};
}

integers! { u16 u32 u64 i32 i64 }

impl<T: Decode> Decode for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn is_omitted(&self) -> bool {
        self.is_none()
    }

    fn scalar(value: Scalar<'_>, at: &Place<'_>, report: &mut Report) -> Parsed<Self> {
        optional(T::scalar(value, at, report))
    }

    fn list<'de, A: SeqAccess<'de>>(
        list: A,
        at: &Place<'_>,
        report: &mut Report,
    ) -> Result<Parsed<Self>, A::Error> {
        T::list(list, at, report).map(optional)
    }

    fn object<'de, A: MapAccess<'de>>(
        object: A,
        at: &Place<'_>,
        report: &mut Report,
    ) -> Result<Parsed<Self>, A::Error> {
        T::object(object, at, report).map(optional)
    }
}

fn optional<T: Decode>(parsed: Parsed<T>) -> Parsed<Option<T>> {
    parsed.map(|value| if value.means_absent() { None } else { Some(value) })
}

impl<T: Decode> Decode for Vec<T> {
    const EXPECTED: &'static str = "an array";

    fn absent() -> Option<Self> {
        Some(Self::new())
    }

    fn is_omitted(&self) -> bool {
        self.is_empty()
    }

    fn list<'de, A: SeqAccess<'de>>(
        mut list: A,
        at: &Place<'_>,
        report: &mut Report,
    ) -> Result<Parsed<Self>, A::Error> {
        let mut items = Self::new();
        for index in 0.. {
            let place = at.index(index);
            let Some(item) = list.next_element_seed(Seed::<T>::new(&place, report))? else { break };
            items.extend(item.or_default(&place, report));
        }
        Ok(Parsed::Value(items))
    }
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    const EXPECTED: &'static str = "an object";

    fn absent() -> Option<Self> {
        Some(Self::new())
    }

    fn is_omitted(&self) -> bool {
        self.is_empty()
    }

    /// The keys are data, such as names of annotations, so their case matters.
    fn object<'de, A: MapAccess<'de>>(
        mut object: A,
        at: &Place<'_>,
        report: &mut Report,
    ) -> Result<Parsed<Self>, A::Error> {
        let mut entries = Self::new();
        while let Some(key) = object.next_key::<String>()? {
            let place = at.key(&key);
            if key.contains('\0') {
                report.wrong(&place, "property name has a NUL character");
            }
            let entry = object.next_value_seed(Seed::<T>::new(&place, report))?;
            let Some(value) = entry.or_default(&place, report) else { continue };
            if entries.contains_key(&key) {
                report.warn(&place, REPEATED);
            }
            entries.insert(key, value);
        }
        Ok(Parsed::Value(entries))
    }
}

impl<T: Vocabulary> Decode for T {
    const EXPECTED: &'static str = <T as Vocabulary>::EXPECTED;

    fn scalar(value: Scalar<'_>, at: &Place<'_>, report: &mut Report) -> Parsed<Self> {
        let Scalar::Text(text) = value else {
            return mismatch(<Self as Decode>::EXPECTED, Unexpected::Scalar(value), at, report);
        };
        if text.is_empty() {
            return Parsed::Absent;
        }
        let known = T::WORDS.iter().copied().find(|word| word.word() == text);
        if known.is_none() {
            let words: Vec<&str> = T::WORDS.iter().map(|word| word.word()).collect();
            report.wrong(at, spelling::unknown(T::NOUN, text, &words));
        }
        known.map_or(Parsed::Invalid, Parsed::Value)
    }
}
