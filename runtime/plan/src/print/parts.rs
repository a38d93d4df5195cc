//! The words of what the steps of both columns have: sources, attributes, namespaces, lines.

use crate::step::{Attributes, Reach, Source};
use std::ffi::CStr;
use std::fmt;

/// The namespaces by their flags, in the order in which they are named.
const NAMESPACES: &[(i32, &str)] = &[
    (libc::CLONE_NEWUSER, "user"),
    (libc::CLONE_NEWNS, "mount"),
    (libc::CLONE_NEWPID, "pid"),
    (libc::CLONE_NEWNET, "network"),
    (libc::CLONE_NEWIPC, "ipc"),
    (libc::CLONE_NEWUTS, "uts"),
    (libc::CLONE_NEWTIME, "time"),
];

/// The attributes of a mount by their bits.
const ATTRIBUTES: &[(u64, &str)] = &[
    (libc::MOUNT_ATTR_RDONLY, "ro"),
    (libc::MOUNT_ATTR_NOSUID, "nosuid"),
    (libc::MOUNT_ATTR_NODEV, "nodev"),
    (libc::MOUNT_ATTR_NOEXEC, "noexec"),
    (libc::MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow"),
    (libc::MOUNT_ATTR_NOATIME, "noatime"),
    (libc::MOUNT_ATTR_STRICTATIME, "strictatime"),
    (libc::MOUNT_ATTR_NODIRATIME, "nodiratime"),
];

pub(super) fn text(text: &CStr) -> std::borrow::Cow<'_, str> {
    text.to_string_lossy()
}

pub(super) fn absolute(path: &CStr) -> String {
    format!("/{}", text(path))
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = if self.reach == Reach::Recursive { " and all below it" } else { "" };
        write!(out, "the mount of {}{all}{}", text(&self.path), Words(self.attributes))?;
        match self.id_map.map(|map| map.reach) {
            None => Ok(()),
            Some(Reach::One) => out.write_str(" with its ids mapped"),
            Some(Reach::Recursive) => out.write_str(" with all their ids mapped"),
        }
    }
}

/// Names kinds of namespaces, if there are any.
pub(super) fn write_kinds(out: &mut fmt::Formatter<'_>, before: &str, kinds: u64) -> fmt::Result {
    let named = NAMESPACES.iter().filter(|(flag, _)| kinds & u64::from(flag.cast_unsigned()) != 0);
    for (at, (_, name)) in named.enumerate() {
        write!(out, "{}{name}", if at == 0 { before } else { ", " })?;
    }
    Ok(())
}

/// Attributes as the words of mount options.
pub(super) struct Words(pub(super) Attributes);

impl fmt::Display for Words {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bits, prefix) in [(self.0.set, ""), (self.0.set_all, "r")] {
            for (_, name) in ATTRIBUTES.iter().filter(|(bit, _)| bits & bit != 0) {
                write!(out, " {prefix}{name}")?;
            }
        }
        Ok(())
    }
}

/// Lines of a mapping, on one line; of many only the first.
pub(super) struct Lines<'text>(pub(super) &'text str);

/// How many lines are named.
const NAMED: usize = 8;

impl fmt::Display for Lines<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, line) in self.0.lines().take(NAMED).enumerate() {
            write!(out, "{}{line}", if at == 0 { "" } else { "; " })?;
        }
        match self.0.lines().count().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(out, "; and {more} more"),
        }
    }
}
