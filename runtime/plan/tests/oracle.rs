//! oci-spec as an oracle: a configuration that it parses means the same to it and to us.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on should stop")]

use std::path::PathBuf;

use oci_spec::runtime::Spec;
use tare_plan::spec;

#[test]
fn a_sample_means_the_same_to_oci_spec() {
    let samples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let mut compared = 0;
    for path in std::fs::read_dir(samples).unwrap().map(|entry| entry.unwrap().path()) {
        if path.to_string_lossy().contains("-process-") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let theirs: Spec = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let theirs = spec::load(&serde_json::to_vec(&theirs).unwrap()).unwrap().spec;
        assert_eq!(theirs, spec::load(&bytes).unwrap().spec, "{path:?}");
        compared += 1;
    }
    assert!(compared > 5, "only {compared} samples");
}
