//! VLANs of `bridge`, on this kernel if it supports them, else in user-mode Linux, which boots the script.

use crate::stage::{Namespace, Stage, can_run, ours, skip, with};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

fn config(stage: &Stage) -> Value {
    stage.config(
        r#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "isGateway": true,
            "ipam": {"type": "host-local", "dataDir": "$dir", "subnet": "10.1.0.0/24"}}"#,
    )
}

/// Whether bridges of this kernel filter VLANs.
fn kernel_has_vlans() -> bool {
    let add = ["link", "add", "b", "type", "bridge", "vlan_filtering", "1"];
    Namespace::new().run(|| Command::new("ip").args(add).output().unwrap().status.success())
}

#[test]
fn containers_reach_only_their_vlan() {
    if !can_run() {
        return;
    }
    let _timed = test_report::Timed::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vlan.sh");
    let plugins = format!("PLUGINS={}", ours().display());
    let output = if kernel_has_vlans() {
        Command::new("unshare").args(["-n", "-m", "env", &plugins]).arg(script).output().unwrap()
    } else if Path::new("/usr/bin/linux.uml").exists() {
        let init = format!("init={}", script.display());
        let options =
            ["mem=256M", "rootfstype=hostfs", "rootflags=/", "ro", "con=null", "con0=null,fd:1", "quiet"];
        Command::new("timeout")
            .arg("120")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/uml.sh"))
            .args(options)
            .args([&init, &plugins])
            .output()
            .unwrap()
    } else {
        return skip("this kernel has no VLANs on bridges, and user-mode-linux is not installed");
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("VLANS WORK"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_kernel_without_bridge_vlans_is_an_error_and_nothing_is_left() {
    if !can_run() {
        return;
    }
    if kernel_has_vlans() {
        return skip("this kernel has VLANs on bridges; what it says without them can't be seen");
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let before = stage.host.state();
    for (key, value) in [("vlan", json!(100)), ("vlanTrunk", json!([{"id": 100}]))] {
        let config = with(&config(&stage), key, value);
        let (code, msg) = stage.call("ADD", &config).netns(&container).fail();
        assert_eq!(
            (code, msg.as_str()),
            (2, "cannot create bridge br0: this kernel has no VLANs on bridges")
        );
        assert_eq!((stage.host.state(), stage.leases("net")), (before.clone(), Vec::new()));
    }
}

#[test]
fn invalid_vlans_are_refused_before_anything_is_created() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let before = stage.host.state();
    for (key, value, msg) in [
        ("vlan", json!(5000), "invalid VLAN ID 5000 (must be between 0 and 4094)"),
        ("vlanTrunk", json!([{"minID": 0, "maxID": 5}]), "incorrect trunk minID parameter"),
        ("vlanTrunk", json!([{"id": 4095}]), "incorrect trunk id parameter"),
    ] {
        assert_eq!(
            stage.call("ADD", &with(&config(&stage), key, value)).netns(&container).fail(),
            (7, msg.into())
        );
    }
    let long = with(&with(&config(&stage), "vlan", json!(100)), "bridge", json!("a-long-bridge"));
    assert_eq!(
        stage.call("ADD", &long).netns(&container).fail(),
        (7, "vlan: interface name is too long".into())
    );
    assert_eq!((stage.host.state(), stage.leases("net")), (before, Vec::new()));
}
