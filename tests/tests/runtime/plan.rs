//! `plan`: every step of `create`, printed without root and without touching anything. Ours alone has it.

use tare_bundle::example::EXAMPLES;
use tests::{Host, Kind, Snapshot, built, under_test};

macro_rules! ours_only {
    () => {
        if under_test() != Kind::Tare {
            return tests::skip::note_peer("any peer", "no other runtime prints its plan");
        }
    };
}

/// The plan of the example, as text or as JSON.
fn plan(host: &Host, example: &str, format: &str) -> String {
    let directory = host.files().join(example);
    let known = EXAMPLES.iter().find(|one| one.name == example).unwrap();
    known.make(&directory, &built().join("tare-payload")).unwrap();
    host.runtime().bare().args(["plan", "--format", format, &directory.to_string_lossy()]).run().ok().out
}

#[test]
fn every_example_has_a_plan_of_two_columns() {
    ours_only!();
    let host = Host::new();
    for example in EXAMPLES {
        let text = plan(&host, example.name, "text");
        assert!(text.contains("parent") && text.contains("init"), "{}: {text}", example.name);
        assert!(text.lines().count() > 40, "{}: {text}", example.name);
    }
}

#[test]
fn a_step_names_the_place_it_comes_from() {
    ours_only!();
    let host = Host::new();
    let text = plan(&host, "limits", "text");
    for (step, place) in [("pids.max", "linux.resources.pids.limit"), ("proc at /proc", "mounts[0]")] {
        let line =
            text.lines().find(|line| line.contains(step)).unwrap_or_else(|| panic!("no {step}: {text}"));
        assert!(line.contains(place), "{line}");
    }
}

#[test]
fn the_plan_is_json_when_asked() {
    ours_only!();
    let host = Host::new();
    let value: serde_json::Value = serde_json::from_str(&plan(&host, "page", "json")).unwrap();
    assert!(value.is_object(), "{value}");
}

#[test]
fn the_same_bundle_has_the_same_plan() {
    ours_only!();
    let host = Host::new();
    let first = plan(&host, "users", "text");
    let bundle = host.files().join("users").to_string_lossy().into_owned();
    assert_eq!(host.runtime().bare().args(["plan", &bundle]).run().ok().out, first);
}

#[test]
fn planning_needs_no_root_and_touches_nothing() {
    ours_only!();
    let host = Host::new();
    let _ = plan(&host, "page", "text");
    let bundle = host.files().join("page").to_string_lossy().into_owned();
    let before = Snapshot::take(host.marker());
    let program = host.runtime().program().to_string_lossy().into_owned();
    let _ = host.tool(&[
        "setpriv",
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        &program,
        "plan",
        &bundle,
    ]);
    assert!(before.leaks(host.marker()).is_empty());
}

#[test]
fn a_mistake_in_the_configuration_is_reported_with_its_place() {
    ours_only!();
    let host = Host::new();
    let container = host.container(host.config(&["true"]).set("/linux/resources/pids/limit", "many"));
    let bundle = container.bundle().to_string_lossy().into_owned();
    let _ = host.runtime().bare().args(["plan", &bundle]).run().fails().says(&["linux.resources.pids.limit"]);
}
