//! All mistakes of a config.json at once, for `tare check`.
//!
//! A property of the wrong form leaves its object without a value, and then the checks of what the values
//! mean together have nothing to work on. So this module removes such properties from the document, reads the
//! rest again, and checks it.

use serde_json::Value;

use super::{Loaded, Mistake, Spec, check, decode};

/// How often a document is read again before it is given up.
const ROUNDS: usize = 8;

/// The messages about a config.json.
#[derive(Debug, Default)]
pub struct Examined {
    /// The mistakes: those of form in the order of the document, then those of meaning.
    pub mistakes: Vec<Mistake>,
    /// The warnings.
    pub warnings: Vec<Mistake>,
    /// The configuration without its invalid properties; `None` where too little is left.
    pub spec: Option<Spec>,
}

impl Examined {
    /// Adds mistakes. Skips those at a place in or around which there is a mistake already, as they may
    /// follow from that.
    pub fn add(&mut self, mistakes: Vec<Mistake>) {
        let known: Vec<String> = self.mistakes.iter().map(|mistake| mistake.place.clone()).collect();
        let follows_from_another =
            |place: &str| known.iter().any(|known| is_within(place, known) || is_within(known, place));
        self.mistakes.extend(mistakes.into_iter().filter(|mistake| !follows_from_another(&mistake.place)));
    }
}

/// Finds all mistakes of form and of meaning.
pub fn examine(bytes: &[u8]) -> Examined {
    let (spec, report) = decode::document::<Spec>(bytes);
    let mut examined = Examined { mistakes: report.mistakes, warnings: report.warnings, spec };
    if examined.spec.is_none() {
        read_valid_part(bytes, &mut examined);
    }
    if let Some(spec) = &examined.spec {
        let loaded = Loaded { spec: spec.clone(), warnings: Vec::new() };
        match check::check(loaded) {
            Ok(checked) => examined.warnings.extend_from_slice(checked.warnings()),
            Err(mistakes) => examined.add(mistakes),
        }
    }
    examined
}

/// Reads the document without its invalid properties.
fn read_valid_part(bytes: &[u8], examined: &mut Examined) {
    let Ok(mut document) = serde_json::from_slice::<Value>(bytes) else { return };
    // Many checks depend on the namespaces. Without them, valid properties would be reported.
    if examined.mistakes.iter().any(|mistake| is_within(&mistake.place, "linux.namespaces")) {
        return;
    }
    let mut invalid: Vec<String> = examined.mistakes.iter().map(|mistake| mistake.place.clone()).collect();
    for _ in 0..ROUNDS {
        if !invalid.iter().all(|place| remove_place(&mut document, &steps(place))) {
            return;
        }
        let (spec, report) = decode::document::<Spec>(document.to_string().as_bytes());
        if spec.is_some() {
            examined.spec = spec;
            return;
        }
        invalid = report.mistakes.into_iter().map(|mistake| mistake.place).collect();
    }
}

/// One step of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// Parses a place as mistakes print it: `mounts[2].options[1]`, `linux.sysctl["net.core.somaxconn"]`.
fn steps(place: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = place;
    while !rest.is_empty() {
        let (step, after) = match rest.strip_prefix('[') {
            Some(inner) => bracketed(inner),
            None => {
                let plain = rest.strip_prefix('.').unwrap_or(rest);
                let end = plain.find(['.', '[']).unwrap_or(plain.len());
                let (key, after) = plain.split_at(end);
                (Step::Key(key.to_owned()), after)
            }
        };
        steps.push(step);
        rest = after;
    }
    steps
}

/// Parses an index or a quoted key, and returns the rest of the place. `inner` starts after the opening
/// bracket.
fn bracketed(inner: &str) -> (Step, &str) {
    let quoted = serde_json::Deserializer::from_str(inner).into_iter::<String>().next();
    if let Some(Ok(key)) = quoted {
        // Places escape keys as Rust does, which is the same as in JSON for all but a few characters. A key
        // with one of those is not found, and then the document is not read again.
        let end = inner.find("\"]").map_or(inner.len(), |end| end + 2);
        return (Step::Key(key), inner.get(end..).unwrap_or_default());
    }
    let (index, after) = inner.split_once(']').unwrap_or((inner, ""));
    (Step::Index(index.parse().unwrap_or(usize::MAX)), after)
}

/// Removes the innermost property of a place from the document. If that property is missing, which is the
/// mistake then, removes the object around it. An item of an array is removed with the whole array, since the
/// places of later items would change.
///
/// Returns whether anything was removed.
fn remove_place(document: &mut Value, steps: &[Step]) -> bool {
    let Some(last) = steps.iter().rposition(|step| matches!(step, Step::Key(_))) else { return false };
    let (outer, rest) = steps.split_at(last);
    let Some(Step::Key(key)) = rest.first() else { return false };
    let removed = outer.iter().try_fold(&mut *document, step_into).and_then(|at| remove(at, key));
    removed.is_some() || remove_place(document, outer)
}

fn step_into<'document>(at: &'document mut Value, step: &Step) -> Option<&'document mut Value> {
    match step {
        Step::Index(index) => at.get_mut(*index),
        Step::Key(key) => {
            at.as_object_mut()?.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, at)| at)
        }
    }
}

fn remove(at: &mut Value, key: &str) -> Option<Value> {
    let object = at.as_object_mut()?;
    let name = object.keys().find(|name| name.eq_ignore_ascii_case(key))?.clone();
    object.remove(&name)
}

/// Whether a place is the same as another one or within it.
fn is_within(place: &str, outer: &str) -> bool {
    let rest = place.strip_prefix(outer);
    !outer.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_parsed_as_they_print() {
        let key = |key: &str| Step::Key(key.to_owned());
        assert_eq!(
            steps("mounts[2].options[1]"),
            [key("mounts"), Step::Index(2), key("options"), Step::Index(1)]
        );
        assert_eq!(steps(r#"linux.sysctl["net.core.x"]"#), [key("linux"), key("sysctl"), key("net.core.x")]);
    }

    #[test]
    fn mistakes_of_form_do_not_hide_mistakes_of_meaning() {
        let config = br#"{"ociVersion": "1.3.0", "root": {"path": 5}, "hostname": "x",
            "process": {"cwd": "tmp", "args": ["sh"], "env": [1], "rlimit": []},
            "mounts": [{"type": "tmpfs"}]}"#;
        let examined = examine(config);
        let places: Vec<_> = examined.mistakes.iter().map(|mistake| mistake.place.as_str()).collect();
        assert_eq!(
            places,
            ["root.path", "process.env[0]", "mounts[0].destination", "process.cwd", "hostname"]
        );
        assert!(examined.warnings.iter().any(|warning| warning.place == "process.rlimit"));
    }

    #[test]
    fn a_document_without_an_object_has_one_mistake() {
        for text in ["[]", "", "{\"a\": "] {
            let examined = examine(text.as_bytes());
            assert_eq!(examined.mistakes.len(), 1, "{text}");
            assert!(examined.spec.is_none());
        }
    }
}
