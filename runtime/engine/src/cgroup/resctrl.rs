//! resctrl groups, which share caches and memory bandwidth (resctrl.rst of the kernel; config-linux.md, "Intel RDT").

use crate::fault::{Call, During, Fault};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;
use std::ffi::CStr;
use std::io::Read;
use tare_plan::resctrl::first_mismatch;
use tare_plan::step::{MakeResctrlGroup, Presence};

/// An open resctrl group.
pub(crate) struct Group {
    pub(crate) directory: OwnedFd,
    /// Whether [`make`] has created it. A group that existed before stays when the container is deleted.
    pub(crate) made: bool,
}

/// Opens a group. A missing one is created, unless the configuration names a `closID` alone: then it has to exist.
pub(crate) fn make(step: &MakeResctrlGroup) -> Result<Group, Fault> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mount = fs::openat(CWD, step.mount.as_c_str(), flags, Mode::empty()).during(Call::Open)?;
    if step.path.is_empty() {
        return fill(step, Group { directory: mount, made: false });
    }
    let made = step.presence == Presence::Optional && make_directory(mount.as_fd(), &step.path)?;
    let flags = flags | OFlags::NOFOLLOW;
    let directory = fs::openat(&mount, step.path.as_c_str(), flags, Mode::empty()).during(Call::Open)?;
    fill(step, Group { directory, made })
}

/// Creates the directory of a group and returns whether it is new.
fn make_directory(mount: BorrowedFd<'_>, path: &CStr) -> Result<bool, Fault> {
    match fs::mkdirat(mount, path, Mode::from_raw_mode(0o755)) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(errno) => Err(Fault::new(Call::MakeDirectory, errno)),
    }
}

/// Writes the schemata of a group. A new group that the kernel refuses to fill is removed.
fn fill(step: &MakeResctrlGroup, group: Group) -> Result<Group, Fault> {
    let filled = write_schemata(step, &group);
    if group.made && filled.is_err() {
        // An error of the removal would hide why the schemata were refused.
        let _ = remove(&format!("{}/{}", step.mount.to_string_lossy(), step.path.to_string_lossy()));
    }
    filled.map(|()| group)
}

/// Writes schemata. In an existing group, those that the configuration expects are compared instead (config-linux.md: the
/// runtime "MUST compare" and "MUST generate an error").
fn write_schemata(step: &MakeResctrlGroup, group: &Group) -> Result<(), Fault> {
    let directory = group.directory.as_fd();
    if !group.made && !step.expected.is_empty() {
        let there = read(directory, c"schemata")?;
        if first_mismatch(&step.expected, &there).is_some() {
            return Err(Fault::new(Call::Schemata, Errno::INVAL));
        }
    }
    let expected = if group.made { step.expected.as_str() } else { "" };
    let lines = [expected, step.written.as_str()].concat();
    if lines.is_empty() { Ok(()) } else { write(directory, c"schemata", lines.as_bytes()) }
}

/// Moves a process to a group.
pub(crate) fn enter(group: BorrowedFd<'_>, pid: Pid) -> Result<(), Fault> {
    write(group, c"tasks", pid.as_raw_nonzero().to_string().as_bytes())
}

/// Removes a group. Its processes go to the default group, or to the group above a monitoring group. A missing group is no error.
pub(crate) fn remove(path: &str) -> Result<(), Fault> {
    match fs::unlinkat(CWD, path, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(Fault::new(Call::RemoveDirectory, errno)),
    }
}

/// Whether a group exists.
pub(crate) fn exists(path: &str) -> bool {
    fs::access(path, fs::Access::EXISTS).is_ok()
}

/// Returns the kernel's message about the last refused write (`info/last_cmd_status`); empty without one.
pub(crate) fn last_status(mount: &CStr) -> String {
    let path = format!("{}/info/last_cmd_status", mount.to_string_lossy());
    let text = std::fs::read_to_string(path).unwrap_or_default();
    if text.trim() == "ok" { String::new() } else { text.trim().to_owned() }
}

/// Writes a file of a group. The kernel creates the files with the directory. `O_CREAT` is for tests on machines without
/// resctrl, where a plain directory stands in for it.
fn write(group: BorrowedFd<'_>, file: &CStr, text: &[u8]) -> Result<(), Fault> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::openat(group, file, flags, Mode::from_raw_mode(0o644)).during(Call::Open)?;
    rustix::io::write(&file, text).during(Call::Write).map(drop)
}

fn read(group: BorrowedFd<'_>, file: &CStr) -> Result<String, Fault> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::openat(group, file, flags, Mode::empty()).during(Call::Open)?;
    let mut text = String::new();
    let done = std::fs::File::from(file).read_to_string(&mut text);
    done.map_err(|error| Fault::new(Call::Read, Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    Ok(text)
}
