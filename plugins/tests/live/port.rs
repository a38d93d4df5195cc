//! The bridge port of a container: opened once, as the last step, and without an address of its own.

use crate::stage::{Namespace, Stage, can_run};
use serde_json::Value;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn config(stage: &Stage) -> Value {
    stage.config(
        r#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "isGateway": true,
            "ipam": {"type": "host-local", "dataDir": "$dir", "ranges": [[{"subnet": "10.1.0.0/24"}]]}}"#,
    )
}

fn host_end(result: &Value) -> &str {
    result["interfaces"][1]["name"].as_str().unwrap()
}

/// Returns the states of a port that the host's notifications report during `act`, without repetitions.
fn states_during(host: &Namespace, act: impl FnOnce() -> String) -> Vec<String> {
    let mut monitor =
        host.run(|| Command::new("bridge").args(["monitor", "link"]).stdout(Stdio::piped()).spawn().unwrap());
    // Only a received notification shows that the listener works.
    let heard = Duration::from_millis(300);
    std::thread::sleep(heard);
    let port = act();
    std::thread::sleep(heard);
    monitor.kill().unwrap();
    let mut told = String::new();
    monitor.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    monitor.wait().unwrap();
    let state = |line: &str| line.split_once(" state ")?.1.split_whitespace().next().map(str::to_owned);
    let mut states: Vec<String> =
        told.lines().filter(|line| line.contains(&port)).filter_map(state).collect();
    states.dedup();
    states
}

/// Each time, the kernel walks through all ports of the bridge.
#[test]
fn a_bridge_port_is_opened_once() {
    if !can_run() {
        return;
    }
    let (stage, first, second) = (Stage::new(), Namespace::new(), Namespace::new());
    let config = config(&stage);
    stage.add(&config, "c1", &first);
    let states = states_during(&stage.host, || host_end(&stage.add(&config, "c2", &second)).to_owned());
    assert_eq!(states, ["disabled", "forwarding"]);
}

/// The Go plugins wait until the host end is up, not until the bridge forwards, which takes 30 s here.
#[test]
fn a_bridge_with_spanning_tree_does_not_delay_a_container() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    stage.host.ip("link add br0 type bridge stp_state 1");
    stage.host.ip("link set br0 up");
    let begin = Instant::now();
    let result = stage.add(&config(&stage), "c1", &container);
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    let port = stage.host.ip(&format!("-d link show {}", host_end(&result)));
    assert!(port.contains("state listening") && port.contains("state UP"), "{port}");
}

/// The address would be of no use, and the kernel walks through its routes whenever another port comes or goes.
#[test]
fn a_bridge_port_has_no_link_local_address() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let result = stage.add(&config(&stage), "c1", &container);
    let port = host_end(&result);
    assert_eq!(stage.host.ip(&format!("-6 addr show dev {port}")), "");
    assert!(!stage.host.ip(&format!("-6 route show table all dev {port}")).contains("fe80::"));
    assert!(
        container.ip("-6 addr show dev eth0").contains("fe80::"),
        "the container's end has its own address"
    );
}
