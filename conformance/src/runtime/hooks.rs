//! The hooks, by config.md.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::bed::Bed;
use crate::check::Check;
use crate::runtime::hooked::Hooks;
use crate::runtime::stage::{Container, Stage, at, is};
use crate::subject::next_to_this;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "hook-needs-a-path",
        place: "config.md#posix-platform-hooks",
        sentence: "`path` (string, REQUIRED) with similar semantics to IEEE Std 1003.1-2008 `execv`'s *path*.",
        run: |bed| refuses(bed, json!({"args": ["true"]})),
    },
    Check {
        name: "hook-path-is-absolute",
        place: "config.md#posix-platform-hooks",
        sentence: "This specification extends the IEEE standard in that `path` MUST be absolute.",
        run: |bed| refuses(bed, json!({"path": "bin/true"})),
    },
    Check {
        name: "hook-timeout-is-positive",
        place: "config.md#posix-platform-hooks",
        sentence: "If set, `timeout` MUST be greater than zero.",
        run: |bed| {
            refuses(bed, json!({"path": "/bin/true", "timeout": 0}))?;
            refuses(bed, json!({"path": "/bin/true", "timeout": -1}))
        },
    },
    Check {
        name: "hooks-run-in-the-listed-order",
        place: "config.md#posix-platform-hooks",
        sentence: "Hooks MUST be called in the listed order.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let hooks = Hooks::new(&stage)?;
            let mut config = stage.config(&["sleep", "60"])?;
            let wanted = ["one", "two", "three", "four"];
            for name in wanted {
                config = hooks.add(config, "createRuntime", (name, 0))?;
            }
            stage.container(config)?.create()?;
            ensure!(hooks.names()? == wanted, "these ran: {:?}", hooks.names()?);
            Ok(())
        },
    },
    Check {
        name: "hooks-read-the-state",
        place: "config.md#posix-platform-hooks",
        sentence: "The state of the container MUST be passed to hooks over stdin so that they may do work appropriate to the current state of the container.",
        run: hooks_read_the_state,
    },
    Check {
        name: "prestart-hooks-see-the-mounts",
        place: "config.md#prestart",
        sentence: "The `prestart` hooks MUST be called as part of the `create` operation after the runtime environment has been created but before the `pivot_root` or any equivalent operation has been executed.",
        run: |bed| at_create(bed, "prestart", Side::Runtime),
    },
    Check {
        name: "prestart-hooks-come-first",
        place: "config.md#prestart",
        sentence: "The `prestart` hooks MUST be called before the `createRuntime` hooks.",
        run: |bed| comes_before(bed, "prestart", "createRuntime"),
    },
    Check {
        name: "prestart-path-is-the-runtimes",
        place: "config.md#prestart",
        sentence: "The `prestart` hooks' path MUST resolve in the runtime namespace.",
        run: |bed| resolves_outside(bed, "prestart"),
    },
    Check {
        name: "prestart-runs-outside",
        place: "config.md#prestart",
        sentence: "The `prestart` hooks MUST be executed in the runtime namespace.",
        run: |bed| in_namespaces(bed, "prestart", Side::Runtime),
    },
    Check {
        name: "create-runtime-hooks-see-the-mounts",
        place: "config.md#createruntime-hooks",
        sentence: "The `createRuntime` hooks MUST be called as part of the `create` operation after the runtime environment has been created but before the `pivot_root` or any equivalent operation has been executed.",
        run: |bed| at_create(bed, "createRuntime", Side::Runtime),
    },
    Check {
        name: "create-runtime-path-is-the-runtimes",
        place: "config.md#createruntime-hooks",
        sentence: "The `createRuntime` hooks' path MUST resolve in the runtime namespace.",
        run: |bed| resolves_outside(bed, "createRuntime"),
    },
    Check {
        name: "create-runtime-runs-outside",
        place: "config.md#createruntime-hooks",
        sentence: "The `createRuntime` hooks MUST be executed in the runtime namespace.",
        run: |bed| in_namespaces(bed, "createRuntime", Side::Runtime),
    },
    Check {
        name: "create-container-hooks-see-the-mounts",
        place: "config.md#createcontainer-hooks",
        sentence: "The `createContainer` hooks MUST be called as part of the `create` operation after the runtime environment has been created but before the `pivot_root` or any equivalent operation has been executed.",
        run: |bed| at_create(bed, "createContainer", Side::Container),
    },
    Check {
        name: "create-container-hooks-come-second",
        place: "config.md#createcontainer-hooks",
        sentence: "The `createContainer` hooks MUST be called after the `createRuntime` hooks.",
        run: |bed| comes_before(bed, "createRuntime", "createContainer"),
    },
    Check {
        name: "create-container-path-is-the-runtimes",
        place: "config.md#createcontainer-hooks",
        sentence: "The `createContainer` hooks' path MUST resolve in the runtime namespace.",
        run: |bed| resolves_outside(bed, "createContainer"),
    },
    Check {
        name: "create-container-runs-inside",
        place: "config.md#createcontainer-hooks",
        sentence: "The `createContainer` hooks MUST be executed in the container namespace.",
        run: |bed| in_namespaces(bed, "createContainer", Side::Container),
    },
    Check {
        name: "start-container-hooks-come-before-the-program",
        place: "config.md#startcontainer-hooks",
        sentence: "The `startContainer` hooks MUST be called before the user-specified process is executed as part of the `start` operation.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let hooks = Hooks::new(&stage)?;
            let config = stage.config(&["cat", "/hooks/lines"])?;
            let mut container = stage.container(hooks.add(config, "startContainer", ("before", 0))?)?;
            container.create()?;
            ensure!(hooks.names()?.is_empty(), "create ran it");
            container.start()?;
            container.prints("\"before\"")
        },
    },
    Check {
        name: "start-container-path-is-the-containers",
        place: "config.md#startcontainer-hooks",
        sentence: "The `startContainer` hooks' path MUST resolve in the container namespace.",
        run: |bed| Hooks::run(bed, "startContainer"),
    },
    Check {
        name: "start-container-runs-inside",
        place: "config.md#startcontainer-hooks",
        sentence: "The `startContainer` hooks MUST be executed in the container namespace.",
        run: |bed| in_namespaces(bed, "startContainer", Side::Container),
    },
    Check {
        name: "poststart-hooks-come-with-start",
        place: "config.md#poststart",
        sentence: "The `poststart` hooks MUST be called after the user-specified process is executed but before the `start` operation returns.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let hooks = Hooks::new(&stage)?;
            let mut container =
                stage.container(hooks.add(stage.config(&["sleep", "60"])?, "poststart", ("it", 0))?)?;
            container.create()?;
            ensure!(hooks.names()?.is_empty(), "create ran it");
            container.start()?;
            ensure!(hooks.names()? == ["it"], "start returned before it");
            is(&line(&hooks, 0)?, "/state/status", "running")
        },
    },
    Check {
        name: "poststart-path-is-the-runtimes",
        place: "config.md#poststart",
        sentence: "The `poststart` hooks' path MUST resolve in the runtime namespace.",
        run: |bed| resolves_outside(bed, "poststart"),
    },
    Check {
        name: "poststart-runs-outside",
        place: "config.md#poststart",
        sentence: "The `poststart` hooks MUST be executed in the runtime namespace.",
        run: |bed| in_namespaces(bed, "poststart", Side::Runtime),
    },
    Check {
        name: "poststop-hooks-come-with-delete",
        place: "config.md#poststop",
        sentence: "The `poststop` hooks MUST be called after the container is deleted but before the `delete` operation returns.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let hooks = Hooks::new(&stage)?;
            let mut container =
                stage.container(hooks.add(stage.config(&["sleep", "60"])?, "poststop", ("it", 0))?)?;
            container.create()?;
            container.start()?;
            container.kill("KILL")?.succeeds()?;
            container.becomes("stopped")?;
            ensure!(hooks.names()?.is_empty(), "it ran before delete");
            container.verb(&["delete"])?.succeeds()?;
            ensure!(hooks.names()? == ["it"], "delete returned before it");
            is(&line(&hooks, 0)?, "/state/status", "stopped")
        },
    },
    Check {
        name: "poststop-path-is-the-runtimes",
        place: "config.md#poststop",
        sentence: "The `poststop` hooks' path MUST resolve in the runtime namespace.",
        run: |bed| resolves_outside(bed, "poststop"),
    },
    Check {
        name: "poststop-runs-outside",
        place: "config.md#poststop",
        sentence: "The `poststop` hooks MUST be executed in the runtime namespace.",
        run: |bed| in_namespaces(bed, "poststop", Side::Runtime),
    },
];

/// Whose namespaces a hook runs in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Runtime,
    Container,
}

fn refuses(bed: &Bed, hook: Value) -> Result<()> {
    let stage = Stage::new(bed)?;
    stage.refuses_config(stage.config(&["true"])?.set("/hooks/createRuntime/-", hook))
}

/// What the hook of that number has seen.
fn line(hooks: &Hooks, number: usize) -> Result<Value> {
    hooks.lines()?.get(number).cloned().with_context(|| format!("hook {number} did not run"))
}

/// One hook of the kind, through a whole life; what it has seen.
fn one(bed: &Bed, kind: &str, look: impl Fn(&Container) -> Result<()>) -> Result<Value> {
    let stage = Stage::new(bed)?;
    let hooks = Hooks::new(&stage)?;
    let mut container = stage.container(hooks.add(stage.config(&["sleep", "60"])?, kind, ("it", 0))?)?;
    container.create()?;
    container.start()?;
    look(&container)?;
    container.removes()?;
    line(&hooks, 0)
}

fn hooks_read_the_state(bed: &Bed) -> Result<()> {
    let stage = Stage::new(bed)?;
    let hooks = Hooks::new(&stage)?;
    let statuses = [
        ("createRuntime", &["creating", "created"][..]),
        ("createContainer", &["creating", "created"]),
        ("startContainer", &["created"]),
        ("poststart", &["running"]),
        ("poststop", &["stopped"]),
    ];
    let mut config = stage.config(&["sleep", "60"])?.annotation("com.example.key", "value");
    for (kind, _) in statuses {
        config = hooks.add(config, kind, (kind, 0))?;
    }
    let mut container = stage.container(config)?;
    container.create()?;
    container.start()?;
    container.removes()?;
    for (kind, wanted) in statuses {
        let lines = hooks.lines()?;
        let seen =
            lines.iter().find(|line| *at(line, "/hook") == kind).with_context(|| format!("no {kind}"))?;
        let state = at(seen, "/state");
        let look = || -> Result<()> {
            is(state, "/id", container.id.as_str())?;
            is(state, "/bundle", container.bundle.to_string_lossy().into_owned())?;
            is(state, "/annotations/com.example.key", "value")?;
            let status = at(state, "/status").as_str().unwrap_or_default();
            ensure!(wanted.contains(&status), "the status is {status:?}");
            Ok(())
        };
        look().with_context(|| kind.to_owned())?;
    }
    Ok(())
}

/// The kind runs at create, when the container's mounts are there and its root is not yet the only one.
fn at_create(bed: &Bed, kind: &str, side: Side) -> Result<()> {
    let stage = Stage::new(bed)?;
    let hooks = Hooks::new(&stage)?;
    let config = stage.config(&["sleep", "60"])?.tmpfs("/mnt/marked", &[]);
    let (config, table) = match side {
        Side::Container => (hooks.add(config, kind, ("it", 0))?, hooks.directory.join("lines")),
        // In the runtime's namespaces a hook sees the container's mounts through the pid that the state names.
        Side::Runtime => {
            let table = hooks.directory.join("mountinfo");
            let script = r#"pid=$(sed 's/.*"pid": *\([0-9]*\).*/\1/') && cat "/proc/$pid/mountinfo" > "$0""#;
            let file = table.to_string_lossy().into_owned();
            (config.hook(kind, &["/bin/sh", "-c", script, &file]), table)
        }
    };
    stage.container(config)?.create()?;
    let seen = std::fs::read_to_string(table).context("the hook did not run")?;
    ensure!(seen.contains("/mnt/marked"), "the container's mount was not there");
    ensure!(
        seen.contains("/etc/") || seen.contains("/tmp/bed"),
        "the root was the container's alone: {seen}"
    );
    Ok(())
}

fn comes_before(bed: &Bed, first: &str, second: &str) -> Result<()> {
    let stage = Stage::new(bed)?;
    let hooks = Hooks::new(&stage)?;
    let config = hooks.add(stage.config(&["sleep", "60"])?, second, (second, 0))?;
    stage.container(hooks.add(config, first, (first, 0))?)?.create()?;
    let names = hooks.names()?;
    ensure!(names == [first, second], "these ran: {names:?}");
    Ok(())
}

/// The program lies on the runtime's side alone.
fn resolves_outside(bed: &Bed, kind: &str) -> Result<()> {
    let seen = one(bed, kind, |container| {
        let inside = container.rootfs().join(next_to_this("tare-payload")?.strip_prefix("/")?);
        ensure!(!inside.exists(), "the program is inside too");
        Ok(())
    })?;
    is(&seen, "/hook", "it")
}

fn in_namespaces(bed: &Bed, kind: &str, side: Side) -> Result<()> {
    let own = std::fs::read_link("/proc/self/ns/mnt")?.to_string_lossy().into_owned();
    let seen = one(bed, kind, |_| Ok(()))?;
    let number = at(&seen, "/namespaces/mnt").as_u64().context("no mount namespace")?;
    let outside = own == format!("mnt:[{number}]");
    ensure!(outside == (side == Side::Runtime), "its mount namespace is {number}, the runtime's is {own}");
    Ok(())
}
