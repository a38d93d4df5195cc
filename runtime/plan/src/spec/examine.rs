//! Everything that is wrong with a description at once, whatever else is wrong with it.
//!
//! A property of the wrong form leaves its description without a value, so that nothing of what the values mean together
//! could be looked at. Here such a property is taken out, and what is left is read and checked as well.

use serde_json::Value;

use super::{Loaded, Mistake, Spec, check, decode};

/// How often a description is read again without what was wrong before it is given up.
const ROUNDS: usize = 8;

/// All that was found about a description.
#[derive(Debug, Default)]
pub struct Examined {
    /// What is wrong, in the order of the document as far as it has one.
    pub mistakes: Vec<Mistake>,
    /// What is odd without being wrong.
    pub warnings: Vec<Mistake>,
    /// What it says where nothing is wrong with the form; `None` where too little is left.
    pub spec: Option<Spec>,
}

impl Examined {
    /// Adds mistakes, but for those at places in or around which something is known to be wrong already: they may follow from it.
    pub fn add(&mut self, mistakes: Vec<Mistake>) {
        let known: Vec<String> = self.mistakes.iter().map(|mistake| mistake.place.clone()).collect();
        let follows =
            |place: &str| known.iter().any(|known| is_within(place, known) || is_within(known, place));
        self.mistakes.extend(mistakes.into_iter().filter(|mistake| !follows(&mistake.place)));
    }
}

/// Finds every mistake of form and of meaning.
pub fn examine(bytes: &[u8]) -> Examined {
    let (spec, report) = decode::document::<Spec>(bytes);
    let mut examined = Examined { mistakes: report.mistakes, warnings: report.warnings, spec };
    if examined.spec.is_none() {
        read_the_rest(bytes, &mut examined);
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

/// Reads what is left when everything that is wrong is taken out.
fn read_the_rest(bytes: &[u8], examined: &mut Examined) {
    let Ok(mut document) = serde_json::from_slice::<Value>(bytes) else { return };
    // Too much of what the rest means depends on the namespaces: without them it would be called wrong for nothing.
    if examined.mistakes.iter().any(|mistake| is_within(&mistake.place, "linux.namespaces")) {
        return;
    }
    let mut wrong: Vec<String> = examined.mistakes.iter().map(|mistake| mistake.place.clone()).collect();
    for _ in 0..ROUNDS {
        if !wrong.iter().all(|place| take_out(&mut document, &steps(place))) {
            return;
        }
        let (spec, report) = decode::document::<Spec>(document.to_string().as_bytes());
        if spec.is_some() {
            examined.spec = spec;
            return;
        }
        wrong = report.mistakes.into_iter().map(|mistake| mistake.place).collect();
    }
}

/// One step of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// The steps of a place as mistakes write it: `mounts[2].options[1]`, `linux.sysctl["net.core.somaxconn"]`.
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

/// An index or a quoted key, after its opening bracket.
fn bracketed(inner: &str) -> (Step, &str) {
    let quoted = serde_json::Deserializer::from_str(inner).into_iter::<String>().next();
    if let Some(Ok(key)) = quoted {
        // The quotes of JSON and of these places are the same but for rare letters, at which the key is not found.
        let end = inner.find("\"]").map_or(inner.len(), |end| end + 2);
        return (Step::Key(key), inner.get(end..).unwrap_or_default());
    }
    let (index, after) = inner.split_once(']').unwrap_or((inner, ""));
    (Step::Index(index.parse().unwrap_or(usize::MAX)), after)
}

/// Takes the innermost property of a place out of the document; where there is none, the object that lacks it. Items of
/// arrays stay where they are, or the places of those after them would no longer be true: the whole array goes.
fn take_out(document: &mut Value, steps: &[Step]) -> bool {
    let Some(last) = steps.iter().rposition(|step| matches!(step, Step::Key(_))) else { return false };
    let (way, rest) = steps.split_at(last);
    let Some(Step::Key(key)) = rest.first() else { return false };
    let taken = way.iter().try_fold(&mut *document, step_into).and_then(|at| remove(at, key));
    taken.is_some() || take_out(document, way)
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

/// Whether a place is another one, or lies in it.
fn is_within(place: &str, outer: &str) -> bool {
    let rest = place.strip_prefix(outer);
    !outer.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
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
    fn a_document_that_is_no_object_has_one_mistake() {
        for text in ["[]", "", "{\"a\": "] {
            let examined = examine(text.as_bytes());
            assert_eq!(examined.mistakes.len(), 1, "{text}");
            assert!(examined.spec.is_none());
        }
    }
}
