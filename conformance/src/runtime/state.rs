//! The state: what a bundle is, and what a runtime reports of a container, by bundle.md and runtime.md.

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::bed::Bed;
use crate::check::Check;
use crate::runtime::stage::{Container, Stage, at, is};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "config-lies-in-the-bundle",
        place: "bundle.md#container-format",
        sentence: "This REQUIRED file MUST reside in the root of the bundle directory and MUST be named `config.json`.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mut container = stage.container(stage.config(&["true"])?)?;
            std::fs::rename(container.bundle.join("config.json"), container.bundle.join("other.json"))?;
            container.try_create(&[])?.fails().map(drop)
        },
    },
    Check {
        name: "operations-work-on-what-was-created",
        place: "runtime.md#scope-of-a-container",
        sentence: "The entity using a runtime to create a container MUST be able to use the operations defined in this specification against that same container.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mut container = stage.container(stage.config(&["sleep", "60"])?)?;
            container.create()?;
            container.start()?;
            container.is("running")?;
            container.removes()
        },
    },
    Check {
        name: "state-has-the-version",
        place: "runtime.md#state",
        sentence: "`ociVersion` (string, REQUIRED) is version of the specification with which the state complies.",
        run: |bed| {
            in_every_phase(bed, |_, state| {
                let version = at(state, "/ociVersion").as_str().unwrap_or_default();
                ensure!(version.split('.').count() >= 3, "ociVersion is {version:?}");
                Ok(())
            })
        },
    },
    Check {
        name: "state-has-the-id",
        place: "runtime.md#state",
        sentence: "`id` (string, REQUIRED) is the container's ID.",
        run: |bed| in_every_phase(bed, |container, state| is(state, "/id", container.id.as_str())),
    },
    Check {
        name: "state-has-the-status",
        place: "runtime.md#state",
        sentence: "`status` (string, REQUIRED) is the runtime state of the container.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mut container = stage.container(stage.config(&["sleep", "60"])?)?;
            container.create()?;
            container.is("created")?;
            container.start()?;
            container.is("running")?;
            container.kill("KILL")?.succeeds()?;
            container.becomes("stopped")
        },
    },
    Check {
        name: "state-has-the-pid",
        place: "runtime.md#state",
        sentence: "`pid` (int, REQUIRED when `status` is `created` or `running` on Linux, OPTIONAL on other platforms) is the ID of the container process.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mut container = stage.container(stage.config(&["sleep", "60"])?)?;
            container.create()?;
            container.start()?;
            let words = std::fs::read_to_string(format!("/proc/{}/cmdline", container.pid()?))?;
            ensure!(words.contains("sleep"), "the process of that pid is {words:?}");
            Ok(())
        },
    },
    Check {
        name: "state-has-the-bundle",
        place: "runtime.md#state",
        sentence: "`bundle` (string, REQUIRED) is the absolute path to the container's bundle directory.",
        run: |bed| {
            in_every_phase(bed, |container, state| {
                is(state, "/bundle", container.bundle.to_string_lossy().into_owned())
            })
        },
    },
    Check {
        name: "state-follows-the-schema",
        place: "runtime.md#state",
        sentence: "When serialized in JSON, the format MUST adhere to the JSON Schema `schema/state-schema.json`.",
        run: |bed| in_every_phase(bed, |_, state| follows_the_schema(state)),
    },
    Check {
        name: "state-needs-an-id",
        place: "runtime.md#query-state",
        sentence: "This operation MUST generate an error if it is not provided the ID of a container.",
        run: |bed| Stage::new(bed)?.refuses(&["state"]),
    },
    Check {
        name: "state-of-nothing",
        place: "runtime.md#query-state",
        sentence: "Attempting to query a container that does not exist MUST generate an error.",
        run: |bed| Stage::new(bed)?.refuses(&["state", "no-such-container"]),
    },
    Check {
        name: "state-has-the-annotations",
        place: "runtime.md#query-state",
        sentence: "This operation MUST return the state of a container as specified in the State section.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let config = stage.config(&["sleep", "60"])?.annotation("com.example.key", "value");
            let mut container = stage.container(config)?;
            container.create()?;
            is(&container.state()?, "/annotations/com.example.key", "value")
        },
    },
];

/// Looks at the state of a container that is created, runs and has stopped.
fn in_every_phase(bed: &Bed, look: fn(&Container, &Value) -> Result<()>) -> Result<()> {
    let stage = Stage::new(bed)?;
    let mut container = stage.container(stage.config(&["sleep", "60"])?)?;
    container.create()?;
    look(&container, &container.state()?)?;
    container.start()?;
    look(&container, &container.state()?)?;
    container.kill("KILL")?.succeeds()?;
    container.becomes("stopped")?;
    look(&container, &container.state()?)
}

/// The types and bounds of the schema of states.
fn follows_the_schema(state: &Value) -> Result<()> {
    for name in ["ociVersion", "id", "status", "bundle"] {
        ensure!(at(state, &format!("/{name}")).is_string(), "{name} is no string in {state}");
    }
    let status = at(state, "/status").as_str().unwrap_or_default();
    ensure!(["creating", "created", "running", "stopped"].contains(&status), "the status is {status:?}");
    let pid = at(state, "/pid");
    ensure!(pid.is_null() || pid.as_i64().is_some_and(|pid| pid >= 0), "the pid is {pid}");
    let annotations = at(state, "/annotations");
    let strings = |all: &serde_json::Map<String, Value>| all.values().all(Value::is_string);
    ensure!(
        annotations.is_null() || annotations.as_object().is_some_and(strings),
        "annotations are {annotations}"
    );
    Ok(())
}
