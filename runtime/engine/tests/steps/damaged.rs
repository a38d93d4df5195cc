//! Damage: whatever became of a container's record, `state` says so and `delete --force` removes all.

use crate::stage::{Kind, Stage};
use std::path::PathBuf;
use tare_engine::delete::{Force, delete};
use tare_engine::state::state;

/// One length in so many is deleted with a live container; the others are only looked at.
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
        told_and_removed(&stage, &format!("{length} bytes of {}", whole.len()));
    }
}

pub(crate) fn missing() {
    let stage = Stage::new(Kind::Overlay);
    drop(stage.make(&stage.plan()).unwrap());
    std::fs::remove_file(record(&stage)).unwrap();
    told_and_removed(&stage, "no record");
}

pub(crate) fn garbage() {
    let stage = Stage::new(Kind::Overlay);
    let garbage: [&[u8]; 5] = [b"\0\0\0\0", b"{}", b"[]", b"{\"form\":99}", &[0xff; 5000]];
    for bytes in garbage {
        drop(stage.make(&stage.plan()).unwrap());
        std::fs::write(record(&stage), bytes).unwrap();
        told_and_removed(&stage, &format!("{bytes:.20?}"));
    }
}

pub(crate) fn empty_directory() {
    let stage = Stage::new(Kind::Plain);
    std::fs::create_dir(record(&stage).parent().unwrap()).unwrap();
    told_and_removed(&stage, "an empty directory");
}

/// `state` and `delete` refuse and say what helps, `create` says that the id is taken, `delete --force` frees it.
fn told_and_removed(stage: &Stage, when: &str) {
    is_reported(stage, when);
    let told = delete(&stage.store, &stage.id, Force::Stopped, &mut |_| {}).unwrap_err().to_string();
    assert!(told.contains("is missing or damaged"), "{when}: {told}");
    let taken = stage.make(&stage.plan()).map(drop).unwrap_err().to_string();
    assert!(taken.contains("already exists"), "{when}: {taken}");
    stage.delete();
    stage.is_clean(when);
}

fn is_reported(stage: &Stage, when: &str) {
    let told = state(&stage.store, &stage.id).unwrap_err().to_string();
    let words = format!("container does not exist: the record of \"{}\" is missing or damaged", stage.id);
    assert!(told.starts_with(&words) && told.contains("delete --force"), "{when}: {told}");
}
