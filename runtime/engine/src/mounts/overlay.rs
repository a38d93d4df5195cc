//! An overlay as the root file system: lower directories, an upper directory and a work directory (overlayfs.rst of the kernel).

use crate::channel::KernelText;
use crate::fault::{Call, During, Fault};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};
use std::ffi::CStr;
use tare_plan::step::{Overlay, OverlayUpper};

/// Creates a detached overlay. On failure `text` receives the kernel's message. Init calls this, so it does not allocate.
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

/// Adds one lower directory. Every kernel has `lowerdir` for a single one. Several are added one by one with `lowerdir+` since
/// Linux 6.7: in the older form, with colons, all paths together have to fit in 256 bytes of fsconfig(2).
fn set_layer(context: BorrowedFd<'_>, index: usize, layer: &CStr, count: usize) -> Result<(), Fault> {
    let key = if count == 1 { c"lowerdir" } else { c"lowerdir+" };
    fsconfig_set_string(context, key, layer)
        .during(Call::FsOption)
        .map_err(|fault| fault.detail(index as u32))
}
