//! Checks of kernel parameters: only those that belong to a namespace of the container may be set.

use crate::spec::mistake::{Place, Report};
use crate::spec::{NamespaceKind, Spec, sysctl_components};

/// The parameters of System V IPC; those of POSIX message queues stand below fs.mqueue.
const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

pub(super) fn check(spec: &Spec, at: &Place<'_>, report: &mut Report) {
    for (name, value) in &spec.linux.sysctl {
        if let Err(what) = allowed(spec, name, value) {
            report.wrong(&at.key(name), what);
        }
    }
}

/// The messages are runc's, which callers know.
fn allowed(spec: &Spec, name: &str, value: &str) -> Result<(), String> {
    let components = sysctl_components(name);
    let odd = |component: &String| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.@:".contains(&byte);
        component.is_empty() || component == "." || component == ".." || !component.bytes().all(plain)
    };
    if components.iter().any(odd) {
        return Err(format!("sysctl {name:?} is not the name of a kernel parameter"));
    }
    let dotted = components.join(".");
    let ours = |kind| spec.linux.has(kind);
    match components.first().map(String::as_str) {
        _ if IPC.contains(&dotted.as_str()) || dotted.starts_with("fs.mqueue.") => {
            let refused = || format!("sysctl {dotted:?} is not allowed in the hosts ipc namespace");
            ours(NamespaceKind::Ipc).then_some(()).ok_or_else(refused)
        }
        Some("net") => {
            let refused = || format!("sysctl {dotted:?} not allowed in host network namespace");
            ours(NamespaceKind::Network).then_some(()).ok_or_else(refused)
        }
        _ if ours(NamespaceKind::Uts) => names(spec, &dotted, value),
        _ => Err(separate(&dotted)),
    }
}

/// The names of a uts namespace, as far as no property of their own sets them.
fn names(spec: &Spec, dotted: &str, value: &str) -> Result<(), String> {
    let conflict =
        |field| format!("sysctl {dotted:?} is not allowed as it conflicts with the OCI {field:?} field");
    match dotted {
        "kernel.domainname" => match spec.domainname.as_deref() {
            Some(domainname) if domainname != value => Err(conflict("domainname")),
            _ => Ok(()),
        },
        "kernel.hostname" => Err(conflict("hostname")),
        _ => Err(separate(dotted)),
    }
}

fn separate(dotted: &str) -> String {
    format!("sysctl {dotted:?} is not in a separate kernel namespace")
}
