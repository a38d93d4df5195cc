//! Options that engines give: each is known, in every spelling they use.

use tests::{Host, skip_for};

#[test]
fn global_options_of_engines_are_known() {
    let host = Host::new();
    for options in
        [["--rootless", "false"].as_slice(), &["--rootless=auto"], &["--debug"], &["--log-format=text"]]
    {
        skip_for!(Crun, "it knows no --rootless");
        let _ = host.runtime().run(&[options, &["list"]].concat()).ok();
    }
}

#[test]
fn options_of_create_that_engines_give_are_known() {
    let host = Host::new();
    for option in ["--no-new-keyring", "--no-pivot"] {
        let mut container = host.container(host.config(&["sleep", "60"]));
        let _ = container.create_with(&[option]).ok();
        container.start();
        assert_eq!(container.status(), "running", "{option}");
    }
}

#[test]
fn an_option_takes_its_value_after_a_blank_or_an_equals_sign() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    let bundle = format!("--bundle={}", container.bundle().to_string_lossy());
    let file = format!("--pid-file={}", host.files().join("pid").to_string_lossy());
    let _ = host.runtime().run(&["create", &bundle, &file, container.id()]).ok();
    assert_eq!(container.status(), "created");
    assert_eq!(std::fs::read_to_string(host.files().join("pid")).unwrap(), container.pid().to_string());
    let _ = container.force_delete().ok();
}

#[test]
fn short_options_are_those_of_runc() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    let bundle = container.bundle().to_string_lossy().into_owned();
    let _ = host.runtime().run(&["run", "-d", "-b", &bundle, container.id()]).ok();
    assert_eq!(container.status(), "running");
    let _ = host.runtime().run(&["list", "-f", "json"]).ok().json();
    let _ = container.verb(&["delete", "-f"]).ok();
    container.deleted_already();
}

#[test]
fn help_names_every_verb_and_each_verb_has_its_own() {
    let host = Host::new();
    let help = host.runtime().bare().args(["--help"]).run().ok().out;
    for verb in ["create", "start", "state", "kill", "delete", "run", "list", "spec"] {
        assert!(help.contains(verb), "{verb}: {help}");
        let own = host.runtime().bare().args([verb, "--help"]).run().ok().out;
        assert!(own.contains(verb), "{own}");
    }
}

#[test]
fn the_keyring_is_the_containers_own_unless_asked_otherwise() {
    let host = Host::new();
    skip_for!(Crun, "its name is another");
    let mut container = host.container(host.config(&["cat", "/proc/keys"]).remove("/linux/maskedPaths"));
    if !std::path::Path::new("/proc/keys").exists() {
        tests::skip!("this kernel has no keys");
    }
    let output = container.run().ok();
    assert!(output.out.contains("_ses"), "{output:#?}");
}
