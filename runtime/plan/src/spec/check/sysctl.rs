//! Checks of kernel parameters: a container sets only those that a namespace of its own has (namespaces(7)).

use crate::spec::mistake::{Place, Report};
use crate::spec::sysctl::SysctlName;
use crate::spec::{NamespaceKind, Spec};

/// The parameters of System V IPC (ipc_namespaces(7)); those of POSIX message queues are below fs.mqueue.
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

/// Returns why a parameter can't be set. The messages are runc's, which callers know.
fn allowed(spec: &Spec, name: &str, value: &str) -> Result<(), String> {
    let Some(name) = SysctlName::parse(name) else {
        return Err(format!("sysctl {name:?} is not the name of a kernel parameter"));
    };
    let dotted = name.dotted();
    let is_ipc = IPC.contains(&dotted.as_str()) || dotted.starts_with("fs.mqueue.");
    if is_ipc && !spec.linux.has(NamespaceKind::Ipc) {
        return Err(format!("sysctl {dotted:?} is not allowed in the hosts ipc namespace"));
    }
    let is_net = name.family() == "net";
    if is_net && !spec.linux.has(NamespaceKind::Network) {
        return Err(format!("sysctl {dotted:?} not allowed in host network namespace"));
    }
    if is_ipc || is_net { Ok(()) } else { uts(spec, &dotted, value) }
}

/// The two names of a UTS namespace. Each has a property of its own in config.json, which takes precedence.
fn uts(spec: &Spec, dotted: &str, value: &str) -> Result<(), String> {
    let conflict =
        |field| Err(format!("sysctl {dotted:?} is not allowed as it conflicts with the OCI {field:?} field"));
    let has_uts = spec.linux.has(NamespaceKind::Uts);
    match dotted {
        "kernel.domainname" if has_uts => match spec.domainname.as_deref() {
            Some(domainname) if domainname != value => conflict("domainname"),
            _ => Ok(()),
        },
        "kernel.hostname" if has_uts => conflict("hostname"),
        _ => Err(format!("sysctl {dotted:?} is not in a separate kernel namespace")),
    }
}
