//! The seccomp filter and its agent, by config-linux.md.

use std::io::IoSliceMut;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, recvmsg};
use serde_json::{Value, json};

use crate::bed::Bed;
use crate::check::Check;
use crate::command::until;
use crate::runtime::process::refuses;
use crate::runtime::stage::{Stage, at, is};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "seccomp-default-is-required",
        place: "config-linux.md#seccomp",
        sentence: "`defaultAction` (string, REQUIRED) - the default action for seccomp.",
        run: |bed| refuses(bed, "/linux/seccomp", json!({"architectures": ["SCMP_ARCH_X86_64"]})),
    },
    Check {
        name: "seccomp-errno-of-the-default",
        place: "config-linux.md#seccomp",
        sentence: "`defaultErrnoRet`: When the action doesn't support an errno, the runtime MUST print and error and fail.",
        run: |bed| {
            refuses(bed, "/linux/seccomp", json!({"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 5}))
        },
    },
    Check {
        name: "seccomp-agent-is-a-stream-socket",
        place: "config-linux.md#seccomp",
        sentence: "`listenerPath`: This socket MUST use `AF_UNIX` domain and `SOCK_STREAM` type.",
        run: |bed| {
            told(bed, |told| {
                ensure!(told.first_bytes > 0, "nothing came over it");
                Ok(())
            })
        },
    },
    Check {
        name: "seccomp-agent-gets-one-state",
        place: "config-linux.md#seccomp",
        sentence: "The runtime MUST send exactly one container process state per connection.",
        run: |bed| {
            told(bed, |told| {
                serde_json::from_str::<Value>(&told.text).map(drop).context("not exactly one JSON value")
            })
        },
    },
    Check {
        name: "seccomp-agents-connection-is-closed",
        place: "config-linux.md#seccomp",
        sentence: "The connection MUST NOT be reused and it MUST be closed after sending a seccomp state.",
        // Reading to the end takes the close.
        run: |bed| told(bed, |_| Ok(())),
    },
    Check {
        name: "seccomp-agent-that-does-not-listen",
        place: "config-linux.md#seccomp",
        sentence: "If sending to this socket fails, the runtime MUST generate an error.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let config =
                stage.config(&["true"])?.set("/linux/seccomp", profile(Path::new("/tmp/no-such-socket")));
            stage.try_run(config)?.fails().map(drop)
        },
    },
    Check {
        name: "seccomp-metadata-needs-a-path",
        place: "config-linux.md#seccomp",
        sentence: "`listenerMetadata`: This field MUST NOT be set if `listenerPath` is not set.",
        run: |bed| {
            refuses(
                bed,
                "/linux/seccomp",
                json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"}),
            )
        },
    },
    Check {
        name: "seccomp-names-are-required",
        place: "config-linux.md#seccomp",
        sentence: "`names` (array of strings, REQUIRED) - the names of the syscalls.",
        run: |bed| refuses_rule(bed, json!({"action": "SCMP_ACT_ERRNO"})),
    },
    Check {
        name: "seccomp-names-are-not-empty",
        place: "config-linux.md#seccomp",
        sentence: "`names` MUST contain at least one entry.",
        run: |bed| refuses_rule(bed, json!({"names": [], "action": "SCMP_ACT_ERRNO"})),
    },
    Check {
        name: "seccomp-action-is-required",
        place: "config-linux.md#seccomp",
        sentence: "`action` (string, REQUIRED) - the action for seccomp rules.",
        run: |bed| refuses_rule(bed, json!({"names": ["mkdir"]})),
    },
    Check {
        name: "seccomp-errno-of-a-rule",
        place: "config-linux.md#seccomp",
        sentence: "`errnoRet`: When the action doesn't support an errno, the runtime MUST print and error and fail.",
        run: |bed| refuses_rule(bed, json!({"names": ["mkdir"], "action": "SCMP_ACT_KILL", "errnoRet": 5})),
    },
    Check {
        name: "seccomp-index-is-required",
        place: "config-linux.md#seccomp",
        sentence: "`index` (uint, REQUIRED) - the index for syscall arguments in seccomp.",
        run: |bed| refuses_argument(bed, json!({"value": 1, "op": "SCMP_CMP_EQ"})),
    },
    Check {
        name: "seccomp-value-is-required",
        place: "config-linux.md#seccomp",
        sentence: "`value` (uint64, REQUIRED) - the value for syscall arguments in seccomp.",
        run: |bed| refuses_argument(bed, json!({"index": 0, "op": "SCMP_CMP_EQ"})),
    },
    Check {
        name: "seccomp-operator-is-required",
        place: "config-linux.md#seccomp",
        sentence: "`op` (string, REQUIRED) - the operator for syscall arguments in seccomp.",
        run: |bed| refuses_argument(bed, json!({"index": 0, "value": 1})),
    },
    Check {
        name: "seccomp-state-comes-with-descriptors",
        place: "config-linux.md#the-container-process-state",
        sentence: "The container runtime MUST send the container process state over the UNIX socket as regular payload serialized in JSON and file descriptors MUST be sent using `SCM_RIGHTS`.",
        run: |bed| {
            told(bed, |told| {
                ensure!(told.descriptors == 1, "{} descriptors came", told.descriptors);
                Ok(())
            })
        },
    },
    Check {
        name: "seccomp-descriptors-come-first",
        place: "config-linux.md#the-container-process-state",
        sentence: "If more than one `sendmsg(2)` is used, the file descriptors MUST be sent only in the first call.",
        run: |bed| {
            told(bed, |told| {
                ensure!(told.first_descriptors == told.descriptors, "some came later");
                Ok(())
            })
        },
    },
    Check {
        name: "seccomp-state-names-its-descriptor",
        place: "config-linux.md#seccomp",
        sentence: "`seccompFd` (string, REQUIRED) is the seccomp file descriptor returned by the seccomp syscall.",
        run: |bed| told(bed, |told| is(&serde_json::from_str(&told.text)?, "/fds", json!(["seccompFd"]))),
    },
    Check {
        name: "seccomp-state-has-the-version",
        place: "config-linux.md#the-container-process-state",
        sentence: "`ociVersion` (string, REQUIRED) is the version with which the container process state complies.",
        run: |bed| told(bed, |told| has_string(&told.text, "/ociVersion")),
    },
    Check {
        name: "seccomp-state-has-the-pid",
        place: "config-linux.md#the-container-process-state",
        sentence: "`pid` (int, REQUIRED) is the container process ID, as seen by the runtime.",
        run: |bed| {
            told(bed, |told| {
                let state: Value = serde_json::from_str(&told.text)?;
                ensure!(
                    at(&state, "/pid").as_i64() == Some(told.pid),
                    "the pid is {} and not {}",
                    at(&state, "/pid"),
                    told.pid
                );
                Ok(())
            })
        },
    },
    Check {
        name: "seccomp-state-has-the-state",
        place: "config-linux.md#the-container-process-state",
        sentence: "`state` (state, REQUIRED) is the state of the container.",
        run: |bed| told(bed, |told| has_string(&told.text, "/state/id")),
    },
];

/// What an agent received about a container.
struct Told {
    text: String,
    pid: i64,
    descriptors: usize,
    first_descriptors: usize,
    first_bytes: usize,
}

/// A profile that sends an unused system call to an agent.
fn profile(agent: &Path) -> Value {
    json!({
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "listenerPath": agent,
        "syscalls": [{"names": ["swapoff"], "action": "SCMP_ACT_NOTIFY"}],
    })
}

/// Starts a container with an agent, and looks at what the agent received.
fn told(bed: &Bed, look: fn(&Told) -> Result<()>) -> Result<()> {
    let stage = Stage::new(bed)?;
    let path = stage.files().join("agent");
    let listener = UnixListener::bind(&path)?;
    listener.set_nonblocking(true)?;
    let mut container =
        stage.container(stage.config(&["sleep", "60"])?.set("/linux/seccomp", profile(&path)))?;
    container.create()?;
    container.start()?;
    let accepted = until(Duration::from_secs(2), || Ok(listener.accept().ok()))?;
    let (stream, _) = accepted.context("no connection came to the agent's socket")?;
    look(&listen(&stream, container.pid()?)?)
}

/// Reads to the end of the connection.
fn listen(stream: &UnixStream, pid: i64) -> Result<Told> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(3)))?;
    let mut told = Told { text: String::new(), pid, descriptors: 0, first_descriptors: 0, first_bytes: 0 };
    loop {
        let mut bytes = [0_u8; 4096];
        let mut space = nix::cmsg_space!([i32; 8]);
        let mut into = [IoSliceMut::new(&mut bytes)];
        let message =
            recvmsg::<UnixAddr>(stream.as_raw_fd(), &mut into, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC);
        let Ok(message) = message else { bail!("the connection stays open") };
        let mut count = 0;
        for part in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(descriptors) = part {
                count += descriptors.len();
            }
        }
        let length = message.bytes;
        if length == 0 {
            return Ok(told);
        }
        if told.text.is_empty() {
            (told.first_descriptors, told.first_bytes) = (count, length);
        }
        told.descriptors += count;
        told.text.push_str(&String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()));
    }
}

fn has_string(text: &str, pointer: &str) -> Result<()> {
    let state: Value = serde_json::from_str(text)?;
    ensure!(at(&state, pointer).is_string(), "no {pointer} in {state}");
    Ok(())
}

fn refuses_rule(bed: &Bed, rule: Value) -> Result<()> {
    let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]});
    refuses(bed, "/linux/seccomp", profile)
}

fn refuses_argument(bed: &Bed, argument: Value) -> Result<()> {
    refuses_rule(bed, json!({"names": ["personality"], "action": "SCMP_ACT_ERRNO", "args": [argument]}))
}
