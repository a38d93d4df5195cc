//! The features structure, by features.md and features-linux.md: what a runtime says that it can do, it can do.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tare_bundle::config::Config;

use crate::bed::Bed;
use crate::check::{Check, lacking};
use crate::runtime::hooked::Hooks;
use crate::runtime::stage::{Stage, at};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "features-are-always-the-same",
        place: "features.md#features-structure",
        sentence: "Hence, the content of the Features structure SHOULD be determined on the compilation time of the runtime, not on the execution time.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let first = features(&stage)?;
            let again = stage.call(&["features"]).with(|command| {
                command.env_clear().current_dir("/");
            });
            ensure!(again.run()?.succeeds()?.json()? == first, "it differs from call to call");
            Ok(())
        },
    },
    Check {
        name: "features-have-an-oldest-version",
        place: "features.md#specification-version",
        sentence: "`ociVersionMin` (string, REQUIRED) The minimum recognized version of the specification.",
        run: |bed| version(&features(&Stage::new(bed)?)?, "/ociVersionMin").map(drop),
    },
    Check {
        name: "features-oldest-version-is-accepted",
        place: "features.md#specification-version",
        sentence: "`ociVersionMin`: The runtime MUST accept this value as the `ociVersion` property of `config.json`.",
        run: |bed| accepts_version(bed, "/ociVersionMin"),
    },
    Check {
        name: "features-have-a-newest-version",
        place: "features.md#specification-version",
        sentence: "`ociVersionMax` (string, REQUIRED) The maximum recognized version of the specification.",
        run: |bed| version(&features(&Stage::new(bed)?)?, "/ociVersionMax").map(drop),
    },
    Check {
        name: "features-newest-version-is-accepted",
        place: "features.md#specification-version",
        sentence: "`ociVersionMax`: The runtime MUST accept this value as the `ociVersion` property of `config.json`.",
        run: |bed| accepts_version(bed, "/ociVersionMax"),
    },
    Check {
        name: "features-versions-are-ordered",
        place: "features.md#specification-version",
        sentence: "The value MUST NOT be less than the value of the `ociVersionMin` property.",
        run: |bed| {
            let all = features(&Stage::new(bed)?)?;
            let (min, max) = (version(&all, "/ociVersionMin")?, version(&all, "/ociVersionMax")?);
            ensure!(min <= max, "{min:?} to {max:?}");
            Ok(())
        },
    },
    Check {
        name: "features-are-the-specifications",
        place: "features.md#specification-version",
        sentence: "The Features structure MUST NOT contain properties that are not defined in this version of the Open Container Initiative Runtime Specification.",
        run: |bed| {
            let all = features(&Stage::new(bed)?)?;
            known(
                &all,
                "",
                &[
                    "ociVersionMin",
                    "ociVersionMax",
                    "hooks",
                    "mountOptions",
                    "linux",
                    "annotations",
                    "potentiallyUnsafeConfigAnnotations",
                ],
            )?;
            known(
                &all,
                "/linux",
                &[
                    "namespaces",
                    "capabilities",
                    "cgroup",
                    "seccomp",
                    "apparmor",
                    "selinux",
                    "intelRdt",
                    "memoryPolicy",
                    "mountExtensions",
                    "netDevices",
                ],
            )?;
            known(&all, "/linux/cgroup", &["v1", "v2", "systemd", "systemdUser", "rdma"])?;
            known(
                &all,
                "/linux/seccomp",
                &["enabled", "actions", "operators", "archs", "knownFlags", "supportedFlags"],
            )?;
            known(&all, "/linux/intelRdt", &["enabled", "schemata", "monitoring"])
        },
    },
    Check {
        name: "features-null-is-unknown",
        place: "features.md#features-structure",
        sentence: "The `null` value MUST NOT be confused with an empty value such as `0`, `false`, `\"\"`, `[]`, and `{}`.",
        run: |bed| {
            let all = features(&Stage::new(bed)?)?;
            for flag in [
                "/linux/seccomp/enabled",
                "/linux/apparmor/enabled",
                "/linux/selinux/enabled",
                "/linux/cgroup/v1",
            ] {
                let value = at(&all, flag);
                ensure!(value.is_null() || value.is_boolean(), "{flag} is {value}");
            }
            for list in ["/hooks", "/mountOptions", "/linux/namespaces", "/linux/capabilities"] {
                let value = at(&all, list);
                ensure!(value.is_null() || value.is_array(), "{list} is {value}");
            }
            Ok(())
        },
    },
    Check {
        name: "features-hooks-are-supported",
        place: "features.md#hooks",
        sentence: "The runtime MUST support the elements in this array as the `hooks` property of `config.json`.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let hooks = Hooks::new(&stage)?;
            let kinds = words(&features(&stage)?, "/hooks")?;
            let mut config = stage.config(&["sleep", "60"])?;
            for kind in &kinds {
                config = hooks.add(config, kind, (kind, 0))?;
            }
            let mut container = stage.container(config)?;
            container.create()?;
            container.start()?;
            container.removes()?;
            let ran = hooks.names()?;
            ensure!(kinds.iter().all(|kind| ran.contains(kind)), "of {kinds:?} these ran: {ran:?}");
            Ok(())
        },
    },
    Check {
        name: "features-mount-options-are-recognized",
        place: "features.md#mount-options",
        sentence: "The runtime MUST recognize the elements in this array as the `options` of `mounts` objects in `config.json`.",
        run: mount_options,
    },
    Check {
        name: "features-mount-options-are-no-data",
        place: "features.md#mount-options",
        sentence: "Linux: this array SHOULD NOT contain filesystem-specific mount options that are passed to the mount(2) syscall as `const void *data`.",
        run: |bed| {
            let options = words(&features(&Stage::new(bed)?)?, "/mountOptions")?;
            let data =
                ["size", "mode", "uid", "gid", "lowerdir", "upperdir", "workdir", "newinstance", "ptmxmode"];
            let found: Vec<_> =
                data.iter().filter(|word| options.iter().any(|option| option == **word)).collect();
            ensure!(found.is_empty(), "{found:?} are among them");
            Ok(())
        },
    },
    Check {
        name: "features-annotations-are-strings",
        place: "features.md#annotations",
        sentence: "Annotations MUST be a key-value map that follows the same convention as the Key and Values of the `annotations` property of `config.json`.",
        run: |bed| {
            let all = features(&Stage::new(bed)?)?;
            let map = at(&all, "/annotations");
            let strings = |all: &serde_json::Map<String, Value>| {
                all.iter().all(|(key, value)| !key.is_empty() && value.is_string())
            };
            ensure!(map.is_null() || map.as_object().is_some_and(strings), "they are {map}");
            Ok(())
        },
    },
    Check {
        name: "features-namespaces-are-recognized",
        place: "features-linux.md#namespaces",
        sentence: "The runtime MUST recognize the elements in this array as the `type` of `linux.namespaces` objects in `config.json`.",
        run: |bed| {
            each(bed, "/linux/namespaces", |config, kind| match kind {
                "user" => config.map_users(100_000, 65_536),
                _ => config.namespace(kind),
            })
        },
    },
    Check {
        name: "features-capabilities-are-recognized",
        place: "features-linux.md#capabilities",
        sentence: "The runtime MUST recognize the elements in this array in the `process.capabilities` object of `config.json`.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let names = words(&features(&stage)?, "/linux/capabilities")?;
            let mut config = stage.config(&["report"])?;
            for set in ["bounding", "effective", "permitted"] {
                config = config.set(&format!("/process/capabilities/{set}"), json!(names));
            }
            let report = stage.runs(config)?.json()?;
            // All that the machine gives, and no more can be had.
            let status = std::fs::read_to_string("/proc/self/status")?;
            let held = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap_or_default();
            let held = u64::from_str_radix(held.trim(), 16)?.count_ones();
            let count = at(&report, "/capabilities/effective").as_array().map_or(0, Vec::len);
            ensure!(count == usize::try_from(held)?, "{count} of {held} are effective");
            Ok(())
        },
    },
    Check {
        name: "features-seccomp-actions-are-recognized",
        place: "features-linux.md#seccomp",
        sentence: "The runtime MUST recognize the elements in this array in the `syscalls[].action` property of the `linux.seccomp` object in `config.json`.",
        run: |bed| {
            each(bed, "/linux/seccomp/actions", |config, action| match action {
                // An agent has to be there for it, and another check has one.
                "SCMP_ACT_NOTIFY" => config,
                _ => rule(config, json!({"names": ["swapoff"], "action": action})),
            })
        },
    },
    Check {
        name: "features-seccomp-operators-are-recognized",
        place: "features-linux.md#seccomp",
        sentence: "The runtime MUST recognize the elements in this array in the `syscalls[].args[].op` property of the `linux.seccomp` object in `config.json`.",
        run: |bed| {
            each(bed, "/linux/seccomp/operators", |config, op| {
                let argument = json!({"index": 0, "value": 1, "valueTwo": 2, "op": op});
                rule(config, json!({"names": ["swapoff"], "action": "SCMP_ACT_ERRNO", "args": [argument]}))
            })
        },
    },
    Check {
        name: "features-seccomp-architectures-are-recognized",
        place: "features-linux.md#seccomp",
        sentence: "The runtime MUST recognize the elements in this array in the `architectures` property of the `linux.seccomp` object in `config.json`.",
        run: |bed| {
            each(bed, "/linux/seccomp/archs", |config, arch| {
                let config = rule(config, json!({"names": ["swapoff"], "action": "SCMP_ACT_ERRNO"}));
                config.set("/linux/seccomp/architectures", json!(["SCMP_ARCH_X86_64", arch]))
            })
        },
    },
    Check {
        name: "features-seccomp-flags-are-recognized",
        place: "features-linux.md#seccomp",
        sentence: "`knownFlags`: The runtime MUST recognize the elements in this array in the `flags` property of the `linux.seccomp` object in `config.json`.",
        run: |bed| {
            let all = features(&Stage::new(bed)?)?;
            let (known, supported) =
                (words(&all, "/linux/seccomp/knownFlags")?, words(&all, "/linux/seccomp/supportedFlags")?);
            let missing: Vec<_> = supported.iter().filter(|flag| !known.contains(flag)).collect();
            ensure!(missing.is_empty(), "{missing:?} are supported and not known");
            Ok(())
        },
    },
    Check {
        name: "features-seccomp-flags-are-supported",
        place: "features-linux.md#seccomp",
        sentence: "`supportedFlags`: The runtime MUST recognize and support the elements in this array in the `flags` property of the `linux.seccomp` object in `config.json`.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            for flag in words(&features(&stage)?, "/linux/seccomp/supportedFlags")? {
                // It means nothing without an agent.
                if flag != "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" {
                    let config = rule(
                        stage.config(&["true"])?,
                        json!({"names": ["swapoff"], "action": "SCMP_ACT_ERRNO"}),
                    );
                    stage.runs(config.set("/linux/seccomp/flags", json!([flag])))?;
                }
            }
            Ok(())
        },
    },
    Check {
        name: "features-memory-policies-are-recognized",
        place: "features-linux.md#memorypolicy",
        sentence: "The runtime MUST recognize the elements in this array as the `mode` of `linux.memoryPolicy` objects in `config.json`.",
        run: |bed| {
            each(bed, "/linux/memoryPolicy/modes", |config, mode| match mode {
                "MPOL_DEFAULT" | "MPOL_LOCAL" => config.set("/linux/memoryPolicy", json!({"mode": mode})),
                _ => config.set("/linux/memoryPolicy", json!({"mode": mode, "nodes": "0"})),
            })
        },
    },
    Check {
        name: "features-memory-policy-flags-are-recognized",
        place: "features-linux.md#memorypolicy",
        sentence: "The runtime MUST recognize the elements in this in the `flags` property of the `linux.memoryPolicy` object in `config.json`.",
        run: |bed| {
            each(bed, "/linux/memoryPolicy/flags", |config, flag| {
                config.set("/linux/memoryPolicy", json!({"mode": "MPOL_BIND", "nodes": "0", "flags": [flag]}))
            })
        },
    },
];

/// What the runtime says of itself; an optional command.
fn features(stage: &Stage) -> Result<Value> {
    let output = stage.run(&["features"])?;
    if output.code != 0 {
        return lacking("a features command of the runtime");
    }
    output.json()
}

/// The entries of a list in it; a runtime may leave it out.
fn words(features: &Value, list: &str) -> Result<Vec<String>> {
    match at(features, list).as_array() {
        Some(all) => Ok(all.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        None => lacking(&format!("a list {list} in the runtime's features")),
    }
}

fn version(features: &Value, place: &str) -> Result<Vec<u64>> {
    let text = at(features, place).as_str().with_context(|| format!("no {place}"))?;
    let core = text.split(['-', '+']).next().unwrap_or_default();
    core.split('.').map(|part| part.parse().with_context(|| format!("the version {text}"))).collect()
}

fn accepts_version(bed: &Bed, place: &str) -> Result<()> {
    let stage = Stage::new(bed)?;
    let all = features(&stage)?;
    let version = at(&all, place).as_str().unwrap_or_default();
    stage.runs(stage.config(&["true"])?.set("/ociVersion", version)).map(drop)
}

fn known(features: &Value, place: &str, names: &[&str]) -> Result<()> {
    let there = at(features, place).as_object().into_iter().flatten();
    let unknown: Vec<_> =
        there.map(|(name, _)| name).filter(|name| !names.contains(&name.as_str())).collect();
    ensure!(unknown.is_empty(), "{place} has {unknown:?}");
    Ok(())
}

/// A container runs with each entry of a list.
fn each(bed: &Bed, list: &str, change: fn(Config, &str) -> Config) -> Result<()> {
    let stage = Stage::new(bed)?;
    for word in words(&features(&stage)?, list)? {
        stage.runs(change(stage.config(&["true"])?, &word)).with_context(|| word.clone())?;
    }
    Ok(())
}

fn rule(config: Config, rule: Value) -> Config {
    config.set("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
}

/// Each option works on a tmpfs, on a bind mount, or together with what it needs.
fn mount_options(bed: &Bed) -> Result<()> {
    let stage = Stage::new(bed)?;
    for option in words(&features(&stage)?, "/mountOptions")? {
        let source = stage.files().to_string_lossy().into_owned();
        let config = stage.config(&["true"])?;
        let mapping = json!([{"containerID": 0, "hostID": 5000, "size": 1000}]);
        let config = match option.as_str() {
            "bind" | "rbind" => config.bind(&source, "/mnt", &[&option]),
            "remount" => config.tmpfs("/mnt", &[]).tmpfs("/mnt", &["remount", "ro"]),
            "idmap" | "ridmap" => config.mount(json!({
                "destination": "/mnt", "type": "bind", "source": source, "options": ["rbind", option],
                "uidMappings": mapping, "gidMappings": mapping,
            })),
            // These follow links that lead nowhere in a bind mount of a directory.
            "src-nofollow" | "dest-nofollow" | "copy-symlink" => config,
            word if word.starts_with('r') && !["ro", "rw", "relatime"].contains(&word) => {
                config.bind(&source, "/mnt", &["rbind", word])
            }
            word if ["private", "shared", "slave", "unbindable"].contains(&word) => {
                config.bind(&source, "/mnt", &[word])
            }
            word => config.tmpfs("/mnt", &[word]),
        };
        stage.runs(config).with_context(|| option.clone())?;
    }
    Ok(())
}
