//! Plugins that are killed, or whose system calls fail, at any point. `DEL` cleans up after a kill, and a failing `ADD`
//! leaves nothing even without `DEL`.

use crate::iptables::hosts;
use crate::stage::{Call, Namespace, Stage, can_run, skip, with_result};
use serde_json::{Value, json};
use std::path::Path;

/// The system calls that change something, or open something to change.
const CALLS: &str =
    "sendto,linkat,unlinkat,renameat,write,pwrite64,openat,mkdir,flock,setns,socket,setsockopt,clone3,vfork";

fn can_inject() -> bool {
    let has = Path::new("/usr/bin/strace").exists();
    if !has {
        skip("strace is not installed, by which plugins are killed at each system call");
    }
    can_run() && has
}

/// A system call and its number among the calls of the same name.
type Point = (String, usize);

fn strace(what: &str, (name, number): &Point) -> Vec<String> {
    let inject = format!("inject={name}:{what}:when={number}");
    ["strace", "-qq", "-o", "/dev/null", "-e", &inject].map(str::to_owned).to_vec()
}

/// Returns the system calls of an undisturbed plugin in order.
fn points(stage: &Stage, call: &Call<'_>) -> Vec<Point> {
    let log = stage.directory.join("calls");
    let trace = format!("trace={CALLS}");
    let words = ["strace", "-qq", "-o", log.to_str().unwrap(), "-e", &trace].map(str::to_owned);
    assert!(call.wrapped(&words).status.success());
    let text = std::fs::read_to_string(&log).unwrap();
    let mut seen: Vec<Point> = Vec::new();
    for name in text.lines().filter_map(|line| line.split_once('(')).map(|(name, _)| name.to_owned()) {
        let number = seen.iter().filter(|(other, _)| *other == name).count() + 1;
        seen.push((name, number));
    }
    assert!(seen.len() > 8, "only {seen:?} were counted: is the list still right?");
    seen
}

fn config(stage: &Stage) -> Value {
    stage.config(
        r#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0",
            "isDefaultGateway": true, "ipMasq": true, "ipMasqBackend": "nftables", "hairpinMode": true,
            "ipam": {"type": "host-local", "dataDir": "$dir",
                     "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]}}"#,
    )
}

/// The state before: links, addresses, routes and rules of the namespaces, and no lease.
struct Clean<'a> {
    stage: &'a Stage,
    container: &'a Namespace,
    before: (String, String),
}

impl<'a> Clean<'a> {
    fn of(stage: &'a Stage, container: &'a Namespace) -> Self {
        Clean { stage, container, before: (stage.host.state(), container.state()) }
    }

    fn assert(&self, when: &str) {
        assert_eq!((self.stage.host.state(), self.container.state()), self.before, "{when}");
        assert_eq!(self.stage.leases("net"), Vec::<String>::new(), "{when}");
    }
}

/// Kills the call at each of its system calls; runs `after` after each kill.
fn kill_everywhere(stage: &Stage, call: &Call<'_>, mut after: impl FnMut(&str)) {
    let points = points(stage, call);
    after("after it got through");
    for point in points {
        let output = call.wrapped(&strace("signal=KILL", &point));
        let (name, number) = &point;
        let happened = if output.status.success() { "was not reached" } else { "killed" };
        after(&format!("{happened} at {name} number {number}"));
    }
}

#[test]
fn del_cleans_up_after_a_killed_add_of_bridge() {
    if !can_inject() {
        return;
    }
    for netns in ["with its namespace", "without its namespace"] {
        let (stage, container) = (Stage::new(), Namespace::new());
        let config = config(&stage);
        stage.add(&config, "c1", &container);
        stage.del(&config, "c1", &container);
        let clean = Clean::of(&stage, &container);
        let path = if netns.starts_with("without") { String::new() } else { container.path() };
        kill_everywhere(&stage, &stage.call("ADD", &config).netns(&container), |when| {
            stage.call("DEL", &config).netns_path(&path).succeed();
            clean.assert(&format!("{when}, DEL {netns}"));
        });
    }
}

#[test]
fn a_killed_del_of_bridge_is_finished_by_the_next() {
    if !can_inject() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let config = config(&stage);
    stage.add(&config, "c1", &container);
    stage.del(&config, "c1", &container);
    let clean = Clean::of(&stage, &container);
    stage.add(&config, "c1", &container);
    kill_everywhere(&stage, &stage.call("DEL", &config).netns(&container), |when| {
        stage.call("DEL", &config).netns_path("").succeed();
        clean.assert(when);
        stage.add(&config, "c1", &container);
    });
}

#[test]
fn del_cleans_up_after_a_killed_portmap() {
    if !can_inject() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let bridge = config(&stage);
    let attached = stage.add(&bridge, "c1", &container);
    let mappings = json!([{"hostPort": 8080, "containerPort": 80}, {"hostPort": 53, "containerPort": 53, "protocol": "udp"}]);
    let bare = json!({"cniVersion": "1.0.0", "name": "net", "type": "portmap", "backend": "nftables",
        "runtimeConfig": {"portMappings": mappings}});
    let before = stage.host.state();
    // With conditions there are a chain and rules in addition to the elements.
    for conditions in [json!([]), json!(["ip saddr { 192.0.2.0/24, 198.51.100.7 }"])] {
        let mut config = with_result(&bare, &attached);
        config["conditionsV4"] = conditions;
        kill_everywhere(&stage, &stage.call("ADD", &config).netns(&container), |when| {
            stage.call("DEL", &bare).netns_path("").succeed();
            assert_eq!(stage.host.state(), before, "{when}");
        });
        stage.add(&config, "c1", &container);
        kill_everywhere(&stage, &stage.call("DEL", &config).netns(&container), |when| {
            stage.call("DEL", &bare).netns_path("").succeed();
            assert_eq!(stage.host.state(), before, "{when}");
            stage.add(&config, "c1", &container);
        });
        stage.del(&bare, "c1", &container);
    }
}

#[test]
fn an_add_with_any_failing_call_undoes_itself() {
    if !can_inject() {
        return;
    }
    for errno in ["EPERM", "ENOMEM"] {
        let (stage, container) = (Stage::new(), Namespace::new());
        let config = config(&stage);
        stage.add(&config, "c1", &container);
        stage.del(&config, "c1", &container);
        let clean = Clean::of(&stage, &container);
        let call = stage.call("ADD", &config).netns(&container);
        let points = points(&stage, &call);
        stage.del(&config, "c1", &container);
        for point in points {
            let output = call.wrapped(&strace(&format!("error={errno}"), &point));
            let when = format!("{errno} at {point:?}: {}", String::from_utf8_lossy(&output.stdout));
            if output.status.success() {
                // Some failures are harmless, but the result must be complete.
                let result: Value = serde_json::from_slice(&output.stdout).unwrap();
                stage.call("CHECK", &with_result(&config, &result)).netns(&container).succeed();
                stage.del(&config, "c1", &container);
            } else if output.stdout.is_empty() {
                // If writing the answer fails, only the exit code reports it.
                stage.del(&config, "c1", &container);
            } else {
                let error: Value = serde_json::from_slice(&output.stdout).unwrap();
                assert!(error["msg"].is_string() && output.status.code() == Some(1), "{when}");
            }
            clean.assert(&when);
        }
    }
}

#[test]
fn del_moves_the_device_back_after_a_killed_add() {
    if !can_inject() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    stage.host.ip("link add nic0 type veth peer name other");
    let config = stage.config(
        r#"{"cniVersion": "1.0.0", "name": "net", "type": "host-device", "device": "nic0",
            "ipam": {"type": "host-local", "dataDir": "$dir", "subnet": "10.1.0.0/24"}}"#,
    );
    let clean = Clean::of(&stage, &container);
    kill_everywhere(&stage, &stage.call("ADD", &config).netns(&container), |when| {
        // Only a caller that passes the namespace can have the device moved back. The lease is released without it.
        stage.call("DEL", &config).netns_path("").succeed();
        assert_eq!(stage.leases("net"), Vec::<String>::new(), "{when}");
        stage.call("DEL", &config).netns(&container).succeed();
        clean.assert(when);
    });
    stage.add(&config, "c1", &container);
    kill_everywhere(&stage, &stage.call("DEL", &config).netns(&container), |when| {
        stage.call("DEL", &config).netns(&container).succeed();
        clean.assert(when);
        stage.add(&config, "c1", &container);
    });
}

#[test]
fn del_cleans_up_after_a_killed_iptables_backend() {
    if !can_inject() {
        return;
    }
    for it in hosts() {
        let mappings = json!([{"hostPort": 8080, "containerPort": 80}, {"hostPort": 53, "containerPort": 53, "protocol": "udp"}]);
        let ports = it.ports(mappings);
        it.call("ADD", &ports).container("c1").succeed();
        it.call("DEL", &ports).container("c1").succeed();
        it.call("DEL", &it.bridge).container("c1").succeed();
        let bare = it.state();
        for (config, before_it) in [(&it.bridge, None), (&ports, Some(&it.bridge))] {
            if let Some(first) = before_it {
                it.call("ADD", first).container("c1").succeed();
            }
            let before = it.state();
            // Values that the caller no longer passes must not matter.
            let mut forgotten = config.clone();
            forgotten.as_object_mut().unwrap().remove("prevResult");
            forgotten.as_object_mut().unwrap().remove("runtimeConfig");
            let del = || it.call("DEL", &forgotten).container("c1").netns_path("").succeed();
            kill_everywhere(&it.stage, &it.call("ADD", config).container("c1"), |when| {
                del();
                assert_eq!(it.state(), before, "ADD {when}");
            });
            it.call("ADD", config).container("c1").succeed();
            kill_everywhere(&it.stage, &it.call("DEL", config).container("c1"), |when| {
                del();
                assert_eq!(it.state(), before, "DEL {when}");
                it.call("ADD", config).container("c1").succeed();
            });
            del();
        }
        it.call("DEL", &it.bridge).container("c1").succeed();
        assert_eq!(it.state(), bare);
    }
}

#[test]
fn gc_cleans_up_after_a_killed_add() {
    if !can_inject() {
        return;
    }
    for backend in ["nftables", "iptables"] {
        let (stage, first) = (Stage::new(), Namespace::new());
        let mut bridge = config(&stage);
        bridge["cniVersion"] = json!("1.1.0");
        bridge["ipMasqBackend"] = json!(backend);
        let result = stage.add(&bridge, "c1", &first);
        let mappings = json!([{"hostPort": 8080, "containerPort": 80}]);
        let ports = json!({"cniVersion": "1.1.0", "name": "net", "type": "portmap", "backend": backend,
            "runtimeConfig": {"portMappings": mappings}, "prevResult": result});
        stage.add(&ports, "c1", &first);
        stage.del(&ports, "c1", &first);
        stage.del(&bridge, "c1", &first);
        let before = stage.host.state();
        let clean = |when: &str| {
            for config in [&ports, &bridge] {
                let mut gc = config.clone();
                gc["cni.dev/valid-attachments"] = json!([]);
                gc.as_object_mut().unwrap().remove("prevResult");
                stage.call("GC", &gc).succeed();
            }
            // The kernel removes the interfaces of a namespace asynchronously.
            let begun = std::time::Instant::now();
            while stage.host.state() != before && begun.elapsed() < std::time::Duration::from_secs(3) {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            assert_eq!(stage.host.state(), before, "{when}");
            assert_eq!(stage.leases("net"), Vec::<String>::new(), "{when}");
        };
        for config in [&bridge, &ports] {
            let container = Namespace::new();
            let points = points(&stage, &stage.call("ADD", config).netns(&container));
            drop(container);
            clean("after it got through");
            for point in points {
                let container = Namespace::new();
                stage.call("ADD", config).netns(&container).wrapped(&strace("signal=KILL", &point));
                drop(container);
                clean(&format!("{backend}, killed at {point:?}"));
            }
        }
    }
}
