//! Reads JSON objects with Go's rules and prints JSON like Go.
//!
//! A key matches in any case, `null` counts as absent, and a wrong type is an error that names the place of the key.

use crate::error::{Code, Error, Result};
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// An object of the configuration and its place.
#[derive(Clone, Debug)]
pub struct Section<'a> {
    members: Option<&'a Map<String, Value>>,
    place: String,
}

impl<'a> Section<'a> {
    /// Returns the top-level object.
    ///
    /// # Errors
    /// The value is not an object.
    pub fn root(value: &'a Value) -> Result<Self> {
        Self::at(value, String::new())
    }

    /// Returns an object; `place` is its path in error messages.
    fn at(value: &'a Value, place: String) -> Result<Self> {
        match value {
            Value::Object(members) => Ok(Self { members: Some(members), place }),
            other => Err(wrong_type(&place, "an object", other)),
        }
    }

    /// The path of the object, such as `ipam.ranges[0]`; empty at the top level.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Returns the path of a key.
    pub fn place_of(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }

    /// Returns the value of a key. An exact match takes precedence over one in another case.
    pub fn value(&self, key: &str) -> Option<&'a Value> {
        let members = self.members?;
        members
            .get(key)
            .or_else(|| {
                members.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
            })
            .filter(|value| !value.is_null())
    }

    /// Whether the key has a value.
    pub fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// Returns a string; empty if absent.
    ///
    /// # Errors
    /// The value is not a string.
    pub fn text(&self, key: &str) -> Result<&'a str> {
        match self.value(key) {
            None => Ok(""),
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(wrong_type(&self.place_of(key), "a string", other)),
        }
    }

    /// Returns a boolean; false if absent.
    ///
    /// # Errors
    /// The value is not a boolean.
    pub fn flag(&self, key: &str) -> Result<bool> {
        Ok(self.optional_flag(key)?.unwrap_or(false))
    }

    /// Returns a boolean, or `None` if absent.
    ///
    /// # Errors
    /// The value is not a boolean.
    pub fn optional_flag(&self, key: &str) -> Result<Option<bool>> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(wrong_type(&self.place_of(key), "true or false", other)),
        }
    }

    /// Returns an integer, or `None` if absent.
    ///
    /// # Errors
    /// The value is not an integer of 64 bits.
    pub fn number(&self, key: &str) -> Result<Option<i64>> {
        match self.value(key) {
            None => Ok(None),
            Some(value) => value
                .as_i64()
                .map(Some)
                .ok_or_else(|| wrong_type(&self.place_of(key), "a whole number", value)),
        }
    }

    /// Returns the elements of a list with their paths; none if absent.
    ///
    /// # Errors
    /// The value is not a list.
    pub fn list(&self, key: &str) -> Result<Vec<Element<'a>>> {
        match self.value(key) {
            None => Ok(Vec::new()),
            Some(value) => elements(value, &self.place_of(key)),
        }
    }

    /// Returns a list of strings; empty if absent.
    ///
    /// # Errors
    /// The value is not a list of strings.
    pub fn texts(&self, key: &str) -> Result<Vec<&'a str>> {
        self.list(key)?.iter().map(Element::text).collect()
    }

    /// Returns an object; an empty one if absent.
    ///
    /// # Errors
    /// The value is not an object.
    pub fn section(&self, key: &str) -> Result<Section<'a>> {
        let place = self.place_of(key);
        match self.value(key) {
            None => Ok(Section { members: None, place }),
            Some(value) => Section::at(value, place),
        }
    }

    /// Refuses keys that differ only in case. This library and Go would not choose the same one of them.
    ///
    /// # Errors
    /// Code 7: names the key.
    pub fn refuse_twins(&self) -> Result<()> {
        let mut seen = BTreeSet::new();
        for key in self.members.iter().flat_map(|members| members.keys()) {
            if !seen.insert(key.to_ascii_lowercase()) {
                return Err(
                    Error::config("a key is given twice, differing in case").about(self.place_of(key))
                );
            }
        }
        Ok(())
    }
}

/// An element of a list and its path.
#[derive(Clone, Debug)]
pub struct Element<'a> {
    value: &'a Value,
    place: String,
}

impl<'a> Element<'a> {
    /// The path, such as `ipam.ranges[0]`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Returns the element as an object.
    ///
    /// # Errors
    /// The element is not an object.
    pub fn section(&self) -> Result<Section<'a>> {
        Section::at(self.value, self.place.clone())
    }

    /// Returns the element as a string.
    ///
    /// # Errors
    /// The element is not a string.
    pub fn text(&self) -> Result<&'a str> {
        self.value.as_str().ok_or_else(|| wrong_type(&self.place, "a string", self.value))
    }

    /// Returns the element as a list.
    ///
    /// # Errors
    /// The element is not a list.
    pub fn list(&self) -> Result<Vec<Element<'a>>> {
        elements(self.value, &self.place)
    }
}

fn elements<'a>(value: &'a Value, place: &str) -> Result<Vec<Element<'a>>> {
    let Value::Array(values) = value else { return Err(wrong_type(place, "a list", value)) };
    let element = |(index, value)| Element { value, place: format!("{place}[{index}]") };
    Ok(values.iter().enumerate().map(element).collect())
}

fn wrong_type(place: &str, wanted: &str, found: &Value) -> Error {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "another number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    let place = if place.is_empty() { "the network configuration" } else { place };
    Error::config(format!("{place} must be {wanted}, not {found}")).about(place)
}

/// Prints a value as the Go plugins do: four spaces for each level, no newline at the end.
///
/// # Errors
/// Code 999; the types of this crate can't cause it.
pub fn pretty(value: &impl Serialize) -> Result<String> {
    let mut out = Vec::with_capacity(PRINTED);
    let formatter = PrettyFormatter::with_indent(b"    ");
    finish(value.serialize(&mut Serializer::with_formatter(&mut out, formatter)), out)
}

/// Prints a value on one line.
///
/// # Errors
/// As [`pretty`].
pub fn compact(value: &impl Serialize) -> Result<String> {
    let mut out = Vec::with_capacity(PRINTED);
    finish(value.serialize(&mut Serializer::new(&mut out)), out)
}

/// Most results are shorter.
const PRINTED: usize = 1024;

fn finish(outcome: serde_json::Result<()>, out: Vec<u8>) -> Result<String> {
    let internal = |why: String| Error::new(Code::Internal, format!("cannot print JSON: {why}"));
    outcome.map_err(|why| internal(why.to_string()))?;
    String::from_utf8(out).map_err(|why| internal(why.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_match_in_any_case_and_exact_matches_come_first() {
        let value = json!({"hostport": 1, "HostPort": 2, "hostPort": 3, "IPAM": {"Subnet": "x"}});
        let root = Section::root(&value).unwrap();
        assert_eq!(root.number("hostPort").unwrap(), Some(3));
        assert_eq!(root.section("ipam").unwrap().text("subnet").unwrap(), "x");
        assert!(root.refuse_twins().is_err());
    }

    #[test]
    fn json_is_printed_like_go_does() {
        let value = json!({"a": [2, {}], "b": "x\"y", "c": []});
        assert_eq!(
            pretty(&value).unwrap(),
            "{\n    \"a\": [\n        2,\n        {}\n    ],\n    \"b\": \"x\\\"y\",\n    \"c\": []\n}"
        );
    }

    #[test]
    fn null_is_absent() {
        let value = json!({"mtu": null});
        assert_eq!(Section::root(&value).unwrap().number("mtu").unwrap(), None);
    }

    #[test]
    fn a_wrong_type_names_its_place() {
        let value = json!({"ipam": {"ranges": [[{"subnet": 7}]]}});
        let ipam = Section::root(&value).unwrap().section("ipam").unwrap();
        let sets = ipam.list("ranges").unwrap();
        let range = sets[0].list().unwrap()[0].section().unwrap();
        assert_eq!(range.text("subnet").unwrap_err().details, "ipam.ranges[0][0].subnet");
    }
}
