//! Mistakes in every property of the specification, one by one and all at once: each is reported with its
//! place.

use serde_json::{Value, json};
use tare_plan::spec::examine;

/// A config.json with every property of runtime-spec 1.3.0 for Linux.
const EVERY_FIELD: &str = include_str!("../every-field.json");

/// A value in the document: its JSON pointer (RFC 6901), and its place as mistakes print it.
#[derive(Clone)]
struct Spot {
    pointer: String,
    place: String,
}

fn whole() -> Value {
    serde_json::from_str(EVERY_FIELD).unwrap()
}

/// Collects the values in a value, outer ones first.
fn spots(value: &Value, at: &Spot, all: &mut Vec<Spot>) {
    let inner: Vec<(Spot, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (below(at, key), value)).collect(),
        Value::Array(list) => {
            let spot = |index| Spot {
                pointer: format!("{}/{index}", at.pointer),
                place: format!("{}[{index}]", at.place),
            };
            list.iter().enumerate().map(|(index, value)| (spot(index), value)).collect()
        }
        _ => Vec::new(),
    };
    for (spot, value) in inner {
        all.push(spot.clone());
        spots(value, &spot, all);
    }
}

fn below(at: &Spot, key: &str) -> Spot {
    let plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    let dot = if at.place.is_empty() { "" } else { "." };
    Spot {
        pointer: format!("{}/{}", at.pointer, key.replace('~', "~0").replace('/', "~1")),
        place: if plain { format!("{}{dot}{key}", at.place) } else { format!("{}[{key:?}]", at.place) },
    }
}

fn every_spot() -> Vec<Spot> {
    let mut all = Vec::new();
    spots(&whole(), &Spot { pointer: String::new(), place: String::new() }, &mut all);
    all
}

/// A value of a type that the property does not take.
fn wrong(value: &Value) -> Value {
    match value {
        Value::String(_) => json!({"no": "text"}),
        Value::Object(_) => json!("no object"),
        _ => json!("no such thing"),
    }
}

// One mistake at a time: no property is read without a check of its type.
#[test]
fn a_wrong_type_is_reported_at_every_value() {
    let mut unreported = Vec::new();
    for spot in every_spot() {
        let mut document = whole();
        let value = document.pointer_mut(&spot.pointer).unwrap();
        *value = wrong(value);
        let found = examine(document.to_string().as_bytes());
        if !found.mistakes.iter().any(|mistake| mistake.place == spot.place) {
            unreported.push((spot.place, found.mistakes));
        }
    }
    assert!(unreported.is_empty(), "{unreported:#?}");
}

#[test]
fn every_message_says_what_was_expected() {
    for spot in every_spot() {
        let mut document = whole();
        let value = document.pointer_mut(&spot.pointer).unwrap();
        *value = wrong(value);
        let found = examine(document.to_string().as_bytes());
        let mistake = found.mistakes.iter().find(|mistake| mistake.place == spot.place).unwrap();
        let helps = ["expected", "did you mean"].iter().any(|word| mistake.what.contains(word));
        assert!(helps, "{mistake}");
    }
}

// A mistake does not hide another one.
#[test]
fn mistakes_in_all_values_are_reported_at_once() {
    let mut document = whole();
    let leaves: Vec<Spot> = every_spot()
        .into_iter()
        .filter(|spot| {
            document.pointer(&spot.pointer).is_some_and(|value| !value.is_object() && !value.is_array())
        })
        .collect();
    for leaf in &leaves {
        let value = document.pointer_mut(&leaf.pointer).unwrap();
        *value = wrong(value);
    }
    let found = examine(document.to_string().as_bytes());
    let unreported: Vec<&str> = leaves
        .iter()
        .map(|leaf| leaf.place.as_str())
        .filter(|place| !found.mistakes.iter().any(|mistake| mistake.place == *place))
        .collect();
    assert!(unreported.is_empty(), "{unreported:#?}");
    assert!(leaves.len() > 190, "{} leaves", leaves.len());
}

/// Maps: their keys are data and no properties.
const MAPS: &[&str] = &["annotations", "linux.sysctl", "linux.netDevices", "rdma", "unified"];

#[test]
fn a_misspelling_of_every_property_gives_a_warning() {
    for spot in every_spot() {
        let (parent, key) = spot.pointer.rsplit_once('/').unwrap();
        let Some((outer, _)) = spot.place.rsplit_once('.').or(Some(("", ""))) else { continue };
        let own = MAPS.iter().any(|map| outer.ends_with(map)) || spot.place.contains("[\"");
        if own || key.parse::<usize>().is_ok() || key.len() < 6 {
            continue;
        }
        let mut document = whole();
        let object = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        let value = object.remove(key).unwrap();
        let (start, end) = key.split_at(key.len() - 2);
        let slip: String = start.chars().chain(end.chars().rev()).collect();
        if slip == *key {
            continue;
        }
        object.insert(slip.clone(), value);
        let found = examine(document.to_string().as_bytes());
        let said = |word: &str| {
            let all = found.warnings.iter().chain(&found.mistakes);
            all.filter(|mistake| mistake.place.ends_with(&slip)).any(|mistake| mistake.what.contains(word))
        };
        assert!(said(&format!("{key:?}")), "{slip} at {}: {:#?}", spot.place, found.warnings);
    }
}
