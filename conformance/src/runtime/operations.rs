//! The operations create, start, kill and delete, by runtime.md.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::bed::Bed;
use crate::check::Check;
use crate::command::eventually;
use crate::runtime::stage::{Stage, is};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "create-needs-an-id-and-a-bundle",
        place: "runtime.md#create",
        sentence: "This operation MUST generate an error if it is not provided a path to the bundle and the container ID to associate with the container.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            stage.refuses(&["create"])?;
            stage.refuses(&["create", "--bundle", "/tmp/no-such-bundle", &stage.id()])?;
            stage.refuses(&["create", &stage.id()])
        },
    },
    Check {
        name: "create-refuses-ids",
        place: "runtime.md#create",
        sentence: "If the ID provided is not unique across all containers within the scope of the runtime, or is not valid in any other way, the implementation MUST generate an error and a new container MUST NOT be created.",
        run: refuses_ids,
    },
    Check {
        name: "create-creates",
        place: "runtime.md#create",
        sentence: "This operation MUST create a new container.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mut container = stage.container(stage.config(&["sleep", "60"])?)?;
            container.create()?;
            container.is("created")
        },
    },
    Check {
        name: "create-applies-all-but-process",
        place: "runtime.md#create",
        sentence: "All of the properties configured in `config.json` except for `process` MUST be applied.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let config = stage.config(&["sleep", "60"])?.hostname("applied").tmpfs("/tmp/extra", &[]);
            let mut container =
                stage.container(config.set("/linux/sysctl", json!({"kernel.msgmax": "4096"})))?;
            container.create()?;
            let pid = container.pid()?;
            let read = |file: &str| {
                let text = std::fs::read_to_string(format!("/proc/{pid}/{file}"));
                text.with_context(|| file.to_owned())
            };
            ensure!(read("mountinfo")?.contains("/tmp/extra"), "the mount is not there");
            let name = nsenter(&stage, pid, &["uname", "-n"])?;
            ensure!(name.trim() == "applied", "the hostname is {name}");
            let limit = nsenter(&stage, pid, &["cat", "/proc/sys/kernel/msgmax"])?;
            ensure!(limit.trim() == "4096", "the sysctl is {limit}");
            Ok(())
        },
    },
    Check {
        name: "create-does-not-run-the-program",
        place: "runtime.md#create",
        sentence: "`process.args` MUST NOT be applied until triggered by the `start` operation.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mut container = stage.container(stage.config(&["echo", "it", "runs"])?)?;
            container.create()?;
            let words = std::fs::read_to_string(format!("/proc/{}/cmdline", container.pid()?))?;
            ensure!(!words.contains("payload"), "process.args is the process's already: {words:?}");
            ensure!(container.printed().is_empty(), "it printed {:?}", container.printed());
            container.start()?;
            container.prints("it runs")
        },
    },
    Check {
        name: "create-refuses-what-it-cannot-apply",
        place: "runtime.md#create",
        sentence: "If the runtime cannot apply a property as specified in the configuration, it MUST generate an error and a new container MUST NOT be created.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mount = json!({"destination": "/mnt", "type": "nosuchfs", "source": "none"});
            stage.refuses_config(stage.config(&["true"])?.mount(mount))?;
            let sysctl = json!({"kernel.no_such_setting_at_all": "1"});
            stage.refuses_config(stage.config(&["true"])?.set("/linux/sysctl", sysctl))
        },
    },
    Check {
        name: "start-needs-an-id",
        place: "runtime.md#start",
        sentence: "This operation MUST generate an error if it is not provided the container ID.",
        run: |bed| Stage::new(bed)?.refuses(&["start"]),
    },
    Check {
        name: "start-of-what-is-not-created",
        place: "runtime.md#start",
        sentence: "Attempting to `start` a container that is not `created` MUST have no effect on the container and MUST generate an error.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mut container = stage.container(stage.config(&["sleep", "60"])?)?;
            container.verb(&["start"])?.fails()?;
            container.create()?;
            container.start()?;
            let pid = container.pid()?;
            container.verb(&["start"])?.fails()?;
            container.is("running")?;
            ensure!(container.pid()? == pid, "it has another process");
            container.kill("KILL")?.succeeds()?;
            container.becomes("stopped")?;
            container.verb(&["start"])?.fails()?;
            container.is("stopped")
        },
    },
    Check {
        name: "start-runs-the-program",
        place: "runtime.md#start",
        sentence: "This operation MUST run the user-specified program as specified by `process`.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let config = stage.config(&["report"])?.env("GIVEN=yes").set("/process/cwd", "/tmp");
            let report = stage.report(config, &[])?;
            is(&report, "/cwd", "/tmp")?;
            is(&report, "/args/0", "/bin/payload")?;
            ensure!(report.to_string().contains("\"GIVEN=yes\""), "the environment lacks what was given");
            Ok(())
        },
    },
    Check {
        name: "start-needs-a-process",
        place: "runtime.md#start",
        sentence: "This operation MUST generate an error if `process` was not set.",
        run: |bed| Stage::new(bed)?.needs_a_process(),
    },
    Check {
        name: "kill-needs-an-id",
        place: "runtime.md#kill",
        sentence: "This operation MUST generate an error if it is not provided the container ID.",
        run: |bed| Stage::new(bed)?.refuses(&["kill"]),
    },
    Check {
        name: "kill-of-what-does-not-run",
        place: "runtime.md#kill",
        sentence: "Attempting to send a signal to a container that is neither `created` nor `running` MUST have no effect on the container and MUST generate an error.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mut container = stage.container(stage.config(&["true"])?)?;
            container.kill("TERM")?.fails()?;
            container.create()?;
            container.start()?;
            container.becomes("stopped")?;
            let before = container.state()?;
            container.kill("TERM")?.fails()?;
            ensure!(container.state()? == before, "its state has changed");
            Ok(())
        },
    },
    Check {
        name: "kill-sends-the-signal",
        place: "runtime.md#kill",
        sentence: "This operation MUST send the specified signal to the container process.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mut container = stage.container(stage.config(&["trap", "USR1", "USR2", "TERM"])?)?;
            container.create()?;
            container.start()?;
            container.prints("ready")?;
            for signal in ["USR1", "USR2", "TERM"] {
                container.kill(signal)?.succeeds()?;
                container.prints(&format!("SIG{signal}"))?;
            }
            Ok(())
        },
    },
    Check {
        name: "delete-needs-an-id",
        place: "runtime.md#delete",
        sentence: "This operation MUST generate an error if it is not provided the container ID.",
        run: |bed| Stage::new(bed)?.refuses(&["delete"]),
    },
    Check {
        name: "delete-of-what-has-not-stopped",
        place: "runtime.md#delete",
        sentence: "Attempting to `delete` a container that is not `stopped` MUST have no effect on the container and MUST generate an error.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mut container = stage.container(stage.config(&["sleep", "60"])?)?;
            container.verb(&["delete"])?.fails()?;
            container.create()?;
            container.start()?;
            container.verb(&["delete"])?.fails()?;
            container.is("running")?;
            let mut created = stage.container(stage.config(&["sleep", "60"])?)?;
            created.create()?;
            created.verb(&["delete"])?.fails().context("it is created")?;
            created.is("created")
        },
    },
    Check {
        name: "delete-deletes-what-create-made",
        place: "runtime.md#delete",
        sentence: "Deleting a container MUST delete the resources that were created during the `create` step.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mut container = stage.container(stage.config(&["sleep", "60"])?.pids(20))?;
            let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
            container.create()?;
            let (group, pid) = (container.cgroup("pids"), container.pid()?);
            ensure!(group.is_dir(), "there is no {}", group.display());
            container.start()?;
            container.removes()?;
            eventually("the cgroup is gone", || Ok(!group.exists()))?;
            ensure!(
                !std::path::Path::new("/proc").join(pid.to_string()).join("exe").exists(),
                "its process is there"
            );
            ensure!(std::fs::read_to_string("/proc/self/mountinfo")? == mounts, "mounts are left");
            container.try_state()?.fails().map(drop)
        },
    },
    Check {
        name: "delete-spares-what-others-made",
        place: "runtime.md#delete",
        sentence: "Note that resources associated with the container, but not created by this container, MUST NOT be deleted.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let others = stage.files().join("volume");
            std::fs::create_dir(&others)?;
            std::fs::write(others.join("file"), "kept")?;
            let config = stage.config(&["sleep", "60"])?.bind(&others.to_string_lossy(), "/mnt", &[]);
            let mut container = stage.container(config)?;
            container.create()?;
            container.start()?;
            container.removes()?;
            ensure!(
                others.join("file").exists() && container.rootfs().join("bin").exists(),
                "files are gone"
            );
            Ok(())
        },
    },
];

fn refuses_ids(bed: &Bed) -> Result<()> {
    let stage = Stage::new(bed)?;
    let mut first = stage.container(stage.config(&["sleep", "60"])?)?;
    first.create()?;
    let before = first.state()?;
    let other = stage.container(stage.config(&["true"])?)?;
    let bundle = other.bundle.to_string_lossy().into_owned();
    for id in [first.id.as_str(), "", ".", "..", "a/b", "../up", "a b"] {
        stage.refuses(&["create", "--bundle", &bundle, id]).with_context(|| format!("the id {id:?}"))?;
    }
    ensure!(first.state()? == before, "the first container has changed");
    Ok(())
}

/// What a program prints in the namespaces of names and of messages of a process.
fn nsenter(stage: &Stage, pid: i64, words: &[&str]) -> Result<String> {
    let pid = pid.to_string();
    let call = crate::command::Command::new("nsenter", stage.files());
    Ok(call.args(["--uts", "--ipc", "--target", &pid]).args(words).run()?.succeeds()?.out)
}
