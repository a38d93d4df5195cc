//! How the plain values of a document are read: truth, texts, numbers, words, lists and maps.

use std::collections::BTreeMap;

use serde::de::{MapAccess, SeqAccess};

use super::decode::{Decode, Found, Number, Seed, Slot, quote, wrong};
use super::mistake::{Place, Report};
use super::object::TWICE;
use super::spelling;
use crate::tables::Vocabulary;

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
            return wrong("a whole number", Found::Number(value), at, report);
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
        if known.is_none() {
            let words: Vec<&str> = T::WORDS.iter().map(|word| word.word()).collect();
            report.wrong(at, spelling::unknown(T::NOUN, value, &words));
        }
        known.map_or(Slot::Wrong, Slot::Given)
    }
}
