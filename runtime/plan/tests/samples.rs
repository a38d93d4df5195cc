//! Documents that containerd, Podman, Docker and Buildah wrote pass the checks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on should stop")]

use std::path::PathBuf;

/// The document that a sample is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Document {
    Config,
    Process,
}

fn samples(document: Document) -> Vec<(String, Vec<u8>)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let is_wanted =
        |path: &PathBuf| path.to_string_lossy().contains("-process-") == (document == Document::Process);
    let mut found: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(is_wanted)
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    found.sort();
    found
}

#[test]
fn every_config_passes_without_a_warning() {
    let configs = samples(Document::Config);
    assert_eq!(configs.len(), 33);
    for (name, bytes) in configs {
        let loaded = tare_plan::spec::load(&bytes).unwrap_or_else(|mistakes| panic!("{name}: {mistakes:?}"));
        assert_eq!(loaded.warnings, [], "{name}");
        let checked =
            tare_plan::spec::check(loaded).unwrap_or_else(|mistakes| panic!("{name}: {mistakes:?}"));
        assert_eq!(checked.warnings(), [], "{name}");
    }
}

#[test]
fn every_process_passes_without_a_warning() {
    let processes = samples(Document::Process);
    assert_eq!(processes.len(), 16);
    for (name, bytes) in processes {
        let loaded =
            tare_plan::spec::load_process(&bytes).unwrap_or_else(|mistakes| panic!("{name}: {mistakes:?}"));
        assert_eq!(loaded.warnings, [], "{name}");
        let checked =
            tare_plan::spec::check_process(loaded).unwrap_or_else(|mistakes| panic!("{name}: {mistakes:?}"));
        assert_eq!(checked.warnings(), [], "{name}");
    }
}
