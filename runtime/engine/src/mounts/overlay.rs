//! An overlay as a root file system: layers below, and what is written above (fsopen(2), fsconfig(2)).

use crate::channel::KernelText;
use crate::fault::{Call, During, Fault};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};
use std::ffi::CStr;
use tare_plan::step::{Overlay, OverlayUpper};

/// Makes an overlay that is mounted nowhere yet. On failure `text` gets what the kernel says of it. Nothing is allocated.
pub(crate) fn make(overlay: &Overlay, text: &mut KernelText) -> Result<OwnedFd, Fault> {
    let context = fsopen(c"overlay", FsOpenFlags::FSOPEN_CLOEXEC).during(Call::FsOpen)?;
    let made = configure(context.as_fd(), overlay);
    if made.is_err() {
        *text = KernelText::read(context.as_fd());
    }
    made
}

fn configure(context: BorrowedFd<'_>, overlay: &Overlay) -> Result<OwnedFd, Fault> {
    fsconfig_set_string(context, c"source", c"overlay").during(Call::FsOption)?;
    for (index, layer) in overlay.lower.iter().enumerate() {
        set_layer(context, index, layer, overlay.lower.len())?;
    }
    if let Some(OverlayUpper { upper, work }) = &overlay.upper {
        fsconfig_set_string(context, c"upperdir", upper.as_c_str()).during(Call::FsOption)?;
        fsconfig_set_string(context, c"workdir", work.as_c_str()).during(Call::FsOption)?;
    }
    for (key, value) in &overlay.options {
        match value {
            Some(value) => fsconfig_set_string(context, key.as_c_str(), value.as_c_str()),
            None => fsconfig_set_flag(context, key.as_c_str()),
        }
        .during(Call::FsOption)?;
    }
    fsconfig_create(context).during(Call::FsCreate)?;
    fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).during(Call::FsMount)
}

/// Gives one lower layer: a single one by the option that every kernel has, several one by one (Linux 6.7 on).
fn set_layer(context: BorrowedFd<'_>, index: usize, layer: &CStr, count: usize) -> Result<(), Fault> {
    let key = if count == 1 { c"lowerdir" } else { c"lowerdir+" };
    fsconfig_set_string(context, key, layer)
        .during(Call::FsOption)
        .map_err(|fault| fault.detail(index as u32))
}
