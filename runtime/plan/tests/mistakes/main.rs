//! Every kind of mistake, with its message and its place. Each test changes one property of a configuration
//! without mistakes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on should stop")]

mod boundaries;
mod container;
mod every_field;
mod form;
mod namespaces;
mod schema;

use serde_json::{Value, json};
use tare_plan::spec;

pub(crate) fn base() -> Value {
    json!({
        "ociVersion": "1.3.0",
        "process": { "user": { "uid": 0, "gid": 0 }, "args": ["sh"], "cwd": "/" },
        "root": { "path": "rootfs" },
        "linux": { "namespaces": [{ "type": "mount" }, { "type": "uts" }, { "type": "ipc" }, { "type": "network" }] },
    })
}

/// Sets the value at a JSON pointer and creates the objects on the way. `null` means absent.
pub(crate) fn put(document: &mut Value, pointer: &str, value: Value) {
    let mut at = document;
    for key in pointer.split('/').skip(1) {
        at = match at {
            Value::Array(items) => items.get_mut(key.parse::<usize>().unwrap()).unwrap(),
            object => &mut object[key],
        };
    }
    *at = value;
}

/// Reads and checks a document. Returns the mistakes.
pub(crate) fn mistakes(document: &[u8]) -> Vec<String> {
    let all = spec::load(document).and_then(spec::check);
    all.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

pub(crate) fn changed(pointer: &str, value: Value) -> Vec<u8> {
    let mut document = base();
    put(&mut document, pointer, value);
    document.to_string().into_bytes()
}

/// Asserts that a change gives one mistake with this message.
#[track_caller]
pub(crate) fn refused(pointer: &str, value: Value, words: &str) {
    assert_eq!(mistakes(&changed(pointer, value)), [words], "{pointer}");
}

#[track_caller]
pub(crate) fn accepted(pointer: &str, value: Value) {
    assert_eq!(mistakes(&changed(pointer, value)), [""; 0], "{pointer}");
}
