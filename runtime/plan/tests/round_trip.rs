//! Reading a document and writing it again changes nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on should stop")]

use std::path::PathBuf;

use serde_json::Value;
use tare_plan::spec;

/// A config.json with every property of runtime-spec 1.3.0 for Linux, none with its default.
const EVERY_FIELD: &str = include_str!("every-field.json");

#[test]
fn every_property_survives_reading_and_writing() {
    let written: Value = serde_json::from_str(EVERY_FIELD).unwrap();
    let loaded = spec::load(EVERY_FIELD.as_bytes()).unwrap();
    assert_eq!(loaded.warnings, []);
    let mut again = serde_json::to_value(&loaded.spec).unwrap();
    // Empty lists are not written.
    *again.pointer_mut("/linux/personality").unwrap() = written["linux"]["personality"].clone();
    assert_eq!(again, written);
    assert!(spec::check(loaded).is_ok());
}

#[test]
fn every_sample_survives_reading_and_writing() {
    let samples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    for path in std::fs::read_dir(samples).unwrap().map(|entry| entry.unwrap().path()) {
        let bytes = std::fs::read(&path).unwrap();
        if path.to_string_lossy().contains("-process-") {
            let once = spec::load_process(&bytes).unwrap().process;
            let again = spec::load_process(&serde_json::to_vec(&once).unwrap()).unwrap().process;
            assert_eq!(once, again, "{path:?}");
        } else {
            let once = spec::load(&bytes).unwrap().spec;
            let again = spec::load(&serde_json::to_vec(&once).unwrap()).unwrap().spec;
            assert_eq!(once, again, "{path:?}");
        }
    }
}
