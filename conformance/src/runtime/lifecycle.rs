//! The lifecycle, errors and warnings, by runtime.md.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::bed::Bed;
use crate::check::Check;
use crate::command::eventually;
use crate::runtime::hooked::Hooks;
use crate::runtime::stage::{Stage, is};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "environment-is-as-configured",
        place: "runtime.md#lifecycle",
        sentence: "The container's runtime environment MUST be created according to the configuration in `config.json`.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let report =
                stage.report(stage.config(&[])?.hostname("configured").tmpfs("/mnt", &["ro"]), &["/mnt"])?;
            is(&report, "/hostname", "configured")?;
            is(&report, "/paths/~1mnt/write", "EROFS")
        },
    },
    Check {
        name: "environment-that-cannot-be",
        place: "runtime.md#lifecycle",
        sentence: "If the runtime is unable to create the environment specified in the `config.json`, it MUST generate an error.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            stage.refuses_config(stage.config(&["true"])?.bind("/no/such/source", "/mnt", &[]))
        },
    },
    Check {
        name: "resources-are-there-before-start",
        place: "runtime.md#lifecycle",
        sentence: "While the resources requested in the `config.json` MUST be created, the user-specified program (from `process`) MUST NOT be run at this time.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mut container = stage.container(stage.config(&["echo", "it", "runs"])?.pids(20))?;
            container.create()?;
            let limit = std::fs::read_to_string(container.cgroup("pids").join("pids.max"))?;
            ensure!(limit.trim() == "20", "the limit is {limit}");
            ensure!(container.printed().is_empty(), "it printed {:?}", container.printed());
            Ok(())
        },
    },
    Check {
        name: "updates-of-config-change-nothing",
        place: "runtime.md#lifecycle",
        sentence: "Any updates to `config.json` after this step MUST NOT affect the container.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mut container = stage.container(stage.config(&["echo", "as", "created"])?)?;
            container.create()?;
            std::fs::write(container.bundle.join("config.json"), "{}")?;
            container.start()?;
            container.prints("as created")
        },
    },
    Check {
        name: "prestart-hooks-run",
        place: "runtime.md#lifecycle",
        sentence: "The `prestart` hooks MUST be invoked by the runtime.",
        run: |bed| Hooks::run(bed, "prestart"),
    },
    Check {
        name: "prestart-hook-fails",
        place: "runtime.md#lifecycle",
        sentence: "If any `prestart` hook fails, the runtime MUST generate an error, stop the container, and continue the lifecycle at step 12.",
        run: |bed| Hooks::failing_at_create(bed, "prestart"),
    },
    Check {
        name: "create-runtime-hooks-run",
        place: "runtime.md#lifecycle",
        sentence: "The `createRuntime` hooks MUST be invoked by the runtime.",
        run: |bed| Hooks::run(bed, "createRuntime"),
    },
    Check {
        name: "create-runtime-hook-fails",
        place: "runtime.md#lifecycle",
        sentence: "If any `createRuntime` hook fails, the runtime MUST generate an error, stop the container, and continue the lifecycle at step 12.",
        run: |bed| Hooks::failing_at_create(bed, "createRuntime"),
    },
    Check {
        name: "create-container-hooks-run",
        place: "runtime.md#lifecycle",
        sentence: "The `createContainer` hooks MUST be invoked by the runtime.",
        run: |bed| Hooks::run(bed, "createContainer"),
    },
    Check {
        name: "create-container-hook-fails",
        place: "runtime.md#lifecycle",
        sentence: "If any `createContainer` hook fails, the runtime MUST generate an error, stop the container, and continue the lifecycle at step 12.",
        run: |bed| Hooks::failing_at_create(bed, "createContainer"),
    },
    Check {
        name: "start-container-hooks-run",
        place: "runtime.md#lifecycle",
        sentence: "The `startContainer` hooks MUST be invoked by the runtime.",
        run: |bed| Hooks::run(bed, "startContainer"),
    },
    Check {
        name: "start-container-hook-fails",
        place: "runtime.md#lifecycle",
        sentence: "If any `startContainer` hook fails, the runtime MUST generate an error, stop the container, and continue the lifecycle at step 12.",
        run: |bed| Hooks::failing_at_start(bed, "startContainer"),
    },
    Check {
        name: "program-runs",
        place: "runtime.md#lifecycle",
        sentence: "The runtime MUST run the user-specified program, as specified by `process`.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let output = stage.runs(stage.config(&["echo", "it", "runs"])?)?;
            ensure!(output.out == "it runs\n", "it printed {:?}", output.out);
            Ok(())
        },
    },
    Check {
        name: "poststart-hooks-run",
        place: "runtime.md#lifecycle",
        sentence: "The `poststart` hooks MUST be invoked by the runtime.",
        run: |bed| Hooks::run(bed, "poststart"),
    },
    Check {
        name: "poststart-hook-fails",
        place: "runtime.md#lifecycle",
        sentence: "If any `poststart` hook fails, the runtime MUST generate an error, stop the container, and continue the lifecycle at step 12.",
        run: |bed| Hooks::failing_at_start(bed, "poststart"),
    },
    Check {
        name: "delete-undoes-create",
        place: "runtime.md#lifecycle",
        sentence: "The container MUST be destroyed by undoing the steps performed during create phase (step 2).",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mut container = stage.container(stage.config(&["sleep", "60"])?)?;
            container.create()?;
            let group = container.cgroup("freezer");
            container.start()?;
            container.removes()?;
            eventually("the cgroup is gone", || Ok(!group.exists()))
        },
    },
    Check {
        name: "poststop-hooks-run",
        place: "runtime.md#lifecycle",
        sentence: "The `poststop` hooks MUST be invoked by the runtime.",
        run: |bed| Hooks::run(bed, "poststop"),
    },
    Check {
        name: "poststop-hook-fails",
        place: "runtime.md#lifecycle",
        sentence: "If any `poststop` hook fails, the runtime MUST log a warning, but the remaining hooks and lifecycle continue as if the hook had succeeded.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let hooks = Hooks::new(&stage)?;
            let config = hooks.add(stage.config(&["sleep", "60"])?, "poststop", ("first", 3))?;
            let mut container = stage.container(hooks.add(config, "poststop", ("second", 0))?)?;
            container.create()?;
            container.start()?;
            container.kill("KILL")?.succeeds()?;
            container.becomes("stopped")?;
            let deleted = container.verb(&["delete"])?.succeeds()?;
            ensure!(hooks.names()? == ["first", "second"], "these ran: {:?}", hooks.names()?);
            ensure!(!deleted.err.trim().is_empty(), "no warning");
            container.try_state()?.fails().map(drop)
        },
    },
    Check {
        name: "errors-change-nothing",
        place: "runtime.md#errors",
        sentence: "Unless otherwise stated, generating an error MUST leave the state of the environment as if the operation were never attempted.",
        run: errors_change_nothing,
    },
    Check {
        name: "warnings-change-nothing",
        place: "runtime.md#warnings",
        sentence: "Unless otherwise stated, logging a warning does not change the flow of the operation; it MUST continue as if the warning had not been logged.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let config = stage.config(&["echo", "it", "runs"])?;
            let output = stage.runs(config.set("/process/capabilities/bounding", json!(["CAP_NO_SUCH"])))?;
            ensure!(output.out == "it runs\n", "it printed {:?}", output.out);
            Ok(())
        },
    },
    Check {
        name: "operations-are-there",
        place: "runtime.md#operations",
        sentence: "Unless otherwise stated, runtimes MUST support the following operations.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mut container = stage.container(stage.config(&["sleep", "60"])?)?;
            container.create()?;
            container.state()?;
            container.start()?;
            container.removes()
        },
    },
];

/// A create that fails late leaves nothing.
fn errors_change_nothing(bed: &Bed) -> Result<()> {
    let stage = Stage::new(bed)?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let files = |directory: &str| -> Result<Vec<_>> {
        let mut all: Vec<_> = std::fs::read_dir(directory)?.flatten().map(|entry| entry.path()).collect();
        all.sort();
        Ok(all)
    };
    let before = (files("/run")?, files("/run/runtime")?);
    let mount = json!({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": ["size=bad"]});
    let mut container = stage.container(stage.config(&["true"])?.mount(mount))?;
    container.try_create(&[])?.fails()?;
    let group = container.cgroup("freezer");
    eventually("the cgroup is gone", || Ok(!group.exists()))?;
    ensure!(std::fs::read_to_string("/proc/self/mountinfo")? == mounts, "mounts are left");
    let after = (files("/run")?, files("/run/runtime")?);
    ensure!(after == before, "{after:?} is there and was {before:?}");
    container.try_state()?.fails().map(drop).context("the container is there")
}
