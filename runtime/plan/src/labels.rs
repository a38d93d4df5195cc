//! Labels of security modules: of the program, of its keyring, of its mounts (config.md, "Linux Process"; config-linux.md,
//! "Mount Label").

use crate::context::Context;
use crate::draft::Draft;
use crate::place::Place;
use crate::spec::Process;
use crate::step::{Label, LabelTarget, MountOption, ProcessStep};

/// runc's words, which callers know.
const NO_SELINUX: &str = "selinux label is specified in config, but selinux is disabled or not supported";
const NO_APPARMOR: &str = "apparmor: config provided but apparmor not supported";

/// Types of file systems that take no context: the kernel labels what is in them itself.
const LABELLED_BY_KERNEL: &[&str] = &["proc", "sysfs", "mqueue", "cgroup", "cgroup2"];

/// The profile by which AppArmor confines nothing, as if there were no AppArmor.
const UNCONFINED: &str = "unconfined";

/// Plans the labels that the program gets by its execution. Written before no-new-privileges is set, from when on AppArmor
/// accepts no profile that allows more.
pub(crate) fn program(draft: &mut Draft, context: &Context<'_>, process: &Process) {
    if let Some(profile) = given(process.apparmor_profile.as_deref()) {
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

/// Plans the label of the keyring, which is the program's. The kernel forgets it when the program is executed.
pub(crate) fn keys(draft: &mut Draft, context: &Context<'_>, process: &Process) {
    if context.host.security.selinux {
        selinux(draft, context, process, LabelTarget::SelinuxKeys);
    }
}

fn selinux(draft: &mut Draft, context: &Context<'_>, process: &Process, target: LabelTarget) {
    let Some(label) = given(process.selinux_label.as_deref()) else { return };
    let place = Place::of("process.selinuxLabel");
    if !context.host.security.selinux {
        return draft.refuse(place, NO_SELINUX);
    }
    let value = draft.text(label, place);
    draft.init(ProcessStep::Label(Label { target, value }), place);
}

/// Refuses a label of mounts that no module would take.
pub(crate) fn check_mounts(draft: &mut Draft, context: &Context<'_>) {
    if given(context.spec.linux.mount_label.as_deref()).is_some() && !context.host.security.selinux {
        draft.refuse(Place::of("linux.mountLabel"), NO_SELINUX);
    }
}

/// The option by which a new file system of this type gets the label of mounts; nothing where it has one of its own.
pub(crate) fn of_mount(
    draft: &mut Draft,
    context: &Context<'_>,
    (kind, options): (&str, &[MountOption]),
) -> Option<MountOption> {
    let label = given(context.spec.linux.mount_label.as_deref())?;
    let own = options.iter().any(|option| option.key.as_bytes().ends_with(b"context"));
    if own || LABELLED_BY_KERNEL.contains(&kind) {
        return None;
    }
    let value = draft.text(label, Place::of("linux.mountLabel"));
    Some(MountOption { key: c"context".to_owned(), value: Some(value), index: options.len() })
}

/// Go writes the empty string for none.
fn given(label: Option<&str>) -> Option<&str> {
    label.filter(|label| !label.is_empty())
}
