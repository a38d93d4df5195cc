//! The devices and who may use them, by config-linux.md.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::bed::Bed;
use crate::check::Check;
use crate::runtime::process::refuses;
use crate::runtime::stage::{Stage, at, is};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "devices-are-made",
        place: "config-linux.md#devices",
        sentence: "`devices` (array of objects, OPTIONAL) lists devices that MUST be available in the container.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let devices = json!([
                {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 1, "gid": 2},
                {"path": "/dev/loop9", "type": "b", "major": 7, "minor": 9, "fileMode": 0o600},
                {"path": "/tmp/pipe", "type": "p", "fileMode": 0o644},
            ]);
            let paths = ["/dev/fuse", "/dev/loop9", "/tmp/pipe"];
            let report = stage.report(stage.config(&[])?.set("/linux/devices", devices), &paths)?;
            for (path, kind, mode) in [
                ("~1dev~1fuse", "char", 0o640),
                ("~1dev~1loop9", "block", 0o600),
                ("~1tmp~1pipe", "fifo", 0o644),
            ] {
                is(&report, &format!("/paths/{path}/kind"), kind)?;
                is(&report, &format!("/paths/{path}/mode"), mode)?;
            }
            is(&report, "/paths/~1dev~1fuse/uid", 1)?;
            is(&report, "/paths/~1dev~1fuse/minor", 229)
        },
    },
    Check {
        name: "device-type-is-required",
        place: "config-linux.md#devices",
        sentence: "`type` (string, REQUIRED) - type of device: `c`, `b`, `u` or `p`.",
        run: |bed| {
            refuses(bed, "/linux/devices", json!([{"path": "/dev/x", "major": 1, "minor": 3}]))?;
            made(bed, "u")
        },
    },
    Check {
        name: "device-path-is-required",
        place: "config-linux.md#devices",
        sentence: "`path` (string, REQUIRED) - full path to device inside container.",
        run: |bed| refuses(bed, "/linux/devices", json!([{"type": "c", "major": 1, "minor": 3}])),
    },
    Check {
        name: "device-where-a-file-is",
        place: "config-linux.md#devices",
        sentence: "If a file already exists at `path` that does not match the requested device, the runtime MUST generate an error.",
        run: |bed| {
            refuses(
                bed,
                "/linux/devices",
                json!([{"path": "/etc/passwd", "type": "c", "major": 1, "minor": 3}]),
            )
        },
    },
    Check {
        name: "device-numbers-are-required",
        place: "config-linux.md#devices",
        sentence: "`major, minor` (int64, REQUIRED unless `type` is `p`) - major, minor numbers for the device.",
        run: |bed| {
            refuses(bed, "/linux/devices", json!([{"path": "/dev/x", "type": "c"}]))?;
            made(bed, "p")
        },
    },
    Check {
        name: "default-devices-are-there",
        place: "config-linux.md#default-devices",
        sentence: "In addition to any devices configured with this setting, the runtime MUST also supply `/dev/null`, `zero`, `full`, `random`, `urandom`, `tty` and `ptmx`.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let names = [("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)];
            let paths: Vec<String> = names
                .iter()
                .map(|(name, _)| *name)
                .chain(["tty", "ptmx"])
                .map(|name| format!("/dev/{name}"))
                .collect();
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            let report = stage.report(stage.config(&[])?, &paths)?;
            for (name, minor) in names {
                is(&report, &format!("/paths/~1dev~1{name}/major"), 1)?;
                is(&report, &format!("/paths/~1dev~1{name}/minor"), minor)?;
            }
            is(&report, "/paths/~1dev~1tty/major", 5)?;
            is(&report, "/paths/~1dev~1ptmx/kind", "char")
        },
    },
    Check {
        name: "device-rules-apply-in-order",
        place: "config-linux.md#allowed-device-list",
        sentence: "The runtime MUST apply entries in the listed order.",
        run: rules_apply_in_order,
    },
    Check {
        name: "device-rule-needs-allow",
        place: "config-linux.md#allowed-device-list",
        sentence: "`allow` (boolean, REQUIRED) - whether the entry is allowed or denied.",
        run: |bed| refuses(bed, "/linux/resources/devices", json!([{"access": "rwm"}])),
    },
];

fn made(bed: &Bed, kind: &str) -> Result<()> {
    let stage = Stage::new(bed)?;
    let mut device = json!({"path": "/dev/made", "type": kind});
    if let (true, Some(device)) = (kind != "p", device.as_object_mut()) {
        device.insert("major".into(), 1.into());
        device.insert("minor".into(), 3.into());
    }
    let report = stage.report(stage.config(&[])?.set("/linux/devices", json!([device])), &["/dev/made"])?;
    is(&report, "/paths/~1dev~1made/exists", true).with_context(|| format!("the type {kind}"))
}

fn rules_apply_in_order(bed: &Bed) -> Result<()> {
    let stage = Stage::new(bed)?;
    let rule = |allow: bool| json!({"allow": allow, "type": "c", "major": 10, "minor": 200, "access": "rw"});
    let device = json!([{"path": "/dev/tap", "type": "c", "major": 10, "minor": 200}]);
    let all = json!({"allow": false, "access": "rwm"});
    let seen = |rules: Vec<Value>| -> Result<Value> {
        let config = stage.config(&[])?.set("/linux/resources/devices", rules);
        let report = stage.report(config.set("/linux/devices", device.clone()), &["/dev/tap"])?;
        Ok(at(&report, "/paths/~1dev~1tap/read").clone())
    };
    let denied = seen(vec![all.clone(), rule(true), rule(false)])?;
    ensure!(denied == "EPERM", "what the last rule denies is {denied}");
    let allowed = seen(vec![all.clone(), rule(false), rule(true)])?;
    ensure!(allowed != "EPERM", "what the last rule allows is {allowed}");
    let denied = seen(vec![rule(true), all])?;
    ensure!(denied == "EPERM", "what the last rule denies with all is {denied}");
    Ok(())
}
