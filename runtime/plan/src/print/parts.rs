//! Words that the steps of both columns share: sources, mount options, namespaces, lines.

use crate::step::{Attributes, Recursive, Source, SourceUse};
use std::ffi::CStr;
use std::fmt;

/// The namespaces by their flags, in the order in which they are written.
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

/// A directory in a hierarchy that is mounted on the host.
pub(super) struct OnHost<'text>(pub(super) &'text CStr, pub(super) &'text CStr);

impl fmt::Display for OnHost<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", text(self.0), text(self.1))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = text(&self.path);
        match &self.usage {
            SourceUse::RootFs => write!(out, "copy the root file system {path}")?,
            SourceUse::Mask => write!(out, "copy {path} for masked paths")?,
            SourceUse::Bind(at) => {
                let verb = if self.recursive == Recursive::Yes { "rbind" } else { "bind" };
                write!(out, "{verb} {path} at {}", absolute(at))?;
            }
        }
        write!(out, "{}", Options(self.attributes))?;
        match self.id_map.map(|map| map.recursive) {
            None => Ok(()),
            Some(Recursive::No) => out.write_str(" idmap"),
            Some(Recursive::Yes) => out.write_str(" ridmap"),
        }
    }
}

/// Writes `before` and the names of the namespaces in `kinds`; nothing for none.
pub(super) fn write_kinds(out: &mut fmt::Formatter<'_>, before: &str, kinds: u64) -> fmt::Result {
    let named = NAMESPACES.iter().filter(|(flag, _)| kinds & u64::from(flag.cast_unsigned()) != 0);
    for (at, (_, name)) in named.enumerate() {
        write!(out, "{}{name}", if at == 0 { before } else { ", " })?;
    }
    Ok(())
}

/// Attributes as mount options.
pub(super) struct Options(pub(super) Attributes);

impl fmt::Display for Options {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bits, prefix) in [(self.0.set, ""), (self.0.set_all, "r")] {
            for (_, name) in ATTRIBUTES.iter().filter(|(bit, _)| bits & bit != 0) {
                write!(out, " {prefix}{name}")?;
            }
        }
        Ok(())
    }
}

/// The first lines of a text, on one line.
pub(super) struct Lines<'text>(pub(super) &'text str);

/// How many lines are written.
const WRITTEN: usize = 8;

impl fmt::Display for Lines<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, line) in self.0.lines().take(WRITTEN).enumerate() {
            write!(out, "{}{line}", if at == 0 { "" } else { "; " })?;
        }
        match self.0.lines().count().saturating_sub(WRITTEN) {
            0 => Ok(()),
            more => write!(out, "; and {more} more"),
        }
    }
}
