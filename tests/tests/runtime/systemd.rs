//! Containers whose cgroups systemd makes, with a stand-in for it: what is asked of it, and what becomes of the container when it
//! refuses, fails, or is killed with. `tests/vm.sh` does the same with systemd itself.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tests::{Call, Container, Host, Output, Running, Runtime, built, eventually, skip_for};

/// The stand-in, on a host of its own.
struct Stub {
    _process: Running,
    notes: PathBuf,
    runtime: Runtime,
    slice: String,
}

impl Stub {
    fn start(host: &Host) -> Self {
        Self::failing(host, "")
    }

    fn failing(host: &Host, how: &str) -> Self {
        let (socket, notes) = (host.files().join("bus"), host.files().join("notes"));
        let program = built().join("systemd-stub");
        let call = Call::new(program, host.files()).args([&socket]).with(|command| {
            command.env("STUB_NOTES", &notes).env("STUB_FAILS", how).env("TARE_TEST", host.marker());
        });
        let process = call.spawn();
        eventually("the bus is there", || socket.exists());
        let address = format!("unix:path={}", socket.display());
        let runtime =
            host.runtime().clone().option("--systemd-cgroup").variable("DBUS_SYSTEM_BUS_ADDRESS", &address);
        Self { _process: process, notes, runtime, slice: format!("{}.slice", host.marker()) }
    }

    fn container(&self, host: &Host, resources: Value) -> Container {
        self.named(host, &host.id(), resources)
    }

    /// A container whose unit has this name.
    fn named(&self, host: &Host, name: &str, resources: Value) -> Container {
        let path = format!("{}:t:{name}", self.slice);
        let config = host.config(&["sleep", "60"]).cgroup(&path).set("/linux/resources", resources);
        host.container(config).by(self.runtime.clone())
    }

    /// The calls that came, but for those that every connection begins with.
    fn calls(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.notes).unwrap_or_default();
        let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let plain = ["Hello", "AddMatch", "Subscribe", "Get"];
        all.filter(|call| !plain.iter().any(|name| call["member"] == *name)).collect()
    }

    fn members(&self) -> Vec<String> {
        self.calls().iter().map(|call| call["member"].as_str().unwrap().to_owned()).collect()
    }

    /// A property of the unit that was asked for last.
    fn property(&self, name: &str) -> Value {
        let call = self.calls().into_iter().rfind(|call| call["arguments"][2].is_array()).unwrap();
        let list = call["arguments"][2].as_array().unwrap();
        list.iter().find(|pair| pair[0] == name).map_or(Value::Null, |pair| pair[1].clone())
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        // The slice stays, as systemd's would for a while.
        for directory in hierarchies() {
            let _ = std::fs::remove_dir(directory.join(&self.slice));
        }
    }
}

/// The mounts of all hierarchies, or of the only one.
fn hierarchies() -> Vec<PathBuf> {
    let top = Path::new("/sys/fs/cgroup");
    let all = std::fs::read_dir(top).unwrap().flatten().map(|entry| entry.path());
    all.filter(|path| path.join("cgroup.procs").exists() && !tests::hierarchies::only_v2())
        .chain([top.into()])
        .collect()
}

/// The directory of the container's unit in a hierarchy.
fn directory(stub: &Stub, container: &Container, controller: &str) -> PathBuf {
    let path: String = std::fs::read_to_string(format!("/proc/{}/cgroup", container.pid())).unwrap();
    let line = path
        .lines()
        .find(|line| line.contains(&format!(":{controller}:")) || line.starts_with("0::"))
        .unwrap();
    assert!(line.contains(&format!("{}/t-", stub.slice)), "{path}");
    let top = Path::new("/sys/fs/cgroup");
    let top = if tests::hierarchies::only_v2() { top.into() } else { top.join(controller) };
    top.join(line.rsplit(':').next().unwrap().trim_start_matches('/'))
}

fn fails(output: Output, words: &[&str]) {
    let _ = output.fails().says(words);
}

#[test]
fn a_container_is_a_scope_from_create_to_delete() {
    skip_for!(Runc, "it looks for systemd by other means");
    skip_for!(Crun, "it looks for systemd by other means");
    let host = Host::new();
    let stub = Stub::start(&host);
    let mut container =
        stub.container(&host, json!({"pids": {"limit": 17}, "memory": {"limit": 67_108_864}}));
    container.create();
    let pid = container.pid();
    assert_eq!(stub.property("PIDs"), json!([pid]));
    assert_eq!((stub.property("Slice"), stub.property("Delegate")), (json!(stub.slice), json!(true)));
    assert_eq!((stub.property("TasksMax"), stub.property("DefaultDependencies")), (json!(17), json!(false)));
    let group = directory(&stub, &container, "pids");
    assert_eq!(std::fs::read_to_string(group.join("pids.max")).unwrap().trim(), "17");
    // Every hierarchy, systemd's and the others: init is in the same place.
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let place = group.file_name().unwrap().to_string_lossy().into_owned();
    for line in text.lines().filter(|line| tests::hierarchies::only_v2() || !line.starts_with("0::")) {
        assert!(line.ends_with(&place), "{line}");
    }
    container.start();
    container.becomes("running");
    // The container's own view of it is the top.
    let said = container.exec(&[], &["/bin/payload", "cat", "/proc/self/cgroup"]).ok().out;
    assert!(said.lines().any(|line| line.ends_with(":/")) && !said.contains("t-"), "{said}");
    let _ = container.kill("KILL").ok();
    container.becomes("stopped");
    let _ = container.delete().ok();
    assert_eq!(stub.members(), ["StartTransientUnit", "StopUnit", "ResetFailedUnit"]);
    assert!(!group.exists());
}

#[test]
fn limits_are_sent_to_systemd_and_written_and_so_are_others() {
    skip_for!(Runc, "it looks for systemd by other means");
    skip_for!(Crun, "it looks for systemd by other means");
    let host = Host::new();
    let stub = Stub::start(&host);
    let container = stub.container(
        &host,
        json!({"memory": {"limit": 67_108_864}, "cpu": {"quota": 20_000, "period": 100_000}}),
    );
    let mut container = container;
    container.create();
    assert_eq!(stub.property("CPUQuotaPerSecUSec"), json!(200_000));
    let group = directory(&stub, &container, "pids");
    let _ = container.verb(&["update", "--pids-limit", "9", "--cpu-quota", "30000"]).ok();
    assert_eq!(stub.members(), ["StartTransientUnit", "SetUnitProperties"]);
    assert_eq!((stub.property("TasksMax"), stub.property("CPUQuotaPerSecUSec")), (json!(9), json!(300_000)));
    assert_eq!(std::fs::read_to_string(group.join("pids.max")).unwrap().trim(), "9");
    assert_eq!(stub.calls()[1]["arguments"][1], true, "until the unit is gone");
}

#[test]
fn a_change_that_systemd_refuses_changes_nothing() {
    skip_for!(Runc, "it looks for systemd by other means");
    skip_for!(Crun, "it looks for systemd by other means");
    let host = Host::new();
    let stub = Stub::failing(&host, "change");
    let mut container = stub.container(&host, json!({"pids": {"limit": 17}}));
    container.create();
    fails(container.verb(&["update", "--pids-limit", "9"]), &["cannot change the unit", "PropertyReadOnly"]);
    let group = directory(&stub, &container, "pids");
    assert_eq!(std::fs::read_to_string(group.join("pids.max")).unwrap().trim(), "17");
}

#[test]
fn annotations_are_properties() {
    skip_for!(Runc, "it looks for systemd by other means");
    skip_for!(Crun, "it looks for systemd by other means");
    let host = Host::new();
    let stub = Stub::start(&host);
    let config = host
        .config(&["sleep", "60"])
        .cgroup(&format!("{}:t:{}", stub.slice, host.id()))
        .annotation("org.systemd.property.TimeoutStopUSec", "uint64 123456789")
        .annotation("org.systemd.property.CollectMode", "'inactive-or-failed'")
        .annotation("org.systemd.property.After", "['a.service', 'b.service']");
    let mut container = host.container(config).by(stub.runtime.clone());
    container.create();
    assert_eq!(stub.property("TimeoutStopUSec"), json!(123_456_789));
    assert_eq!(stub.property("CollectMode"), json!("inactive-or-failed"));
    assert_eq!(stub.property("After"), json!(["a.service", "b.service"]));
}

#[test]
fn a_refusal_of_systemd_is_reported_and_nothing_is_left() {
    skip_for!(Runc, "it looks for systemd by other means");
    skip_for!(Crun, "it looks for systemd by other means");
    for (how, words) in [
        ("exists", ["cannot start the unit t-", "systemd says UnitExists"]),
        ("denied", ["cannot start the unit t-", "systemd says AccessDenied"]),
        ("job", ["cannot start the unit t-", "systemd's job ended as failed"]),
        ("hangup", ["cannot start the unit t-", "systemd's bus"]),
    ] {
        let host = Host::new();
        let stub = Stub::failing(&host, how);
        let mut container = stub.container(&host, json!({"pids": {"limit": 5}}));
        fails(container.create_with(&[]), &words);
        container.deleted_already();
        drop(stub);
        host.is_clean();
    }
}

#[test]
fn the_memory_of_a_failed_unit_is_no_obstacle() {
    skip_for!(Runc, "it looks for systemd by other means");
    skip_for!(Crun, "it looks for systemd by other means");
    let host = Host::new();
    let stub = Stub::failing(&host, "stale");
    let mut container = stub.container(&host, json!({}));
    container.create();
    assert_eq!(stub.members(), ["StartTransientUnit", "ResetFailedUnit", "StartTransientUnit"]);
}

#[test]
fn killed_while_systemd_is_at_work_create_leaves_what_delete_removes() {
    skip_for!(Runc, "it looks for systemd by other means");
    skip_for!(Crun, "it looks for systemd by other means");
    let host = Host::new();
    let stub = Stub::failing(&host, "slow");
    let mut container = stub.container(&host, json!({}));
    let bundle = container.bundle().to_string_lossy().into_owned();
    let mut running = stub.runtime.call(&["create", "--bundle", &bundle, container.id()]).spawn();
    eventually("systemd is asked", || stub.members().contains(&"StartTransientUnit".to_owned()));
    nix::sys::signal::kill(running.pid(), nix::sys::signal::Signal::SIGKILL).unwrap();
    let _ = running.wait();
    let _ = container.force_delete().ok();
    assert!(stub.members().contains(&"StopUnit".to_owned()));
}

/// Has asked systemd as often for a unit.
fn asked(stub: &Stub, times: usize) {
    eventually("systemd is asked", || {
        stub.members().iter().filter(|member| *member == "StartTransientUnit").count() == times
    });
}

#[test]
fn killed_while_it_asks_for_a_foreign_unit_create_leaves_that_alone() {
    skip_for!(Runc, "it looks for systemd by other means");
    skip_for!(Crun, "it looks for systemd by other means");
    let host = Host::new();
    let stub = Stub::failing(&host, "slow");
    let (mut first, mut second) =
        (stub.named(&host, "shared", json!({})), stub.named(&host, "shared", json!({})));
    first.create();
    first.start();
    let bundle = second.bundle().to_string_lossy().into_owned();
    let mut running = stub.runtime.call(&["create", "--bundle", &bundle, second.id()]).spawn();
    asked(&stub, 2);
    nix::sys::signal::kill(running.pid(), nix::sys::signal::Signal::SIGKILL).unwrap();
    let _ = running.wait();
    let _ = second.force_delete().ok();
    assert!(!stub.members().contains(&"StopUnit".to_owned()), "{:?}", stub.members());
    assert_eq!(first.status(), "running");
    let _ = first.force_delete().ok();
}

#[test]
fn a_restore_that_fails_leaves_a_foreign_unit_alone() {
    skip_for!(Runc, "it looks for systemd by other means");
    skip_for!(Crun, "it looks for systemd by other means");
    let host = Host::new();
    let stub = Stub::start(&host);
    let (mut first, mut second) =
        (stub.named(&host, "shared", json!({})), stub.named(&host, "shared", json!({})));
    first.create();
    first.start();
    let bundle = second.bundle().to_string_lossy().into_owned();
    let images = host.files().to_string_lossy().into_owned();
    let criu = built().join("criu-stub").to_string_lossy().into_owned();
    for (criu, words) in [
        ("/no/such", ["/no/such", "no such file or directory"]),
        (criu.as_str(), ["cannot start the unit t-shared.scope", "systemd says UnitExists"]),
    ] {
        let call = ["--criu", criu, "restore", "--bundle", &bundle, "--image-path", &images, second.id()];
        fails(stub.runtime.run(&call), &words);
        assert!(!stub.members().contains(&"StopUnit".to_owned()), "{criu}: {:?}", stub.members());
        assert_eq!(first.status(), "running");
    }
    second.deleted_already();
    let _ = first.force_delete().ok();
}

#[test]
fn without_systemd_the_error_says_so() {
    skip_for!(Runc, "it looks for systemd by other means");
    skip_for!(Crun, "it looks for systemd by other means");
    let host = Host::new();
    let nobody = host.runtime().clone().variable("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/none");
    let config = host.config(&["true"]).cgroup(&format!(":t:{}", host.id()));
    let container = host.container(config).by(nobody.option("--systemd-cgroup"));
    let mut container = container;
    fails(
        container.create_with(&[]),
        &["no systemd can be reached at unix:path=/run/none", "no such file or directory"],
    );
    container.deleted_already();
}

#[test]
fn a_container_outlives_its_systemd_and_can_be_deleted() {
    skip_for!(Runc, "it looks for systemd by other means");
    skip_for!(Crun, "it looks for systemd by other means");
    let host = Host::new();
    let stub = Stub::start(&host);
    let mut container = stub.container(&host, json!({}));
    container.create();
    container.start();
    let gone = stub.runtime.clone().variable("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/none");
    container = container.by(gone);
    let output = container.force_delete().ok();
    assert!(output.err.contains("cannot stop the unit"), "{output:?}");
}

#[test]
fn a_path_of_the_kernels_is_none_of_systemds() {
    skip_for!(Runc, "it looks for systemd by other means");
    skip_for!(Crun, "it looks for systemd by other means");
    let host = Host::new();
    let stub = Stub::start(&host);
    let mut container = host.container(host.config(&["true"]).cgroup("/a/b")).by(stub.runtime.clone());
    fails(container.create_with(&[]), &["slice:prefix:name", "linux.cgroupsPath"]);
    container.deleted_already();
    assert!(stub.members().is_empty());
}
