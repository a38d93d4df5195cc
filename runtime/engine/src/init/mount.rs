//! Mounts inside the root file system. Each is created detached and then attached at an open file descriptor.

use super::mask;
use super::state::Init;
use crate::channel::KernelText;
use crate::fault::{Call, During, Fault};
use crate::mounts::attributes::{attach_at, change, map_ids, propagate};
use crate::mounts::procfs::PROCFS;
use crate::mounts::root_dir::{self, RootDir};
use crate::mounts::tree;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};
use tare_plan::step::{Attributes, Content, Guard, Mount, MountOption, MountStep, RootMode, Target};

/// Carries out a mount step.
pub(super) fn act(init: &mut Init<'_>, step: &MountStep) -> Result<(), Fault> {
    match step {
        MountStep::Bind { source, target, content } => {
            let tree = tree::clone(source, init.slots)?;
            attach(init, tree.as_fd(), target, *content)
        }
        MountStep::New(mount) => self::mount(init, mount),
        MountStep::Attach { tree, target, content } => {
            let tree = init.slots.copy_of(*tree)?;
            attach(init, tree.as_fd(), target, *content)
        }
        MountStep::Remount { target, attributes, propagation } => {
            remount(init.root_dir()?, target, *attributes, *propagation)
        }
        MountStep::Mask { path, null } => mask::mask(init, path, *null),
        MountStep::ReadonlyPath { path } => mask::readonly(init.root_dir()?, path),
    }
}

/// Creates a new file system and mounts it (fsopen(2), fsmount(2)).
fn mount(init: &mut Init<'_>, mount: &Mount) -> Result<(), Fault> {
    let place = make_target(init.root_dir()?, &mount.target, FileType::Directory)?;
    let tree = new_file_system(init, mount, place.as_fd())?;
    if let Some(map) = mount.id_map {
        map_ids(tree.as_fd(), map, init.slots.get(map.namespace)?)?;
    }
    for flags in &mount.propagation {
        propagate(tree.as_fd(), *flags)?;
    }
    fill_and_attach(tree.as_fd(), place.as_fd(), mount.content)?;
    cover_root(init, tree.as_fd(), &mount.target)
}

/// Makes a mount over the root directory itself the root for later lookups.
fn cover_root(init: &mut Init<'_>, tree: BorrowedFd<'_>, target: &Target) -> Result<(), Fault> {
    if target.path.is_empty() {
        init.root = Some(rustix::io::fcntl_dupfd_cloexec(tree, 3).during(Call::Duplicate)?);
    }
    Ok(())
}

/// Creates a detached file system. On failure the kernel's message is kept for the report.
fn new_file_system(init: &mut Init<'_>, mount: &Mount, place: BorrowedFd<'_>) -> Result<OwnedFd, Fault> {
    let context = fsopen(mount.kind.as_c_str(), FsOpenFlags::FSOPEN_CLOEXEC).during(Call::FsOpen)?;
    let tree = configure(context.as_fd(), mount, place);
    if tree.is_err() {
        init.text = KernelText::read(context.as_fd());
    }
    tree
}

/// Sets the options of a file system and creates it. The detail of a failure is the index of the option in the configuration.
fn configure(context: BorrowedFd<'_>, mount: &Mount, place: BorrowedFd<'_>) -> Result<OwnedFd, Fault> {
    fsconfig_set_string(context, c"source", mount.source.as_c_str()).during(Call::FsOption)?;
    if mount.mode == RootMode::Covered {
        set_mode(context, root_dir::stat(place)?.st_mode & 0o7777).during(Call::FsOption)?;
    }
    for option in &mount.options {
        set_option(context, option)
            .during(Call::FsOption)
            .map_err(|fault| fault.detail(option.index as u32))?;
    }
    fsconfig_create(context).during(Call::FsCreate)?;
    let attributes = MountAttrFlags::from_bits_retain(mount.attributes as u32);
    fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).during(Call::FsMount)
}

/// Sets the option `mode` in octal digits. A tmpfs without `mode` gets the mode of the directory that it covers, as in runc.
fn set_mode(context: BorrowedFd<'_>, mode: u32) -> rustix::io::Result<()> {
    let digit = |place: u32| b'0' + (mode >> (3 * place) & 7) as u8;
    fsconfig_set_string(context, c"mode", [digit(3), digit(2), digit(1), digit(0)].as_slice())
}

fn set_option(context: BorrowedFd<'_>, option: &MountOption) -> rustix::io::Result<()> {
    match &option.value {
        Some(value) => fsconfig_set_string(context, option.key.as_c_str(), value.as_c_str()),
        None => fsconfig_set_flag(context, option.key.as_c_str()),
    }
}

/// Attaches a detached mount at its target. A missing target is created: a directory for a directory, a file for any other.
fn attach(init: &mut Init<'_>, tree: BorrowedFd<'_>, target: &Target, content: Content) -> Result<(), Fault> {
    let kind = FileType::from_raw_mode(root_dir::stat(tree)?.st_mode);
    let place = make_target(init.root_dir()?, target, kind)?;
    same_kind(kind, place.as_fd())?;
    fill_and_attach(tree, place.as_fd(), content)?;
    cover_root(init, tree, target)
}

/// Checks that a directory goes over a directory and a file over a file. move_mount(2) answers EINVAL; mount(2) answers
/// ENOTDIR, which engines know: Docker adds its hint by these words.
fn same_kind(kind: FileType, place: BorrowedFd<'_>) -> Result<(), Fault> {
    let over = FileType::from_raw_mode(root_dir::stat(place)?.st_mode);
    let same = (kind == FileType::Directory) == (over == FileType::Directory);
    if same { Ok(()) } else { Err(Fault::new(Call::MoveMount, Errno::NOTDIR)) }
}

fn fill_and_attach(tree: BorrowedFd<'_>, place: BorrowedFd<'_>, content: Content) -> Result<(), Fault> {
    if content == Content::CopyUp {
        crate::mounts::copy_up::copy(place, tree)?;
    }
    attach_at(tree, place)
}

/// Opens the target of a mount, or creates a missing one.
///
/// A mount below the container's `/proc` could hide the files that the runtime writes there (CVE-2019-16884), so such a target is
/// an error if the plan guards it.
fn make_target(root: RootDir<'_>, target: &Target, kind: FileType) -> Result<OwnedFd, Fault> {
    let place = match target.guard {
        Guard::NoSymlinks => make_without_links(root, target)?,
        _ if kind == FileType::Directory => root.make_directory(&target.path)?,
        _ => root.make_file(&target.path)?,
    };
    let forbidden = target.guard == Guard::OutsideProcfs && root_dir::is_on(place.as_fd(), PROCFS)?;
    if forbidden { Err(Fault::new(Call::InsideProcfs, Errno::PERM)) } else { Ok(place) }
}

/// Opens or creates the target and refuses symbolic links: a link could lead the mount of `/proc` or `/sys` elsewhere
/// (CVE-2019-19921).
fn make_without_links(root: RootDir<'_>, target: &Target) -> Result<OwnedFd, Fault> {
    match root.open_without_links(&target.path, OFlags::PATH | OFlags::DIRECTORY) {
        Err(Fault { errno: Errno::NOENT, .. }) => root.make_directory(&target.path).map(drop)?,
        answer => return answer,
    }
    root.open_without_links(&target.path, OFlags::PATH | OFlags::DIRECTORY)
}

/// Changes attributes and propagation of an existing mount (the mount option `remount`).
fn remount(
    root: RootDir<'_>,
    target: &Target,
    attributes: Attributes,
    propagation: u64,
) -> Result<(), Fault> {
    let place = root.open(&target.path, OFlags::PATH)?;
    change(place.as_fd(), attributes, propagation)
}
