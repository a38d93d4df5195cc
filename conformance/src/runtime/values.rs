//! Annotations, extensibility and valid values, by config.md.

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::check::Check;
use crate::runtime::process::refuses;
use crate::runtime::stage::{Stage, is};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "annotations-are-a-map",
        place: "config.md#annotations",
        sentence: "Annotations MUST be a key-value map.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mut container = stage.container(stage.config(&["true"])?.annotation("a.b/c", "d"))?;
            container.create()?;
            is(&container.state()?, "/annotations/a.b~1c", "d")?;
            refuses(bed, "/annotations", json!(["a.b/c"]))
        },
    },
    Check {
        name: "annotation-keys-are-not-empty",
        place: "config.md#annotations",
        sentence: "Keys MUST NOT be an empty string.",
        run: |bed| refuses(bed, "/annotations", json!({"": "value"})),
    },
    Check {
        name: "unknown-annotations-are-ignored",
        place: "config.md#annotations",
        sentence: "Runtimes MUST handle unknown annotation keys like any other unknown property.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            stage.runs(stage.config(&["true"])?.annotation("com.example.unknown", "x")).map(drop)
        },
    },
    Check {
        name: "annotation-values-are-strings",
        place: "config.md#annotations",
        sentence: "Values MUST be strings.",
        run: |bed| refuses(bed, "/annotations", json!({"com.example.key": 1})),
    },
    Check {
        name: "unknown-properties-are-ignored",
        place: "config.md#extensibility",
        sentence: "Runtimes MAY log unknown properties but MUST otherwise ignore them.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mut config = stage.config(&["true"])?;
            for place in ["/unknown", "/process/unknown", "/linux/unknown", "/mounts/0/unknown"] {
                config = config.set(place, json!({"deep": [1, "two"]}));
            }
            stage.runs(config).map(drop)
        },
    },
    Check {
        name: "invalid-values-are-errors",
        place: "config.md#valid-values",
        sentence: "Runtimes MUST generate an error when invalid or unsupported values are encountered.",
        run: |bed| {
            for (place, value) in [
                ("/process/args", json!("sh")),
                ("/process/terminal", json!("yes")),
                ("/hostname", json!(5)),
                ("/root/readonly", json!(1)),
                ("/mounts/0/options", json!("ro")),
                ("/linux/namespaces/0/type", json!("nosuch")),
                ("/linux/devices", json!([{"path": "/dev/x", "type": "z", "major": 1, "minor": 3}])),
                ("/linux/resources/pids/limit", json!("many")),
                ("/linux/rootfsPropagation", json!("sideways")),
                ("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_NOSUCH"})),
                ("/process/ioPriority", json!({"class": "IOPRIO_CLASS_NOSUCH", "priority": 0})),
                ("/linux/personality", json!({"domain": "NOSUCH"})),
            ] {
                refuses(bed, place, value).with_context(|| place.to_owned())?;
            }
            Result::Ok(())
        },
    },
];
