//! The log: where errors go, in the two formats that engines read.

use serde_json::Value;
use tests::Host;

/// Fails a `create` with the log options, and gives the log's text.
fn failing_create(host: &Host, options: &[&str]) -> String {
    let log = host.files().join("log");
    let file = log.to_string_lossy().into_owned();
    let id = host.id();
    let words = [&["--log", &file], options, &["create", "--bundle", "/nonexistent", &id]].concat();
    let _ = host.runtime().run(&words).fails();
    std::fs::read_to_string(log).unwrap()
}

#[test]
fn the_json_log_of_a_failing_command_is_exactly_one_object() {
    let host = Host::new();
    let text = failing_create(&host, &["--log-format", "json"]);
    let object: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
    assert_eq!(object["level"], "error");
    assert!(!object["msg"].as_str().unwrap().is_empty());
    let time = object["time"].as_str().unwrap();
    assert!(time.contains('T') && time.len() >= 20, "{time}");
}

#[test]
fn the_json_log_can_be_asked_for_with_an_equals_sign() {
    let host = Host::new();
    let text = failing_create(&host, &["--log-format=json"]);
    assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text:?}");
}

#[test]
fn the_text_log_names_the_level_and_the_message() {
    let host = Host::new();
    tests::skip_for!(Crun, "its text is another");
    let text = failing_create(&host, &["--log-format", "text"]);
    assert!(text.contains("level=error") && text.contains("msg="), "{text:?}");
}

#[test]
fn an_unknown_log_format_is_an_error() {
    let host = Host::new();
    let _ = host.runtime().run(&["--log-format", "xml", "list"]).fails();
}

#[test]
fn a_command_that_succeeds_logs_nothing() {
    let host = Host::new();
    let log = host.files().join("log");
    let _ = host.runtime().run(&["--log", &log.to_string_lossy(), "list"]).ok();
    assert_eq!(std::fs::read_to_string(log).unwrap_or_default(), "");
}

#[test]
fn debug_lines_go_to_the_log_file_only() {
    let host = Host::new();
    let log = host.files().join("log");
    let mut container = host.container(host.config(&["true"]));
    let bundle = container.bundle().to_string_lossy().into_owned();
    let words = [
        "--debug",
        "--log",
        &log.to_string_lossy(),
        "--log-format",
        "json",
        "run",
        "--bundle",
        &bundle,
        container.id(),
    ];
    let output = host.runtime().run(&words).ok();
    container.run().ok();
    assert_eq!(output.err, "");
    let text = std::fs::read_to_string(log).unwrap();
    assert!(!text.is_empty(), "no error is printed");
    for line in text.lines() {
        let object: Value = serde_json::from_str(line).unwrap();
        assert_eq!(object["level"], "debug");
    }
}

#[test]
fn debug_lines_go_to_standard_error_without_a_log() {
    let host = Host::new();
    tests::skip_for!(Crun, "its text is another");
    let mut container = host.container(host.config(&["true"]));
    let bundle = container.bundle().to_string_lossy().into_owned();
    let output = host.runtime().run(&["--debug", "run", "--bundle", &bundle, container.id()]).ok();
    assert!(output.err.contains("level=debug"), "{output:#?}");
    container.deleted_already();
}

#[test]
fn debug_lines_are_json_when_asked() {
    let host = Host::new();
    tests::skip_for!(Crun, "it logs nothing");
    let log = host.files().join("log");
    let mut container = host.container(host.config(&["true"]));
    let bundle = container.bundle().to_string_lossy().into_owned();
    let file = log.to_string_lossy().into_owned();
    let words =
        ["--debug", "--log", &file, "--log-format", "json", "run", "--bundle", &bundle, container.id()];
    let _ = host.runtime().run(&words).ok();
    let text = std::fs::read_to_string(log).unwrap();
    let levels: Vec<Value> =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["level"].clone()).collect();
    assert!(levels.contains(&"debug".into()), "{text}");
    container.deleted_already();
}

#[test]
fn a_log_that_cannot_be_written_is_an_error() {
    let host = Host::new();
    let _ = host.runtime().run(&["--log", "/nonexistent/log", "list"]).fails().says(&["/nonexistent/log"]);
}

#[test]
fn standard_error_says_the_error_too() {
    let host = Host::new();
    let log = host.files().join("log");
    let file = log.to_string_lossy().into_owned();
    let _ = host.runtime().run(&["--log", &file, "state", "none"]).fails().says(&["does not exist"]);
}

#[test]
fn warnings_are_printed_even_if_create_fails() {
    let host = Host::new();
    tests::skip_for!(Runc, "it warns while it creates, not before");
    tests::skip_for!(Crun, "it does not warn");
    let config = host
        .config(&[])
        .args(&["nope"])
        .set("/process/capabilities/bounding", serde_json::json!(["CAP_BOGUS"]));
    let container = host.container(config);
    let bundle = container.bundle().to_string_lossy().into_owned();
    let create = ["create", "--bundle", &bundle, container.id()];
    let output = host.runtime().run(&create).fails();
    let place = |text: &str| output.err.find(text).unwrap_or_else(|| panic!("no {text}: {output:?}"));
    assert!(place("level=warning") < place("level=error") && output.err.contains("CAP_BOGUS"), "{output:?}");
    let log = host.files().join("log");
    let file = log.to_string_lossy().into_owned();
    let output =
        host.runtime().run(&[["--log-format=json", "--log", &file].as_slice(), &create].concat()).fails();
    assert!(output.err.contains("CAP_BOGUS"), "{output:?}");
    assert_eq!(std::fs::read_to_string(log).unwrap().lines().count(), 1);
}

#[test]
fn a_bad_id_is_reported_before_a_missing_console_socket() {
    let host = Host::new();
    tests::skip_for!(Runc, "it looks at the terminal first");
    tests::skip_for!(Crun, "it looks at the terminal first");
    let container = host.container(host.config(&["true"]).set("/process/terminal", true));
    let bundle = container.bundle().to_string_lossy().into_owned();
    let _ =
        host.runtime().run(&["create", "--bundle", &bundle, "a/b"]).fails().says(&["invalid container ID"]);
}
