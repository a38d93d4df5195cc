//! The verb check: all mistakes of a configuration at once, and nothing done.

use serde_json::json;
use tests::{Host, skip_for};

#[test]
fn every_mistake_is_reported_at_once_with_its_place() {
    skip_for!(Runc, "it has no such verb");
    skip_for!(Crun, "it has no such verb");
    let host = Host::new();
    let config = host
        .config(&["true"])
        .set("/process/cwd", "tmp")
        .set("/process/rlimit", json!([]))
        .set("/linux/resources", json!({"pids": {"limit": "many"}}))
        .bind("/etc", "/etc", &["nosuch"]);
    let container = host.container(config);
    let bundle = container.bundle().to_string_lossy().into_owned();
    let output = host.runtime().run(&["check", "--format", "json", &bundle]);
    assert_eq!(output.code, 1, "{output:#?}");
    let found = output.json();
    let places = |list: &str| -> Vec<String> {
        let list = found[list].as_array().unwrap().iter();
        list.map(|mistake| mistake["place"].as_str().unwrap().to_owned()).collect()
    };
    for place in ["process.cwd", "linux.resources.pids.limit", "mounts[7].options[1]"] {
        assert_eq!(
            places("mistakes").iter().filter(|known| *known == place).count(),
            1,
            "{place}: {found:#}"
        );
    }
    assert_eq!(places("warnings"), ["process.rlimit"]);
    let text = host.runtime().run(&["check", &bundle]);
    assert!(text.out.contains("mistake: linux.resources.pids.limit: ") && text.code == 1, "{text:#?}");
}

#[test]
fn a_configuration_without_a_mistake_passes_in_silence() {
    skip_for!(Runc, "it has no such verb");
    skip_for!(Crun, "it has no such verb");
    let host = Host::new();
    let container = host.container(host.config(&["true"]));
    let bundle = container.bundle().to_string_lossy().into_owned();
    let output = host.runtime().run(&["check", "--bundle", &bundle]).ok();
    assert_eq!((output.out.as_str(), output.err.as_str()), ("", ""));
}
