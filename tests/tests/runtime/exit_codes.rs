//! Exit codes: `run` ends as its container does.

use nix::sys::signal::Signal;
use tests::{Host, eventually, skip_for};

#[test]
fn run_ends_with_the_containers_code() {
    let host = Host::new();
    for code in [0, 1, 42, 127, 255] {
        assert_eq!(host.run(host.config(&["fail", &code.to_string()])).code, code);
    }
}

#[test]
fn run_ends_with_128_and_the_signal_that_killed_the_container() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    let mut running = container.spawn_with(&[]);
    eventually("the container runs", || {
        container.verb(&["state"]).code == 0 && container.status() == "running"
    });
    let _ = container.kill("KILL").ok();
    assert_eq!(running.wait().code, 137);
}

#[test]
fn run_ends_with_128_and_the_signal_of_a_crash() {
    let host = Host::new();
    // Process 1 of a pid namespace of its own would survive a signal from within.
    for (signal, code) in [("SEGV", 139), ("TERM", 143), ("HUP", 129)] {
        assert_eq!(host.run(host.config(&["die", signal]).share("pid")).code, code, "{signal}");
    }
}

#[test]
fn run_passes_signals_on_to_the_container() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    let mut running = container.spawn_with(&[]);
    eventually("the container runs", || {
        container.verb(&["state"]).code == 0 && container.status() == "running"
    });
    // Signals before the program has set itself up end nothing: process 1 ignores what it has no handler for.
    std::thread::sleep(std::time::Duration::from_millis(200));
    running.signal(Signal::SIGTERM);
    assert_eq!(running.wait().code, 143);
}

#[test]
fn a_missing_program_is_an_error_that_engines_know() {
    let host = Host::new();
    let output = host.run(host.config(&[]).args(&["no-such-program"])).fails();
    assert!(output.err.contains("executable file not found in $PATH"), "{output:#?}");
    let output = host.run(host.config(&[]).args(&["/no/such/program"])).fails();
    assert!(output.err.contains("no such file or directory"), "{output:#?}");
}

#[test]
fn a_program_that_may_not_be_run_is_an_error_that_engines_know() {
    let host = Host::new();
    skip_for!(Crun, "it writes the words with capitals");
    let output = host.run(host.config(&[]).args(&["/etc/passwd"])).fails();
    assert!(output.err.contains("permission denied"), "{output:#?}");
}

#[test]
fn errors_of_the_runtime_itself_end_with_1() {
    let host = Host::new();
    let bundle = host.files().join("none");
    for verb in ["create", "run"] {
        let output = host.runtime().run(&[verb, "--bundle", &bundle.to_string_lossy(), &host.id()]).fails();
        assert_eq!(output.code, 1, "{output:#?}");
    }
    for verb in ["start", "state", "delete"] {
        let output = host.runtime().run(&[verb, &host.id()]).fails();
        assert_eq!(output.code, 1, "{output:#?}");
    }
}

#[test]
fn version_names_the_runtime_and_the_specification() {
    let host = Host::new();
    let output = host.runtime().bare().args(["--version"]).run().ok();
    let first = output.out.lines().next().unwrap();
    assert!(first.contains(" version "), "{first}");
    assert!(output.out.lines().any(|line| line.starts_with("spec: 1.")), "{}", output.out);
}

#[test]
fn an_unknown_verb_or_option_is_an_error() {
    let host = Host::new();
    let _ = host.runtime().run(&["create", "--no-such-option", "x"]).fails();
    skip_for!(Runc, "it prints help and ends with 3, on standard output");
    let _ = host.runtime().run(&["no-such-verb"]).fails();
}
