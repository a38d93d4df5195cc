//! Detached copies of what the host has mounted, made before init is, with the runtime's own eyes and rights.

use crate::fault::{Call, During, Fault};
use crate::init::mount::{change, propagate};
use crate::init::namespace::PROCFS;
use crate::inside;
use crate::slots::Slots;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, CWD, FileType, OFlags};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use tare_plan::spec::NamespaceKind;
use tare_plan::step::{Attributes, Expect, IdMap, Reach, Source};
use tare_sys::mount_attr::Depth;

/// Copies a tree. The path is looked up once; what is checked is what is copied.
pub(crate) fn clone(step: &Source, slots: &Slots) -> Result<OwnedFd, Fault> {
    let recursive =
        if step.reach == Reach::Recursive { OpenTreeFlags::AT_RECURSIVE } else { OpenTreeFlags::empty() };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | recursive;
    let tree = open_tree(CWD, step.path.as_c_str(), flags).during(Call::OpenTree)?;
    expect(tree.as_fd(), step.expect)?;
    for flags in &step.propagation {
        propagate(tree.as_fd(), *flags)?;
    }
    change(tree.as_fd(), step.attributes, 0)?;
    if let Some(map) = step.id_map {
        map_ids(tree.as_fd(), map, slots.get(map.namespace)?)?;
    }
    Ok(tree)
}

/// Maps the ids of a detached copy. What a file system that can't do so is, its number says (statfs(2)).
fn map_ids(tree: BorrowedFd<'_>, map: IdMap, namespace: BorrowedFd<'_>) -> Result<(), Fault> {
    let depth = if map.reach == Reach::Recursive { Depth::Recursive } else { Depth::One };
    let kind = fs::fstatfs(tree).map_or(0, |stat| stat.f_type as u32);
    tare_sys::mount_attr::map_ids(tree, depth, namespace)
        .during(Call::MapIds)
        .map_err(|fault| fault.detail(kind))
}

/// Copies the mount of a directory that is open.
pub(crate) fn clone_directory(directory: BorrowedFd<'_>, attributes: Attributes) -> Result<OwnedFd, Fault> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = open_tree(directory, c"", flags).during(Call::OpenTree)?;
    propagate(tree.as_fd(), libc::MS_PRIVATE)?;
    change(tree.as_fd(), attributes, 0)?;
    Ok(tree)
}

fn expect(tree: BorrowedFd<'_>, expect: Expect) -> Result<(), Fault> {
    let stat = inside::stat(tree)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let (met, errno) = match expect {
        Expect::Anything => (true, Errno::INVAL),
        Expect::Directory => (kind == FileType::Directory, Errno::NOTDIR),
        Expect::Procfs => (inside::is_on(tree, PROCFS)?, Errno::INVAL),
        Expect::Device { major, minor } => {
            let device = matches!(kind, FileType::CharacterDevice | FileType::BlockDevice);
            (device && stat.st_rdev == fs::makedev(major, minor), Errno::NODEV)
        }
    };
    if met { Ok(()) } else { Err(Fault::new(Call::Stat, errno)) }
}

/// Opens a namespace file and makes sure that it is a namespace of this kind.
pub(crate) fn open_namespace(path: &std::ffi::CStr, kind: NamespaceKind) -> Result<OwnedFd, Fault> {
    let file = inside::open_host(path, OFlags::RDONLY)?;
    let found = tare_sys::namespace::kind(file.as_fd()).during(Call::Unexpected)?;
    let wanted = kind.clone_flag();
    if found == wanted { Ok(file) } else { Err(Fault::new(Call::Unexpected, Errno::INVAL)) }
}
