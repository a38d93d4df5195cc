//! Labels of security modules, for the program, its keyring and its mounts (config.md, "Linux Process";
//! config-linux.md, "Mount Label").
//!
//! A topic: the verbs, `namespaces` and `mounts` use it.

use crate::context::Context;
use crate::draft::Draft;
use crate::place::Place;
use crate::spec::Process;
use crate::step::{Label, LabelTarget, MountOption, ProcessStep};

/// runc's wording: callers parse it.
const NO_SELINUX: &str = "selinux label is specified in config, but selinux is disabled or not supported";
const NO_APPARMOR: &str = "apparmor: config provided but apparmor not supported";

/// The file system types without the option `context`: the kernel labels their files itself.
const LABELLED_BY_KERNEL: &[&str] = &["proc", "sysfs", "mqueue", "cgroup", "cgroup2"];

/// The AppArmor profile that confines nothing. Without AppArmor it is not an error.
const UNCONFINED: &str = "unconfined";

/// Plans the labels that the program gets at exec. Init writes them before it sets no_new_privs: with that
/// set, AppArmor refuses a profile that allows more than the current one.
pub(crate) fn program(draft: &mut Draft, context: &Context<'_>, process: &Process) {
    if let Some(profile) = nonempty(process.apparmor_profile.as_deref()) {
        let place = Place::of("process.apparmorProfile");
        if context.host.security.apparmor {
            let value = draft.text(&format!("exec {profile}"), place);
            draft.init(ProcessStep::Label(Label { target: LabelTarget::ApparmorProgram, value }), place);
        } else if profile != UNCONFINED {
            draft.refuse(place, NO_APPARMOR);
        }
    }
    selinux(draft, context, process, LabelTarget::SelinuxProgram);
}

/// Plans the label of new keyrings: the program's label. The kernel resets it at exec (proc_pid_attr(5),
/// `keycreate`).
pub(crate) fn keyring(draft: &mut Draft, context: &Context<'_>, process: &Process) {
    if context.host.security.selinux {
        selinux(draft, context, process, LabelTarget::SelinuxKeys);
    }
}

fn selinux(draft: &mut Draft, context: &Context<'_>, process: &Process, target: LabelTarget) {
    let Some(label) = nonempty(process.selinux_label.as_deref()) else { return };
    let place = Place::of("process.selinuxLabel");
    if !context.host.security.selinux {
        return draft.refuse(place, NO_SELINUX);
    }
    let value = draft.text(label, place);
    draft.init(ProcessStep::Label(Label { target, value }), place);
}

/// Refuses `linux.mountLabel` without SELinux.
pub(crate) fn check_mounts(draft: &mut Draft, context: &Context<'_>) {
    if nonempty(context.spec.linux.mount_label.as_deref()).is_some() && !context.host.security.selinux {
        draft.refuse(Place::of("linux.mountLabel"), NO_SELINUX);
    }
}

/// Returns the option `context` for a new file system of this type. Options of the mount that set a label
/// themselves (`context`, `fscontext`, `defcontext`, `rootcontext`) replace it.
pub(crate) fn mount_context(
    draft: &mut Draft,
    context: &Context<'_>,
    kind: &str,
    options: &[MountOption],
) -> Option<MountOption> {
    let label = nonempty(context.spec.linux.mount_label.as_deref())?;
    let own = options.iter().any(|option| option.key.as_bytes().ends_with(b"context"));
    if own || LABELLED_BY_KERNEL.contains(&kind) {
        return None;
    }
    let value = draft.text(label, Place::of("linux.mountLabel"));
    Some(MountOption { key: c"context".to_owned(), value: Some(value), index: options.len() })
}

/// Go callers write an empty string for no label.
fn nonempty(label: Option<&str>) -> Option<&str> {
    label.filter(|label| !label.is_empty())
}
