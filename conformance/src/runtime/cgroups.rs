//! The cgroups and their limits, by config-linux.md.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use nix::mount::{MsFlags, mount};
use serde_json::json;
use tare_bundle::config::Config;

use crate::bed::Bed;
use crate::check::{Check, lacking};
use crate::runtime::process::refuses;
use crate::runtime::stage::{Container, Stage, is};

const TOP: &str = "/sys/fs/cgroup";

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "cgroups-path-is-absolute-or-relative",
        place: "config-linux.md#cgroups-path",
        sentence: "The value of `cgroupsPath` MUST be either an absolute path or a relative path.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            for path in [format!("/{}", stage.id()), format!("{}/inner", stage.id())] {
                let mut container = stage.container(stage.config(&["sleep", "60"])?.cgroup(&path))?;
                container.create()?;
                ensure!(
                    group_of(&container)?.ends_with(&path),
                    "{path}: its group is {}",
                    group_of(&container)?
                );
                container.start()?;
                container.removes()?;
            }
            Ok(())
        },
    },
    Check {
        name: "absolute-cgroups-path-is-below-the-mount",
        place: "config-linux.md#cgroups-path",
        sentence: "In the case of an absolute path (starting with `/`), the runtime MUST take the path to be relative to the cgroups mount point.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mut container = stage.container(stage.config(&["sleep", "60"])?.pids(20))?;
            container.create()?;
            let procs = std::fs::read_to_string(container.cgroup("pids").join("cgroup.procs"))?;
            ensure!(procs.trim() == container.pid()?.to_string(), "in it is {procs:?}");
            Ok(())
        },
    },
    Check {
        name: "cgroups-path-is-always-the-same-place",
        place: "config-linux.md#cgroups-path",
        sentence: "If the value is specified, the runtime MUST consistently attach to the same place in the cgroups hierarchy given the same value of `cgroupsPath`.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let path = format!("{}-rel/inner", stage.id());
            let mut places = Vec::new();
            for _ in 0..2 {
                let mut container = stage.container(stage.config(&["sleep", "60"])?.cgroup(&path))?;
                container.create()?;
                places.push(group_of(&container)?);
                container.start()?;
                container.removes()?;
            }
            ensure!(places.first() == places.last(), "it was in {places:?}");
            Ok(())
        },
    },
    Check {
        name: "cgroup-of-v1-keeps-its-owner",
        place: "config-linux.md#cgroup-ownership",
        sentence: "Runtimes SHOULD NOT change the ownership of container cgroups when cgroups v1 is in use.",
        run: |bed| {
            if is_v2() {
                return lacking("cgroups v1");
            }
            let stage = Stage::new(bed)?;
            let mut container = stage.container(delegated(stage.config(&["sleep", "60"])?))?;
            container.create()?;
            let owner = std::fs::metadata(container.cgroup("memory"))?.uid();
            ensure!(owner == 0, "it belongs to {owner}");
            Ok(())
        },
    },
    Check {
        name: "cgroup-keeps-its-owner-without-a-namespace",
        place: "config-linux.md#cgroup-ownership",
        sentence: "A runtime SHOULD NOT change the ownership of a container cgroup unless it will also create a new cgroup namespace for the container.",
        run: |bed| owner(bed, |config| delegated(config).share("cgroup"), 0),
    },
    Check {
        name: "cgroup-is-its-users-when-writable",
        place: "config-linux.md#cgroup-ownership",
        sentence: "Runtimes SHOULD change the cgroup ownership if and only if the cgroup filesystem is to be mounted read/write.",
        run: |bed| owner(bed, delegated, 100_000),
    },
    Check {
        name: "cgroup-keeps-its-owner-when-read-only",
        place: "config-linux.md#cgroup-ownership",
        sentence: "If the configuration does not specify such a mount, the runtime SHOULD NOT change the cgroup ownership.",
        run: |bed| owner(bed, |config| config.map_users(100_000, 65_536), 0),
    },
    Check {
        name: "cgroup-files-that-are-delegated",
        place: "config-linux.md#cgroup-ownership",
        sentence: "A runtime that changes the cgroup ownership SHOULD only change the ownership of the container's cgroup directory and files within that directory that are listed in `/sys/kernel/cgroup/delegate`.",
        run: |bed| owned_files(bed, Listed::Yes),
    },
    Check {
        name: "cgroup-files-that-are-listed-and-missing",
        place: "config-linux.md#cgroup-ownership",
        sentence: "Runtimes MUST NOT fail in this scenario, and SHOULD change the ownership of the listed files that do exist in the cgroup.",
        run: |bed| owned_files(bed, Listed::Yes),
    },
    Check {
        name: "cgroup-files-that-are-not-delegated",
        place: "config-linux.md#cgroup-ownership",
        sentence: "The runtime SHOULD NOT change the ownership of any other files.",
        run: |bed| owned_files(bed, Listed::No),
    },
    Check {
        name: "weight-device-needs-numbers",
        place: "config-linux.md#block-io",
        sentence: "`weightDevice`: `major, minor` (int64, REQUIRED) - major, minor numbers for device.",
        run: |bed| refuses(bed, "/linux/resources/blockIO/weightDevice", json!([{"weight": 100}])),
    },
    Check {
        name: "weight-device-needs-a-weight",
        place: "config-linux.md#block-io",
        sentence: "You MUST specify at least one of `weight` or `leafWeight` in a given entry, and MAY specify both.",
        run: |bed| refuses(bed, "/linux/resources/blockIO/weightDevice", json!([{"major": 7, "minor": 0}])),
    },
    Check {
        name: "throttle-device-needs-numbers",
        place: "config-linux.md#block-io",
        sentence: "`throttle*BpsDevice`, `throttle*IOPSDevice`: `major, minor` (int64, REQUIRED) - major, minor numbers for device.",
        run: |bed| refuses(bed, "/linux/resources/blockIO/throttleReadBpsDevice", json!([{"rate": 100}])),
    },
    Check {
        name: "throttle-bps-needs-a-rate",
        place: "config-linux.md#block-io",
        sentence: "`rate` (uint64, REQUIRED) - bandwidth rate limit in bytes per second for the device",
        run: |bed| {
            refuses(bed, "/linux/resources/blockIO/throttleReadBpsDevice", json!([{"major": 7, "minor": 0}]))
        },
    },
    Check {
        name: "throttle-iops-needs-a-rate",
        place: "config-linux.md#block-io",
        sentence: "`rate` (uint64, REQUIRED) - IO rate limit for the device",
        run: |bed| {
            refuses(
                bed,
                "/linux/resources/blockIO/throttleWriteIOPSDevice",
                json!([{"major": 7, "minor": 0}]),
            )
        },
    },
    Check {
        name: "huge-page-size-is-required",
        place: "config-linux.md#huge-page-limits",
        sentence: "`pageSize` (string, REQUIRED) - hugepage size.",
        run: |bed| refuses(bed, "/linux/resources/hugepageLimits", json!([{"limit": 0}])),
    },
    Check {
        name: "huge-page-limit-is-required",
        place: "config-linux.md#huge-page-limits",
        sentence: "`limit` (uint64, REQUIRED) - limit in bytes of *hugepagesize* HugeTLB reservations (if supported) or usage.",
        run: |bed| refuses(bed, "/linux/resources/hugepageLimits", json!([{"pageSize": "2MB"}])),
    },
    Check {
        name: "network-priority-needs-a-name",
        place: "config-linux.md#network",
        sentence: "`name` (string, REQUIRED) - interface name in runtime network namespace",
        run: |bed| refuses(bed, "/linux/resources/network/priorities", json!([{"priority": 5}])),
    },
    Check {
        name: "network-priority-needs-a-priority",
        place: "config-linux.md#network",
        sentence: "`priority` (uint32, REQUIRED) - priority applied to the interface",
        run: |bed| refuses(bed, "/linux/resources/network/priorities", json!([{"name": "lo"}])),
    },
    Check {
        name: "zero-is-a-limit-of-processes",
        place: "config-linux.md#pids",
        sentence: "`0` is a valid limit value for the `pids` cgroup controller from the kernel's perspective and SHOULD be treated as such by runtimes.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let output = stage.runs(stage.config(&["fork", "1"])?.pids(0))?;
            is(&output.json()?, "/spawned", 0)
        },
    },
    Check {
        name: "rdma-entry-is-not-empty",
        place: "config-linux.md#rdma",
        sentence: "You MUST specify at least one of the `hcaHandles` or `hcaObjects` in a given entry, and MAY specify both.",
        run: |bed| refuses(bed, "/linux/resources/rdma", json!({"mlx5_0": {}})),
    },
    Check {
        name: "unified-files-are-written",
        place: "config-linux.md#unified",
        sentence: "Configuration unknown to the runtime MUST still be written to the relevant file.",
        run: |bed| {
            let (stage, config) = on_v2(bed, &["sleep", "60"])?;
            let mut container =
                stage.container(config.set("/linux/resources/unified", json!({"cgroup.max.depth": "7"})))?;
            container.create()?;
            let text = std::fs::read_to_string(container.cgroup("").join("cgroup.max.depth"))?;
            ensure!(text.trim() == "7", "it is {text}");
            Ok(())
        },
    },
    Check {
        name: "unified-enables-controllers",
        place: "config-linux.md#unified",
        sentence: "The OCI runtime MUST ensure that the needed cgroup controllers are enabled for the cgroup.",
        run: |bed| {
            let (stage, config) = on_v2(bed, &["sleep", "60"])?;
            if !std::fs::read_to_string(Path::new(TOP).join("cgroup.controllers"))?.contains("pids") {
                return lacking("the pids controller on cgroups v2");
            }
            let mut container =
                stage.container(config.set("/linux/resources/unified", json!({"pids.max": "21"})))?;
            container.create()?;
            let text = std::fs::read_to_string(container.cgroup("").join("pids.max"))?;
            ensure!(text.trim() == "21", "it is {text}");
            Ok(())
        },
    },
    Check {
        name: "unified-without-its-controller",
        place: "config-linux.md#unified",
        sentence: "The runtime MUST generate an error when the configuration refers to a cgroup controller that is not present or that cannot be enabled.",
        run: |bed| {
            let (stage, config) = on_v2(bed, &["true"])?;
            stage.refuses_config(config.set("/linux/resources/unified", json!({"nosuch.limit": "1"})))
        },
    },
    Check {
        name: "limit-of-v1-that-v2-has-not",
        place: "config-linux.md#example",
        sentence: "If the conversion is not possible the runtime MUST generate an error.",
        run: |bed| {
            let (stage, config) = on_v2(bed, &["true"])?;
            stage.refuses_config(config.set("/linux/resources/cpu/realtimeRuntime", 5000))
        },
    },
    Check {
        name: "rdt-without-a-resctrl",
        place: "config-linux.md#intelrdt",
        sentence: "If no mounted `resctrl` pseudo-filesystem is available in the runtime mount namespace, the runtime MUST generate an error.",
        run: |bed| {
            if std::fs::read_to_string("/proc/self/mountinfo")?.contains(" - resctrl ") {
                return lacking("a machine without a mounted resctrl");
            }
            refuses(bed, "/linux/intelRdt", json!({"closID": "group", "l3CacheSchema": "L3:0=f"}))
        },
    },
    Check {
        name: "rdt-bandwidth-begins-with-mb",
        place: "config-linux.md#intelrdt",
        sentence: "The value MUST start with `MB:` and MUST NOT contain newlines.",
        run: |bed| {
            refuses(bed, "/linux/intelRdt", json!({"memBwSchema": "L3:0=70"}))?;
            refuses(bed, "/linux/intelRdt", json!({"memBwSchema": "MB:0=70\nMB:1=20"}))
        },
    },
    Check {
        name: "rdt-schemata-are-single-lines",
        place: "config-linux.md#intelrdt",
        sentence: "`schemata`: The value MUST NOT contain newlines.",
        run: |bed| refuses(bed, "/linux/intelRdt", json!({"schemata": ["L3:0=f\nL3:1=f"]})),
    },
];

/// Whether the file is among those the kernel wants delegated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listed {
    Yes,
    No,
}

fn is_v2() -> bool {
    Path::new(TOP).join("cgroup.controllers").exists()
}

/// A stage whose only cgroups are those of v2; where the controllers belong to v1, it has none of them.
fn on_v2<'a>(bed: &'a Bed, words: &[&str]) -> Result<(Stage<'a>, Config)> {
    if !is_v2() {
        let done = mount(Some("bed"), TOP, Some("cgroup2"), MsFlags::empty(), None::<&str>);
        if done.is_err() {
            return lacking("cgroups v2");
        }
    }
    let stage = Stage::new(bed)?;
    let config = stage.config(words)?;
    Ok((stage, config))
}

/// The configuration of a container that may manage its own cgroup.
fn delegated(config: Config) -> Config {
    config.map_users(100_000, 65_536).set("/mounts/6/options", json!(["nosuid", "noexec", "nodev", "rw"]))
}

/// The cgroup of the container's process, as the first hierarchy has it.
fn group_of(container: &Container) -> Result<String> {
    let text = std::fs::read_to_string(format!("/proc/{}/cgroup", container.pid()?))?;
    let pids =
        text.lines().find(|line| line.contains(":pids:") || line.starts_with("0::")).context("no group")?;
    Ok(pids.splitn(3, ':').nth(2).unwrap_or_default().to_owned())
}

/// A created container's group on v2.
fn v2_group(bed: &Bed, change: fn(Config) -> Config, look: impl Fn(PathBuf) -> Result<()>) -> Result<()> {
    let (stage, config) = on_v2(bed, &["sleep", "60"])?;
    let mut container = stage.container(change(config))?;
    container.create()?;
    look(container.cgroup(""))
}

fn owner(bed: &Bed, change: fn(Config) -> Config, wanted: u32) -> Result<()> {
    v2_group(bed, change, |group| {
        let owner = std::fs::metadata(&group)?.uid();
        ensure!(owner == wanted, "it belongs to {owner} and not to {wanted}");
        Ok(())
    })
}

/// Files that are to be delegated belong to the container's root, and others to the machine's.
fn owned_files(bed: &Bed, which: Listed) -> Result<()> {
    let delegate = std::fs::read_to_string("/sys/kernel/cgroup/delegate")?;
    v2_group(bed, delegated, |group| {
        for entry in std::fs::read_dir(&group)?.flatten().filter(|entry| entry.path().is_file()) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let listed = delegate.lines().any(|line| line == name);
            if listed == (which == Listed::Yes) {
                let (owner, wanted) = (entry.metadata()?.uid(), if listed { 100_000 } else { 0 });
                ensure!(owner == wanted, "{name} belongs to {owner} and not to {wanted}");
            }
        }
        Ok(())
    })
}
