//! What is read is what was written: every property of the specification survives being read and written again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on should stop")]

use std::path::PathBuf;

use serde_json::Value;
use tare_plan::spec;

/// A description that has every property of runtime-spec 1.3.0 for Linux, none with the value that absence stands for.
const EVERY_FIELD: &str = include_str!("every-field.json");

#[test]
fn every_property_survives() {
    let written: Value = serde_json::from_str(EVERY_FIELD).unwrap();
    let loaded = spec::load(EVERY_FIELD.as_bytes()).unwrap();
    assert_eq!(loaded.warnings, []);
    let mut again = serde_json::to_value(&loaded.spec).unwrap();
    // What says nothing is left out: an empty list is the same as none.
    *again.pointer_mut("/linux/personality").unwrap() = written["linux"]["personality"].clone();
    assert_eq!(again, written);
    assert!(spec::check(loaded).is_ok());
}

#[test]
fn what_is_read_again_is_the_same() {
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
