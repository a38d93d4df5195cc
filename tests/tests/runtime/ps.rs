//! ps: the processes of a container.

use serde_json::{Value, json};
use tests::{Container, Host};

fn running(host: &Host) -> Container {
    host.running(host.config(&["sleep", "60"]))
}

#[test]
fn pids_are_those_of_the_host() {
    let host = Host::new();
    let container = running(&host);
    let _ = container.exec(&["-d"], &["/bin/payload", "sleep", "60"]).ok();
    let pids = container.verb(&["ps", "--format", "json"]).ok().json();
    let pids: Vec<i64> = serde_json::from_value(pids).unwrap();
    assert_eq!(pids.len(), 2);
    assert!(pids.contains(&i64::from(container.pid())));
}

#[test]
fn those_of_cgroups_below_are_among_them() {
    let host = Host::new();
    let container = running(&host);
    let below: Vec<_> = ["pids", "unified"].iter().map(|name| container.cgroup(name).join("below")).collect();
    for directory in &below {
        std::fs::create_dir(directory).unwrap();
        std::fs::write(directory.join("cgroup.procs"), container.pid().to_string()).unwrap();
    }
    let pids = container.verb(&["ps", "-f", "json"]).ok().json();
    assert_eq!(pids, json!([container.pid()]));
}

#[test]
fn the_table_has_a_title_and_takes_the_options_of_ps() {
    let host = Host::new();
    let container = running(&host);
    let output = container.verb(&["ps"]).ok();
    let lines: Vec<&str> = output.out.lines().collect();
    assert_eq!(lines.len(), 2, "{output:?}");
    assert!(lines[0].contains("PID") && lines[1].contains("/bin/payload sleep 60"), "{output:?}");
    let short = host.runtime().run(&["ps", container.id(), "-e", "-o", "pid,comm"]).ok();
    assert_eq!(short.out.lines().count(), 2, "{short:?}");
    assert!(short.out.contains(&container.pid().to_string()), "{short:?}");
    let without = host.runtime().run(&["ps", container.id(), "-e", "-o", "comm"]).fails();
    let _ = without.says(&["PID field"]);
}

#[test]
fn a_stopped_container_has_none() {
    let host = Host::new();
    let container = running(&host);
    let _ = container.kill("KILL").ok();
    container.becomes("stopped");
    let pids: Value = container.verb(&["ps", "-f", "json"]).ok().json();
    assert_eq!(pids, Value::Null);
}

#[test]
fn no_path_is_needed() {
    let host = Host::new();
    let container = running(&host);
    let call = host.runtime().call(&["ps", container.id()]);
    let output = call
        .with(|command| {
            command.env_remove("PATH");
        })
        .run()
        .ok();
    assert!(output.out.contains("sleep 60"), "{output:?}");
}

#[test]
fn another_form_is_refused() {
    let host = Host::new();
    let container = running(&host);
    let _ = container.verb(&["ps", "--format", "yaml"]).fails().says(&["yaml"]);
}
