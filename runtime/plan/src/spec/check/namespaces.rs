//! Checks of namespaces, and of the properties that need a namespace of the container's own. The messages are
//! runc's where runc has the check.

use std::collections::BTreeSet;

use super::{absolute, each, ids};
use crate::spec::mistake::{Place, Report};
use crate::spec::{Device, DeviceKind, Linux, NamespaceKind, Spec};

pub(super) fn check(spec: &Spec, at: &Place<'_>, report: &mut Report) {
    let linux = &spec.linux;
    listed(linux, &at.key("namespaces"), report);
    names(spec, report);
    user(spec, at, report);
    time(linux, &at.key("timeOffsets"), report);
    restricted_paths(linux, at, report);
    net_devices(linux, &at.key("netDevices"), report);
    each(&linux.devices, &at.key("devices"), |each_device, place| device(each_device, place, report));
    if let Some(path) = linux.cgroups_path.as_deref().filter(|path| super::climbs(path)) {
        report.wrong(&at.key("cgroupsPath"), format!("cgroupsPath {path:?} must not have a \"..\""));
    }
    if let Some(personality) = &linux.personality {
        each(&personality.flags, &at.key("personality").key("flags"), |flag, place| {
            report.wrong(place, format!("unsupported personality flag {flag:?}"));
        });
    }
}

/// config-linux.md, Namespaces: no type twice, and paths are absolute.
fn listed(linux: &Linux, at: &Place<'_>, report: &mut Report) {
    let mut seen = BTreeSet::new();
    each(&linux.namespaces, at, |namespace, place| {
        if !seen.insert(namespace.kind) {
            report.wrong(place, format!("duplicated namespace \"{}\"", namespace.kind));
        }
        if let Some(path) = &namespace.path {
            absolute(path, &place.key("path"), report);
        }
    });
}

/// The hostname and the domain name belong to a UTS namespace. Without one, the container would set the
/// host's.
fn names(spec: &Spec, report: &mut Report) {
    if spec.linux.has(NamespaceKind::Uts) {
        return;
    }
    for (key, name) in [("hostname", &spec.hostname), ("domainname", &spec.domainname)] {
        if name.is_some() {
            let what = format!("unable to set {key} without a private UTS namespace");
            report.wrong(&Place::DOCUMENT.key(key), what);
        }
    }
}

/// config-linux.md, User namespace mappings.
fn user(spec: &Spec, at: &Place<'_>, report: &mut Report) {
    let linux = &spec.linux;
    let mapped = !linux.uid_mappings.is_empty() || !linux.gid_mappings.is_empty();
    ids::mappings(&linux.uid_mappings, &at.key("uidMappings"), report);
    ids::mappings(&linux.gid_mappings, &at.key("gidMappings"), report);
    match linux.namespace(NamespaceKind::User) {
        None if mapped => report.wrong(
            &at.key("uidMappings"),
            "user namespace mappings specified, but user namespace isn't enabled in the config",
        ),
        Some(namespace) if namespace.path.is_none() && !mapped => report.wrong(
            &at.key("namespaces"),
            "user namespaces enabled, but no namespace path to join nor mappings to apply specified",
        ),
        Some(namespace) if namespace.path.is_none() => process_ids(spec, report),
        _ => {}
    }
}

/// setuid(2), setgid(2) and setgroups(2) fail with EINVAL for an id that the user namespace does not map.
fn process_ids(spec: &Spec, report: &mut Report) {
    let Some(process) = &spec.process else { return };
    let root = Place::DOCUMENT;
    let place = root.key("process");
    let at = place.key("user");
    let uid = process.user.uid.get();
    if !ids::is_mapped(uid, &spec.linux.uid_mappings) {
        report.wrong(&at.key("uid"), format!("cannot set uid to unmapped user {uid} in user namespace"));
    }
    let gid = process.user.gid.get();
    if !ids::is_mapped(gid, &spec.linux.gid_mappings) {
        report.wrong(&at.key("gid"), format!("cannot set gid to unmapped group {gid} in user namespace"));
    }
    each(&process.user.additional_gids, &at.key("additionalGids"), |gid, place| {
        if !ids::is_mapped(gid.get(), &spec.linux.gid_mappings) {
            report
                .wrong(place, format!("cannot set additional group {gid}: it is unmapped in user namespace"));
        }
    });
}

/// config-linux.md, Offset for Time Namespace; time_namespaces(7).
fn time(linux: &Linux, at: &Place<'_>, report: &mut Report) {
    if linux.time_offsets.is_empty() {
        return;
    }
    match linux.namespace(NamespaceKind::Time) {
        None => {
            report.wrong(at, "time namespace offsets specified, but time namespace isn't enabled in the config");
        }
        Some(namespace) if namespace.path.is_some() => report.wrong(
            at,
            "time namespace enabled, but both namespace path and time offsets specified -- you may only provide one",
        ),
        Some(_) => {}
    }
    for (clock, offset) in &linux.time_offsets {
        let place = at.key(clock);
        if !matches!(clock.as_str(), "monotonic" | "boottime") {
            report.wrong(&place, format!("unknown clock {clock:?}: expected \"monotonic\" or \"boottime\""));
        }
        if offset.nanosecs.unwrap_or(0) > 999_999_999 {
            report.wrong(&place.key("nanosecs"), "nanosecs is out of range: expected 0 to 999999999");
        }
    }
}

/// config-linux.md, Masked Paths and Readonly Paths.
fn restricted_paths(linux: &Linux, at: &Place<'_>, report: &mut Report) {
    for (key, paths) in [("maskedPaths", &linux.masked_paths), ("readonlyPaths", &linux.readonly_paths)] {
        let place = at.key(key);
        each(paths, &place, |path, place| absolute(path, place, report));
        if !paths.is_empty() && !linux.has(NamespaceKind::Mount) {
            report.wrong(&place, "unable to restrict sys entries without a private MNT namespace");
        }
    }
}

/// config-linux.md, Network Devices: a namespace to move devices to, valid names, no name twice.
fn net_devices(linux: &Linux, at: &Place<'_>, report: &mut Report) {
    if !linux.net_devices.is_empty() && !linux.has(NamespaceKind::Network) {
        report.wrong(at, "unable to move network devices without a private NET namespace");
    }
    let mut names = BTreeSet::new();
    for (host, device) in &linux.net_devices {
        let place = at.key(host);
        let name = device.name.as_ref().unwrap_or(host);
        for name in [host, name] {
            if !is_interface(name) {
                report.wrong(&place, format!("invalid network device name {name:?}"));
                break;
            }
        }
        // The kernel replaces `%d` by a free number.
        if !names.insert(name) && !name.contains("%d") {
            report.wrong(&place, format!("two network devices have the name {name:?} in the container"));
        }
    }
}

/// Whether the kernel takes a name for a network device (`dev_valid_name`): 1 to 15 bytes, no slash, colon or
/// white space, neither `.` nor `..`.
fn is_interface(name: &str) -> bool {
    // C's isspace() has the vertical tab, `is_ascii_whitespace` lacks it.
    let is_invalid = |byte: u8| b"/:\x0b".contains(&byte) || byte.is_ascii_whitespace();
    (1..=15).contains(&name.len()) && name != "." && name != ".." && !name.bytes().any(is_invalid)
}

/// config-linux.md, Devices. The kernel's dev_t has 12 bits for the major and 20 for the minor number
/// (linux/kdev_t.h).
fn device(device: &Device, at: &Place<'_>, report: &mut Report) {
    const MAJORS: i64 = 1 << 12;
    const MINORS: i64 = 1 << 20;

    absolute(&device.path, &at.key("path"), report);
    if device.file_mode.is_some_and(|mode| mode > 0o177_777) {
        report.wrong(&at.key("fileMode"), "fileMode is out of range: expected permission bits, 0 to 4095");
    }
    if device.kind == DeviceKind::Fifo {
        return;
    }
    for (key, number, end) in [("major", device.major, MAJORS), ("minor", device.minor, MINORS)] {
        let place = at.key(key);
        match number {
            None => report
                .wrong(&place, format!("{key} number is missing: a device of type {} needs it", device.kind)),
            Some(number) if !(0..end).contains(&number) => {
                let what = format!("{key} number {number} is out of range: expected 0 to {}", end - 1);
                report.wrong(&place, what);
            }
            Some(_) => {}
        }
    }
}
