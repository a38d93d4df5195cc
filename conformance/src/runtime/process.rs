//! The process and its user, by config.md.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::bed::Bed;
use crate::check::Check;
use crate::command::Command;
use crate::runtime::stage::{Stage, at, is};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "process-is-required-by-start",
        place: "config.md#process",
        sentence: "This property is REQUIRED when `start` is called.",
        run: |bed| Stage::new(bed)?.needs_a_process(),
    },
    Check {
        name: "console-size-without-a-terminal",
        place: "config.md#process",
        sentence: "Runtimes MUST ignore `consoleSize` if `terminal` is `false` or unset.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let size = json!({"height": 10, "width": 20});
            let config = stage.config(&[])?.set("/process/consoleSize", size);
            for config in [config.clone(), config.remove("/process/terminal")] {
                is(&stage.report(config, &[])?, "/terminal", json!(null))?;
            }
            Ok(())
        },
    },
    Check {
        name: "console-height-is-required",
        place: "config.md#process",
        sentence: "`height` (uint, REQUIRED)",
        run: |bed| refuses(bed, "/process/consoleSize", json!({"width": 20})),
    },
    Check {
        name: "console-width-is-required",
        place: "config.md#process",
        sentence: "`width` (uint, REQUIRED)",
        run: |bed| refuses(bed, "/process/consoleSize", json!({"height": 20})),
    },
    Check {
        name: "cwd-is-required",
        place: "config.md#process",
        sentence: "`cwd` (string, REQUIRED) is the working directory that will be set for the executable.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            is(&stage.report(stage.config(&[])?.set("/process/cwd", "/tmp"), &[])?, "/cwd", "/tmp")?;
            stage.refuses_config(stage.config(&["true"])?.remove("/process/cwd"))
        },
    },
    Check {
        name: "cwd-is-absolute",
        place: "config.md#process",
        sentence: "This value MUST be an absolute path.",
        run: |bed| refuses(bed, "/process/cwd", json!("tmp")),
    },
    Check {
        name: "args-have-an-entry",
        place: "config.md#process",
        sentence: "This specification extends the IEEE standard in that at least one entry is REQUIRED (non-Windows), and that entry is used with the same semantics as `execvp`'s *file*.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let config = stage.config(&[])?.set("/process/env", json!(["PATH=/nothing:/bin"]));
            stage.runs(config.args(&["payload", "true"]))?;
            let empty = stage.config(&[])?.set("/process/args", json!([]));
            let mut container = stage.container(empty)?;
            if container.try_create(&[])?.code == 0 {
                container.verb(&["start"])?.fails()?;
            }
            Ok(())
        },
    },
    Check {
        name: "rlimit-type-is-required",
        place: "config.md#posix-process",
        sentence: "`type` (string, REQUIRED) the platform resource being limited.",
        run: |bed| refuses(bed, "/process/rlimits", json!([{"soft": 10, "hard": 10}])),
    },
    Check {
        name: "rlimit-type-is-the-kernels",
        place: "config.md#posix-process",
        sentence: "The runtime MUST generate an error for any values which cannot be mapped to a relevant kernel interface.",
        run: |bed| refuses(bed, "/process/rlimits", json!([{"type": "RLIMIT_TEST", "soft": 10, "hard": 10}])),
    },
    Check {
        name: "rlimits-can-be-asked",
        place: "config.md#posix-process",
        sentence: "For each entry in `rlimits`, a `getrlimit(3)` on `type` MUST succeed.",
        run: every_limit,
    },
    Check {
        name: "rlimit-soft-is-required",
        place: "config.md#posix-process",
        sentence: "`soft` (uint64, REQUIRED) the value of the limit enforced for the corresponding resource.",
        run: |bed| refuses(bed, "/process/rlimits", json!([{"type": "RLIMIT_NOFILE", "hard": 10}])),
    },
    Check {
        name: "rlimit-soft-is-applied",
        place: "config.md#posix-process",
        sentence: "`rlim.rlim_cur` MUST match the configured value.",
        run: |bed| limited(bed, "/rlimits/RLIMIT_NOFILE/soft", 100),
    },
    Check {
        name: "rlimit-hard-is-required",
        place: "config.md#posix-process",
        sentence: "`hard` (uint64, REQUIRED) the ceiling for the soft limit that could be set by an unprivileged process.",
        run: |bed| refuses(bed, "/process/rlimits", json!([{"type": "RLIMIT_NOFILE", "soft": 10}])),
    },
    Check {
        name: "rlimit-hard-is-applied",
        place: "config.md#posix-process",
        sentence: "`rlim.rlim_max` MUST match the configured value.",
        run: |bed| limited(bed, "/rlimits/RLIMIT_NOFILE/hard", 200),
    },
    Check {
        name: "rlimits-are-not-repeated",
        place: "config.md#posix-process",
        sentence: "If `rlimits` contains duplicated entries with same `type`, the runtime MUST generate an error.",
        run: |bed| {
            let limit = json!({"type": "RLIMIT_NOFILE", "soft": 10, "hard": 10});
            refuses(bed, "/process/rlimits", json!([limit, limit]))
        },
    },
    Check {
        name: "unknown-capability-is-a-warning",
        place: "config.md#linux-process",
        sentence: "Any value which cannot be mapped to a relevant kernel interface, or cannot be granted otherwise MUST be logged as a warning by the runtime.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let config =
                stage.config(&["true"])?.set("/process/capabilities/bounding", json!(["CAP_NO_SUCH"]));
            let output = stage.runs(config)?;
            ensure!(output.err.contains("CAP_NO_SUCH"), "it does not say so: {:?}", output.err);
            Ok(())
        },
    },
    Check {
        name: "capability-that-is-not-to-be-had",
        place: "config.md#linux-process",
        sentence: "Runtimes SHOULD NOT fail if the container configuration requests capabilities that cannot be granted.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let names = json!(["CAP_KILL", "CAP_WAKE_ALARM"]);
            let mut config = stage.config(&["report"])?;
            for set in ["bounding", "effective", "permitted"] {
                config = config.set(&format!("/process/capabilities/{set}"), names.clone());
            }
            let container = stage.container(config)?;
            let bundle = container.bundle.to_string_lossy().into_owned();
            let call = Command::new("setpriv", stage.files())
                .args(["--bounding-set", "-wake_alarm", "--inh-caps", "-wake_alarm"])
                .args([bed.subject.path.as_os_str()])
                .args(["--root", "/run/runtime", "run", "--bundle", &bundle, &container.id]);
            is(&call.run()?.succeeds()?.json()?, "/capabilities/effective", json!(["CAP_KILL"]))
        },
    },
    Check {
        name: "oom-score-is-set",
        place: "config.md#linux-process",
        sentence: "If `oomScoreAdj` is set, the runtime MUST set `oom_score_adj` to the given value.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            // Lower ones than its own take a right that the machine may not give.
            for score in [100, 300, 1000] {
                let report = stage.report(stage.config(&[])?.set("/process/oomScoreAdj", score), &[])?;
                is(&report, "/oom_score_adj", score)?;
            }
            Ok(())
        },
    },
    Check {
        name: "oom-score-is-left-alone",
        place: "config.md#linux-process",
        sentence: "If `oomScoreAdj` is not set, the runtime MUST NOT change the value of `oom_score_adj`.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            std::fs::write("/proc/self/oom_score_adj", "77")?;
            is(&stage.report(stage.config(&[])?, &[])?, "/oom_score_adj", 77)
        },
    },
    Check {
        name: "scheduler-policy-is-required",
        place: "config.md#linux-process",
        sentence: "`policy` (string, REQUIRED) represents the scheduling policy.",
        run: |bed| refuses(bed, "/process/scheduler", json!({"nice": 5})),
    },
    Check {
        name: "io-priority-class-is-required",
        place: "config.md#linux-process",
        sentence: "`class` (string, REQUIRED) specifies the I/O scheduling class.",
        run: |bed| refuses(bed, "/process/ioPriority", json!({"priority": 5})),
    },
    Check {
        name: "io-priority-is-required",
        place: "config.md#linux-process",
        sentence: "`priority` (int, REQUIRED) specifies the priority level within the class.",
        // The schema does not require it: what is given has to be applied.
        run: |bed| {
            let stage = Stage::new(bed)?;
            let priority = json!({"class": "IOPRIO_CLASS_BE", "priority": 6});
            let mut container =
                stage.container(stage.config(&["sleep", "60"])?.set("/process/ioPriority", priority))?;
            container.create()?;
            container.start()?;
            let pid = container.pid()?.to_string();
            let told = Command::new("ionice", stage.files()).args(["-p", &pid]).run()?.succeeds()?.out;
            ensure!(told.trim() == "best-effort: prio 6", "it is {}", told.trim());
            Ok(())
        },
    },
    Check {
        name: "uid-is-required",
        place: "config.md#posix-platform-user",
        sentence: "`uid` (int, REQUIRED) specifies the user ID in the container namespace.",
        // The schema does not require it: what is given has to be applied.
        run: |bed| user(bed, "/uid", "/process/user/uid"),
    },
    Check {
        name: "gid-is-required",
        place: "config.md#posix-platform-user",
        sentence: "`gid` (int, REQUIRED) specifies the group ID in the container namespace.",
        // The schema does not require it: what is given has to be applied.
        run: |bed| user(bed, "/gid", "/process/user/gid"),
    },
    Check {
        name: "personality-domain-is-required",
        place: "config-linux.md#personality",
        sentence: "`domain` (string, REQUIRED) - the execution domain.",
        run: |bed| refuses(bed, "/linux/personality", json!({"flags": []})),
    },
    Check {
        name: "memory-policy-mode-is-required",
        place: "config-linux.md#memory-policy",
        sentence: "`mode` (string, REQUIRED) is the memory policy's mode.",
        run: |bed| refuses(bed, "/linux/memoryPolicy", json!({"nodes": "0"})),
    },
];

/// The value at the place makes create fail.
pub(super) fn refuses(bed: &Bed, place: &str, value: serde_json::Value) -> Result<()> {
    let stage = Stage::new(bed)?;
    stage.refuses_config(stage.config(&["true"])?.set(place, value))
}

/// Every limit there is, each lowered, since raising one takes a right that the machine may not give.
fn every_limit(bed: &Bed) -> Result<()> {
    let stage = Stage::new(bed)?;
    let own = std::fs::read_to_string("/proc/self/limits")?;
    let mut limits = Vec::new();
    for (line, name) in LIMITS {
        let row = own.lines().find_map(|row| row.strip_prefix(line)).unwrap_or_default();
        let hard = row.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(1_u64 << 33);
        limits.push(json!({"type": format!("RLIMIT_{name}"), "soft": hard / 2, "hard": hard}));
    }
    let report = stage.report(stage.config(&[])?.set("/process/rlimits", limits.clone()), &[])?;
    for limit in &limits {
        let name = at(limit, "/type").as_str().unwrap_or_default();
        is(&report, &format!("/rlimits/{name}/soft"), at(limit, "/soft").clone())?;
        is(&report, &format!("/rlimits/{name}/hard"), at(limit, "/hard").clone())?;
    }
    Ok(())
}

/// The lines of /proc/PID/limits, and the kernel's names.
const LIMITS: &[(&str, &str)] = &[
    ("Max address space", "AS"),
    ("Max core file size", "CORE"),
    ("Max cpu time", "CPU"),
    ("Max data size", "DATA"),
    ("Max file size", "FSIZE"),
    ("Max file locks", "LOCKS"),
    ("Max locked memory", "MEMLOCK"),
    ("Max msgqueue size", "MSGQUEUE"),
    ("Max nice priority", "NICE"),
    ("Max open files", "NOFILE"),
    ("Max processes", "NPROC"),
    ("Max resident set", "RSS"),
    ("Max realtime priority", "RTPRIO"),
    ("Max realtime timeout", "RTTIME"),
    ("Max pending signals", "SIGPENDING"),
    ("Max stack size", "STACK"),
];

fn limited(bed: &Bed, pointer: &str, wanted: u64) -> Result<()> {
    let stage = Stage::new(bed)?;
    let limit = json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]);
    is(&stage.report(stage.config(&[])?.set("/process/rlimits", limit), &[])?, pointer, wanted)
}

fn user(bed: &Bed, pointer: &str, place: &str) -> Result<()> {
    let stage = Stage::new(bed)?;
    is(&stage.report(stage.config(&[])?.set(place, 4321), &[])?, pointer, 4321)
}
