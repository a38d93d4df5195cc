//! The namespaces and their mappings, by config-linux.md.

use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tare_bundle::config::Config;

use crate::bed::Bed;
use crate::check::{Check, lacking};
use crate::command::Command;
use crate::runtime::process::refuses;
use crate::runtime::stage::{Stage, at, is};

/// Each kind by the specification's word and by the kernel's.
const KINDS: &[(&str, &str)] = &[
    ("pid", "pid"),
    ("network", "net"),
    ("mount", "mnt"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("user", "user"),
    ("cgroup", "cgroup"),
    ("time", "time"),
];

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "namespace-type-is-required",
        place: "config-linux.md#namespaces",
        sentence: "`type` (string, REQUIRED) - namespace type.",
        run: |bed| refuses(bed, "/linux/namespaces/-", json!({"path": "/proc/1/ns/net"})),
    },
    Check {
        name: "namespace-types-are-supported",
        place: "config-linux.md#namespaces",
        sentence: "The following namespace types SHOULD be supported.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            for (kind, file) in KINDS {
                is_new(&stage, kind, file).with_context(|| (*kind).to_owned())?;
            }
            Ok(())
        },
    },
    Check {
        name: "namespace-path-is-absolute",
        place: "config-linux.md#namespaces",
        sentence: "This value MUST be an absolute path in the runtime mount namespace.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            stage.refuses_config(stage.config(&["true"])?.join("ipc", "proc/1/ns/ipc"))
        },
    },
    Check {
        name: "namespace-by-path-is-joined",
        place: "config-linux.md#namespaces",
        sentence: "The runtime MUST place the container process in the namespace associated with that `path`.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mut owner = stage.container(stage.config(&["sleep", "60"])?)?;
            owner.create()?;
            let pid = owner.pid()?;
            for (kind, file) in
                [("network", "net"), ("ipc", "ipc"), ("uts", "uts"), ("pid", "pid"), ("cgroup", "cgroup")]
            {
                let path = format!("/proc/{pid}/ns/{file}");
                let report = stage.report(stage.config(&[])?.join(kind, &path), &[])?;
                is(&report, &format!("/namespaces/{file}"), std::fs::metadata(&path)?.ino())?;
            }
            Ok(())
        },
    },
    Check {
        name: "namespace-path-of-another-type",
        place: "config-linux.md#namespaces",
        sentence: "The runtime MUST generate an error if `path` is not associated with a namespace of type `type`.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            for (kind, other) in [
                ("network", "ipc"),
                ("ipc", "uts"),
                ("uts", "net"),
                ("pid", "net"),
                ("mount", "ipc"),
                ("cgroup", "uts"),
            ] {
                let config = stage.config(&["true"])?.join(kind, &format!("/proc/self/ns/{other}"));
                stage.refuses_config(config).with_context(|| format!("{kind} by a path of {other}"))?;
            }
            Ok(())
        },
    },
    Check {
        name: "namespace-without-path-is-new",
        place: "config-linux.md#namespaces",
        sentence: "If `path` is not specified, the runtime MUST create a new container namespace of type `type`.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            for (kind, file) in KINDS.iter().filter(|(kind, _)| !["user", "time"].contains(kind)) {
                is_new(&stage, kind, file).with_context(|| (*kind).to_owned())?;
            }
            Ok(())
        },
    },
    Check {
        name: "namespace-that-is-not-listed",
        place: "config-linux.md#namespaces",
        sentence: "If a namespace type is not specified in the `namespaces` array, the container MUST inherit the runtime namespace of that type.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            for (kind, file) in
                [("pid", "pid"), ("network", "net"), ("ipc", "ipc"), ("uts", "uts"), ("cgroup", "cgroup")]
            {
                let report = stage.report(shared(stage.config(&[])?, kind), &[])?;
                let own = std::fs::metadata(format!("/proc/self/ns/{file}"))?.ino();
                is(&report, &format!("/namespaces/{file}"), own)?;
            }
            Ok(())
        },
    },
    Check {
        name: "namespaces-are-not-repeated",
        place: "config-linux.md#namespaces",
        sentence: "If a `namespaces` field contains duplicated namespaces with same `type`, the runtime MUST generate an error.",
        run: |bed| refuses(bed, "/linux/namespaces/-", json!({"type": "pid"})),
    },
    Check {
        name: "mapping-container-id-is-required",
        place: "config-linux.md#user-namespace-mappings",
        sentence: "`containerID` (uint32, REQUIRED) - is the starting uid/gid in the container.",
        run: |bed| mapped(bed, "/containerID"),
    },
    Check {
        name: "mapping-host-id-is-required",
        place: "config-linux.md#user-namespace-mappings",
        sentence: "`hostID` (uint32, REQUIRED) - is the starting uid/gid on the host to be mapped to *containerID*.",
        run: |bed| mapped(bed, "/hostID"),
    },
    Check {
        name: "mapping-size-is-required",
        place: "config-linux.md#user-namespace-mappings",
        sentence: "`size` (uint32, REQUIRED) - is the number of ids to be mapped.",
        run: |bed| mapped(bed, "/size"),
    },
    Check {
        name: "mapping-leaves-owners-alone",
        place: "config-linux.md#user-namespace-mappings",
        sentence: "The runtime SHOULD NOT modify the ownership of referenced filesystems to realize the mapping.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mut container =
                stage.container(stage.config(&["sleep", "60"])?.map_users(100_000, 65_536))?;
            container.create()?;
            let owner = std::fs::metadata(container.rootfs().join("etc/passwd"))?.uid();
            ensure!(owner == 0, "the root file system belongs to {owner}");
            Ok(())
        },
    },
    Check {
        name: "net-devices-move-in",
        place: "config-linux.md#network-devices",
        sentence: "`netDevices` (object, OPTIONAL) - A set of network devices that MUST be made available in the container.",
        run: |bed| moves(bed, json!({}), |link| is(link, "/ifname", "move0")),
    },
    Check {
        name: "net-device-that-is-not-there",
        place: "config-linux.md#network-devices",
        sentence: "The runtime MUST check if moving the network interface to the container namespace is possible.",
        run: |bed| refuses(bed, "/linux/netDevices", json!({"nosuch0": {}})),
    },
    Check {
        name: "net-device-of-a-name-that-is-taken",
        place: "config-linux.md#network-devices",
        sentence: "If a network device with the specified name already exists in the container namespace, the runtime MUST generate an error, unless the user has provided a template by appending `%d` to the new name.",
        run: |bed| {
            ip(bed, &["link", "add", "move0", "type", "veth", "peer", "stays0"])?;
            refuses(bed, "/linux/netDevices", json!({"move0": {"name": "lo"}}))
        },
    },
    Check {
        name: "net-device-by-a-template",
        place: "config-linux.md#network-devices",
        sentence: "In that case, the runtime MUST allow the move, and the kernel will generate a unique name for the interface within the container's network namespace.",
        run: |bed| moves(bed, json!({"name": "pat%d"}), |link| is(link, "/ifname", "pat0")),
    },
    Check {
        name: "net-device-keeps-its-attributes",
        place: "config-linux.md#network-devices",
        sentence: "The runtime MUST preserve existing network interface attributes, including all permanent IP addresses of any family with global scope.",
        run: |bed| {
            moves(bed, json!({}), |link| {
                is(link, "/mtu", 1400)?;
                is(link, "/address", "02:00:00:00:00:07")?;
                let text = at(link, "/addr_info").to_string();
                ensure!(
                    text.contains("10.9.8.7") && text.contains("2001:db8::7"),
                    "its addresses are {text}"
                );
                Ok(())
            })
        },
    },
    Check {
        name: "net-device-is-up",
        place: "config-linux.md#network-devices",
        sentence: "The runtime MUST set the network device state to \"up\" after moving it to the network namespace.",
        run: |bed| {
            moves(bed, json!({}), |link| {
                let flags = at(link, "/flags");
                ensure!(
                    flags.as_array().is_some_and(|all| all.contains(&"UP".into())),
                    "its flags are {flags}"
                );
                Ok(())
            })
        },
    },
];

/// The configuration without a namespace of the kind, and without what cannot be had then.
fn shared(config: Config, kind: &str) -> Config {
    let config = config.share(kind);
    match kind {
        // Of sysfs and the message queues, whose mounts belong to those namespaces.
        "network" => config.remove("/mounts/5").remove("/mounts/5"),
        "ipc" => config.remove("/mounts/4"),
        _ => config,
    }
}

fn is_new(stage: &Stage, kind: &str, file: &str) -> Result<()> {
    if !std::path::Path::new("/proc/self/ns").join(file).exists() {
        return lacking(&format!("a kernel with {kind} namespaces"));
    }
    let config = stage.config(&[])?;
    let config = if kind == "user" { config.map_users(100_000, 65_536) } else { config.namespace(kind) };
    let report = stage.report(config, &[])?;
    let inside = at(&report, &format!("/namespaces/{file}"));
    let own = std::fs::metadata(format!("/proc/self/ns/{file}"))?.ino();
    ensure!(inside.as_u64().is_some_and(|inode| inode != own), "it is {inside}, and the runtime's is {own}");
    Ok(())
}

/// A user namespace's mappings are as given, and refused without the property.
fn mapped(bed: &Bed, property: &str) -> Result<()> {
    let stage = Stage::new(bed)?;
    let output = stage.runs(stage.config(&["cat", "/proc/self/uid_map"])?.map_users(100_000, 65_536))?;
    let numbers: Vec<_> = output.out.split_whitespace().collect();
    ensure!(numbers == ["0", "100000", "65536"], "the mapping is {numbers:?}");
    let config = stage.config(&["true"])?.map_users(100_000, 65_536);
    stage.refuses_config(config.remove(&format!("/linux/uidMappings/0{property}")))
}

fn ip(bed: &Bed, words: &[&str]) -> Result<()> {
    let call = Command::new("ip", bed.files()).args(words);
    call.run()?.succeeds().map(drop)
}

/// Moves a device with addresses into a container, and looks at it there.
fn moves(bed: &Bed, how: serde_json::Value, look: fn(&serde_json::Value) -> Result<()>) -> Result<()> {
    let (mtu, mac) = ("1400", "02:00:00:00:00:07");
    ip(bed, &["link", "add", "move0", "mtu", mtu, "address", mac, "type", "veth", "peer", "stays0"])?;
    ip(bed, &["address", "add", "10.9.8.7/24", "dev", "move0"])?;
    ip(bed, &["address", "add", "2001:db8::7/64", "dev", "move0"])?;
    let stage = Stage::new(bed)?;
    let mut container =
        stage.container(stage.config(&["sleep", "60"])?.set("/linux/netDevices/move0", how))?;
    container.create()?;
    let words = ["--net", "--target", &container.pid()?.to_string(), "ip", "-j", "address"];
    let all = Command::new("nsenter", bed.files()).args(words).run()?.succeeds()?.json()?;
    let link = all.as_array().into_iter().flatten().find(|link| *at(link, "/ifname") != "lo");
    look(link.context("no device but lo is inside")?)
}
