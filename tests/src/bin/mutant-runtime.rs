//! A runtime with a fault of choice: takes one part out of the bundle's config.json, then executes the real runtime,
//! which `MUTATED` names. `make test-mutants` runs tests with it: a test about the part must fail.
//!
//! `MUTANT` names the part: a JSON pointer; `POINTER[KEY=VALUE]` for the elements of an array with that value;
//! `POINTER[VALUE]` for equal elements; `POINTER=JSON` puts a value in its place. The part is taken out at every place that
//! fits: `*` stands for each element of an array.
#![allow(clippy::print_stderr, reason = "it has no other place for an error")]

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde_json::Value;

/// What is done at the end of the pointer.
#[derive(Clone, Debug, PartialEq)]
enum Change {
    Remove,
    /// Removes the elements of an array in which this key has this value; without a key, those that are the value.
    RemoveElements(Option<String>, String),
    Set(Value),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let part = std::env::var("MUTANT").unwrap_or_default();
    if let Some(bundle) = bundle(&arguments)
        && let Err(error) = mutate(&bundle.join("config.json"), &part)
    {
        eprintln!("mutant: {}: {error}", bundle.display());
        return ExitCode::FAILURE;
    }
    let runtime = std::env::var("MUTATED").unwrap_or_default();
    eprintln!("mutant: {runtime}: {}", Command::new(&runtime).args(arguments).exec());
    ExitCode::FAILURE
}

/// The bundle of a `create` or a `run`; its default is the working directory.
fn bundle(arguments: &[String]) -> Option<PathBuf> {
    arguments.iter().find(|word| matches!(word.as_str(), "create" | "run"))?;
    let after = |name: &str| {
        let at = arguments.iter().position(|word| word == name)?;
        arguments.get(at + 1).cloned()
    };
    let equals = || arguments.iter().find_map(|word| word.strip_prefix("--bundle=").map(str::to_owned));
    let named = after("--bundle").or_else(|| after("-b")).or_else(equals);
    Some(named.unwrap_or_else(|| ".".to_owned()).into())
}

/// Takes the part out of a file. A file that is missing or no JSON is left to the runtime.
fn mutate(file: &Path, part: &str) -> std::io::Result<()> {
    let Ok(text) = std::fs::read_to_string(file) else { return Ok(()) };
    let Ok(mut config) = serde_json::from_str(&text) else { return Ok(()) };
    let (pointer, change) = parse(part);
    let keys: Vec<&str> = pointer.split('/').skip(1).collect();
    apply(&mut config, &keys, &change);
    std::fs::write(file, config.to_string())
}

fn parse(part: &str) -> (&str, Change) {
    let selector = part.strip_suffix(']').and_then(|part| part.split_once('['));
    // The array in POINTER=[] is a value.
    if let Some((pointer, element)) = selector.filter(|(pointer, _)| !pointer.contains('=')) {
        let (key, value) = match element.split_once('=') {
            Some((key, value)) => (Some(key.to_owned()), value),
            None => (None, element),
        };
        return (pointer, Change::RemoveElements(key, value.to_owned()));
    }
    match part.split_once('=') {
        Some((pointer, json)) => (pointer, Change::Set(serde_json::from_str(json).unwrap_or_default())),
        None => (part, Change::Remove),
    }
}

fn apply(value: &mut Value, keys: &[&str], change: &Change) {
    match keys {
        [] => change_here(value, change),
        [key] if *change == Change::Remove => {
            value.as_object_mut().map(|object| object.remove(*key));
        }
        ["*", rest @ ..] => {
            for element in value.as_array_mut().into_iter().flatten() {
                apply(element, rest, change);
            }
        }
        [key, rest @ ..] => {
            if let Some(inner) = value.get_mut(*key) {
                apply(inner, rest, change);
            }
        }
    }
}

fn change_here(value: &mut Value, change: &Change) {
    match change {
        Change::Remove => {}
        Change::Set(new) => *value = new.clone(),
        Change::RemoveElements(key, wanted) => {
            let is = |value: &Value| value.as_str() == Some(wanted);
            let fits = |element: &Value| match key {
                Some(key) => element.get(key).is_some_and(is),
                None => is(element),
            };
            if let Some(elements) = value.as_array_mut() {
                elements.retain(|element| !fits(element));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn mutated(part: &str) -> Value {
        let mut config = json!({
            "hooks": {"prestart": []},
            "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}]},
            "mounts": [{"options": ["ro", "rslave"], "type": "bind"}, {"type": "tmpfs"}],
        });
        let (pointer, change) = parse(part);
        apply(&mut config, &pointer.split('/').skip(1).collect::<Vec<_>>(), &change);
        config
    }

    #[test]
    fn a_pointer_removes_a_value() {
        assert_eq!(mutated("/hooks").get("hooks"), None);
        assert_eq!(mutated("/hooks/prestart")["hooks"], json!({}));
    }

    #[test]
    fn a_selector_removes_elements() {
        assert_eq!(mutated("/linux/namespaces[type=pid]")["linux"]["namespaces"], json!([{"type": "mount"}]));
        assert_eq!(mutated("/mounts/*/options[rslave]")["mounts"][0]["options"], json!(["ro"]));
    }

    #[test]
    fn an_equals_sign_sets_a_value_that_is_there() {
        assert_eq!(mutated("/hooks=null")["hooks"], Value::Null);
        assert_eq!(mutated("/mounts=[]")["mounts"], json!([]));
        assert_eq!(mutated("/process/terminal=false"), mutated("/none"));
    }

    #[test]
    fn each_element_loses_its_part() {
        assert_eq!(mutated("/mounts/*/type")["mounts"], json!([{"options": ["ro", "rslave"]}, {}]));
    }
}
