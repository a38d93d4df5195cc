//! The mount options: one table for parsing, printing and `features` (config.md, "Linux mount options").
//!
//! `criu` and `devices` use `is_bind`, `features` and the command line the table.

use crate::draft::Draft;
use crate::place::Place;
use crate::spec::Mount;
use crate::step::{Attributes, Content, MountOption, Recursive};

/// The effect of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Sets attributes of the mount (`MOUNT_ATTR_*`).
    Set(u64),
    /// Clears attributes of the mount.
    Clear(u64),
    /// Sets attributes of the mount and of all mounts below it (mount_setattr(2), `AT_RECURSIVE`).
    SetAll(u64),
    /// Clears attributes of the mount and of all mounts below it.
    ClearAll(u64),
    /// Selects one of the three atime modes, which exclude each other: relatime, noatime, strictatime.
    AccessTime(u64),
    /// The same for the mount and all mounts below it.
    AccessTimeAll(u64),
    /// Undoes `noatime`, and leaves `strictatime`.
    NotWithoutAccessTime,
    /// The same for the mount and all mounts below it.
    NotWithoutAccessTimeAll,
    /// Changes the mount propagation (`MS_*`).
    Propagate(u64),
    /// Makes a bind mount of the source, and no new file system.
    Bind(Recursive),
    /// Is passed to the file system: a flag of the VFS that every file system takes.
    FileSystem,
    /// Copies the content of the mount point into the new file system.
    CopyUp,
    /// Makes an ID-mapped mount.
    IdMap(Recursive),
    /// Changes the mount that an earlier entry made.
    Remount,
    /// Changes nothing: it is the default, or it concerns the messages of the kernel.
    Nothing,
}

const RDONLY: u64 = libc::MOUNT_ATTR_RDONLY;
const NOSUID: u64 = libc::MOUNT_ATTR_NOSUID;
const NODEV: u64 = libc::MOUNT_ATTR_NODEV;
const NOEXEC: u64 = libc::MOUNT_ATTR_NOEXEC;
const NODIRATIME: u64 = libc::MOUNT_ATTR_NODIRATIME;
const NOSYMFOLLOW: u64 = libc::MOUNT_ATTR_NOSYMFOLLOW;
const RELATIME: u64 = libc::MOUNT_ATTR_RELATIME;
const NOATIME: u64 = libc::MOUNT_ATTR_NOATIME;
const STRICTATIME: u64 = libc::MOUNT_ATTR_STRICTATIME;
const ATIME: u64 = libc::MOUNT_ATTR__ATIME;
const REC: u64 = libc::MS_REC;

/// Every option of the VFS and of the runtime, in alphabetical order. All other options belong to the file
/// system.
pub const OPTIONS: &[(&str, Effect)] = &[
    ("acl", Effect::Nothing),
    ("async", Effect::FileSystem),
    ("atime", Effect::NotWithoutAccessTime),
    ("bind", Effect::Bind(Recursive::No)),
    ("defaults", Effect::Nothing),
    ("dev", Effect::Clear(NODEV)),
    ("diratime", Effect::Clear(NODIRATIME)),
    ("dirsync", Effect::FileSystem),
    ("exec", Effect::Clear(NOEXEC)),
    ("idmap", Effect::IdMap(Recursive::No)),
    ("iversion", Effect::Nothing),
    ("lazytime", Effect::FileSystem),
    ("loud", Effect::Nothing),
    ("mand", Effect::FileSystem),
    ("noacl", Effect::Nothing),
    ("noatime", Effect::AccessTime(NOATIME)),
    ("nodev", Effect::Set(NODEV)),
    ("nodiratime", Effect::Set(NODIRATIME)),
    ("noexec", Effect::Set(NOEXEC)),
    ("noiversion", Effect::Nothing),
    ("nolazytime", Effect::FileSystem),
    ("nomand", Effect::FileSystem),
    ("norelatime", Effect::AccessTime(STRICTATIME)),
    ("nostrictatime", Effect::AccessTime(RELATIME)),
    ("nosuid", Effect::Set(NOSUID)),
    ("nosymfollow", Effect::Set(NOSYMFOLLOW)),
    ("private", Effect::Propagate(libc::MS_PRIVATE)),
    ("ratime", Effect::NotWithoutAccessTimeAll),
    ("rbind", Effect::Bind(Recursive::Yes)),
    ("rdev", Effect::ClearAll(NODEV)),
    ("rdiratime", Effect::ClearAll(NODIRATIME)),
    ("relatime", Effect::AccessTime(RELATIME)),
    ("remount", Effect::Remount),
    ("rexec", Effect::ClearAll(NOEXEC)),
    ("ridmap", Effect::IdMap(Recursive::Yes)),
    ("rnoatime", Effect::AccessTimeAll(NOATIME)),
    ("rnodev", Effect::SetAll(NODEV)),
    ("rnodiratime", Effect::SetAll(NODIRATIME)),
    ("rnoexec", Effect::SetAll(NOEXEC)),
    ("rnorelatime", Effect::AccessTimeAll(STRICTATIME)),
    ("rnostrictatime", Effect::AccessTimeAll(RELATIME)),
    ("rnosuid", Effect::SetAll(NOSUID)),
    ("rnosymfollow", Effect::SetAll(NOSYMFOLLOW)),
    ("ro", Effect::Set(RDONLY)),
    ("rprivate", Effect::Propagate(libc::MS_PRIVATE | REC)),
    ("rrelatime", Effect::AccessTimeAll(RELATIME)),
    ("rro", Effect::SetAll(RDONLY)),
    ("rrw", Effect::ClearAll(RDONLY)),
    ("rshared", Effect::Propagate(libc::MS_SHARED | REC)),
    ("rslave", Effect::Propagate(libc::MS_SLAVE | REC)),
    ("rstrictatime", Effect::AccessTimeAll(STRICTATIME)),
    ("rsuid", Effect::ClearAll(NOSUID)),
    ("rsymfollow", Effect::ClearAll(NOSYMFOLLOW)),
    ("runbindable", Effect::Propagate(libc::MS_UNBINDABLE | REC)),
    ("rw", Effect::Clear(RDONLY)),
    ("shared", Effect::Propagate(libc::MS_SHARED)),
    ("silent", Effect::Nothing),
    ("slave", Effect::Propagate(libc::MS_SLAVE)),
    ("strictatime", Effect::AccessTime(STRICTATIME)),
    ("suid", Effect::Clear(NOSUID)),
    ("symfollow", Effect::Clear(NOSYMFOLLOW)),
    ("sync", Effect::FileSystem),
    ("tmpcopyup", Effect::CopyUp),
    ("unbindable", Effect::Propagate(libc::MS_UNBINDABLE)),
];

/// Returns the effect of an option; `None` if it belongs to the file system.
pub fn effect_of(name: &str) -> Option<Effect> {
    OPTIONS
        .binary_search_by_key(&name, |(option, _)| option)
        .ok()
        .and_then(|at| OPTIONS.get(at))
        .map(|(_, effect)| *effect)
}

/// The parsed options of one mount.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) attributes: Attributes,
    pub(crate) propagation: Vec<u64>,
    pub(crate) bind: Option<Recursive>,
    pub(crate) content: Content,
    /// The option that makes an ID-mapped mount.
    pub(crate) id_map: Option<(Recursive, Place)>,
    /// The option `remount`.
    pub(crate) remount: Option<Place>,
    /// The options that are passed to the file system.
    pub(crate) own: Vec<MountOption>,
}

/// Whether a mount is a bind mount: by its type, or by an option (config.md, "Mounts").
pub fn is_bind(mount: &Mount) -> bool {
    mount.kind.as_deref() == Some("bind")
        || mount.options.iter().any(|option| matches!(effect_of(option), Some(Effect::Bind(_))))
}

/// Parses the options of the mount with this index.
pub(crate) fn read(draft: &mut Draft, index: usize, mount: &Mount) -> Options {
    let mut options = Options {
        attributes: Attributes::default(),
        propagation: Vec::new(),
        bind: (mount.kind.as_deref() == Some("bind")).then_some(Recursive::No),
        content: Content::Own,
        id_map: None,
        remount: None,
        own: Vec::new(),
    };
    for (at, text) in mount.options.iter().enumerate() {
        let place = Place::within("mounts[#].options[#]", index, at);
        match effect_of(text) {
            Some(effect) => options.apply(draft, effect, GivenOption { text, at, place }),
            // buildah writes an empty option for a volume without options, and mount(2) ignores it.
            None if text.is_empty() => {}
            None => options.add_own(draft, GivenOption { text, at, place }),
        }
    }
    refuse_bind_data(draft, index, &options);
    options
}

/// An option, its index and its place.
#[derive(Clone, Copy)]
struct GivenOption<'text> {
    text: &'text str,
    at: usize,
    place: Place,
}

impl Options {
    fn apply(&mut self, draft: &mut Draft, effect: Effect, option: GivenOption<'_>) {
        let attributes = &mut self.attributes;
        match effect {
            Effect::Set(bits) => change(&mut attributes.set, &mut attributes.clear, bits),
            Effect::Clear(bits) => change(&mut attributes.clear, &mut attributes.set, bits),
            Effect::SetAll(bits) => change(&mut attributes.set_all, &mut attributes.clear_all, bits),
            Effect::ClearAll(bits) => change(&mut attributes.clear_all, &mut attributes.set_all, bits),
            Effect::AccessTime(bits) => select_atime(&mut attributes.set, &mut attributes.clear, bits),
            Effect::AccessTimeAll(bits) => {
                select_atime(&mut attributes.set_all, &mut attributes.clear_all, bits);
            }
            // `atime` after `strictatime` keeps it. Otherwise the mode is relatime, the kernel's default
            // (mount(8)).
            Effect::NotWithoutAccessTime => {
                let bits = attributes.set & STRICTATIME | RELATIME;
                select_atime(&mut attributes.set, &mut attributes.clear, bits);
            }
            Effect::NotWithoutAccessTimeAll => {
                let bits = attributes.set_all & STRICTATIME | RELATIME;
                select_atime(&mut attributes.set_all, &mut attributes.clear_all, bits);
            }
            Effect::Propagate(flags) => self.propagation.push(flags),
            Effect::Bind(recursive) => self.bind = Some(recursive),
            Effect::FileSystem => self.add_own(draft, option),
            Effect::CopyUp => self.content = Content::CopyUp,
            Effect::IdMap(recursive) => self.id_map = Some((recursive, option.place)),
            Effect::Remount => self.remount = Some(option.place),
            Effect::Nothing => {}
        }
    }

    fn add_own(&mut self, draft: &mut Draft, option: GivenOption<'_>) {
        let (key, value) = match option.text.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (option.text, None),
        };
        let key = draft.text(key, option.place);
        let value = value.map(|value| draft.text(value, option.place));
        self.own.push(MountOption { key, value, index: option.at });
    }
}

/// Selects an atime mode. mount_setattr(2) accepts a new mode only if the whole `MOUNT_ATTR__ATIME` field is
/// cleared.
fn select_atime(set: &mut u64, clear: &mut u64, bits: u64) {
    *set = *set & !ATIME | bits;
    *clear |= ATIME;
}

/// Adds bits to one set and removes them from the opposite one: the last of two opposite options counts.
fn change(to: &mut u64, from: &mut u64, bits: u64) {
    *to |= bits;
    *from &= !bits;
}

/// Refuses unknown options of a bind mount, which has no file system to pass them to.
fn refuse_bind_data(draft: &mut Draft, index: usize, options: &Options) {
    if options.bind.is_none() {
        return;
    }
    for option in options.own.iter().filter(|option| effect_of(&option.key.to_string_lossy()).is_none()) {
        let place = Place::within("mounts[#].options[#]", index, option.index);
        // Engines turn a tmpfs into a bind mount and leave options such as `size=64m`. mount(2) ignores the
        // data of a bind mount.
        match option.value {
            Some(_) => draft.warn(place, format!("a bind mount ignores the option {:?}", option.key)),
            None => draft.refuse(place, format!("unknown mount option {:?}", option.key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_for_binary_search() {
        assert!(OPTIONS.is_sorted_by_key(|(name, _)| name));
    }

    #[test]
    fn the_last_of_two_opposite_options_counts() {
        let (mut set, mut clear) = (0, 0);
        change(&mut set, &mut clear, RDONLY);
        change(&mut clear, &mut set, RDONLY);
        assert_eq!((set, clear), (0, RDONLY));
    }
}
