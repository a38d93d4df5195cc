//! Damaged records: `state` reports them, and `delete --force` removes the container.

use crate::stage::{Kind, Stage};
use std::path::PathBuf;
use tare_engine::delete::{Force, delete};
use tare_engine::state::state;

/// Every 64th length is tried with a live container. For the others only the error of `state` is checked.
const SAMPLE: usize = 64;

fn record(stage: &Stage) -> PathBuf {
    stage.host.runtime().root().join(&stage.id).join("record.json")
}

pub(crate) fn cut_at_any_length() {
    let stage = Stage::new(Kind::Plain);
    drop(stage.make(&stage.plan()).unwrap());
    let whole = std::fs::read(record(&stage)).unwrap();
    for length in 0..whole.len() {
        std::fs::write(record(&stage), &whole[..length]).unwrap();
        is_reported(&stage, &format!("{length} bytes of {}", whole.len()));
    }
    stage.delete();
    for length in (0..whole.len()).step_by(SAMPLE) {
        drop(stage.make(&stage.plan()).unwrap());
        std::fs::write(record(&stage), &whole[..length]).unwrap();
        reported_and_removed(&stage, &format!("{length} bytes of {}", whole.len()));
    }
}

pub(crate) fn missing() {
    let stage = Stage::new(Kind::Overlay);
    drop(stage.make(&stage.plan()).unwrap());
    std::fs::remove_file(record(&stage)).unwrap();
    reported_and_removed(&stage, "no record");
}

pub(crate) fn garbage() {
    let stage = Stage::new(Kind::Overlay);
    let garbage: [&[u8]; 5] = [b"\0\0\0\0", b"{}", b"[]", b"{\"form\":99}", &[0xff; 5000]];
    for bytes in garbage {
        drop(stage.make(&stage.plan()).unwrap());
        std::fs::write(record(&stage), bytes).unwrap();
        reported_and_removed(&stage, &format!("{bytes:.20?}"));
    }
}

pub(crate) fn empty_directory() {
    let stage = Stage::new(Kind::Plain);
    std::fs::create_dir(record(&stage).parent().unwrap()).unwrap();
    reported_and_removed(&stage, "an empty directory");
}

/// Checks that `state` and `delete` fail and name the remedy, that `create` finds the ID in use, and that `delete --force` frees it.
fn reported_and_removed(stage: &Stage, when: &str) {
    is_reported(stage, when);
    let error = delete(&stage.store, &stage.id, Force::Stopped, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("is missing or damaged"), "{when}: {error}");
    let taken = stage.make(&stage.plan()).map(drop).unwrap_err().to_string();
    assert!(taken.contains("already exists"), "{when}: {taken}");
    stage.delete();
    stage.is_clean(when);
}

fn is_reported(stage: &Stage, when: &str) {
    let error = state(&stage.store, &stage.id).unwrap_err().to_string();
    let words = format!("container does not exist: the record of \"{}\" is missing or damaged", stage.id);
    assert!(error.starts_with(&words) && error.contains("delete --force"), "{when}: {error}");
}
