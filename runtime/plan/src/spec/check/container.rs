//! Checks of the top level: version, root, names, mounts, hooks, annotations.

use super::{absolute, each, ids};
use crate::spec::mistake::{Place, Report};
use crate::spec::{Hook, Hooks, Mount, Spec};

/// The longest host or domain name that the kernel takes, in bytes: see sethostname(2).
const LONGEST_NAME: usize = 64;

pub(super) fn check(spec: &Spec, at: &Place<'_>, report: &mut Report) {
    version(&spec.oci_version, &at.key("ociVersion"), report);
    match &spec.root {
        None => report.wrong(&at.key("root"), "root must be specified"),
        Some(root) if root.path.is_empty() => {
            report.wrong(&at.key("root").key("path"), "root path must not be empty");
        }
        Some(_) => {}
    }
    name_length(spec.hostname.as_deref(), &at.key("hostname"), report);
    name_length(spec.domainname.as_deref(), &at.key("domainname"), report);
    each(&spec.mounts, &at.key("mounts"), |each_mount, place| mount(each_mount, place, report));
    hooks(&spec.hooks, &at.key("hooks"), report);
    if spec.annotations.contains_key("") {
        report.wrong(&at.key("annotations"), "a key must not be an empty string");
    }
}

/// Any release of major version 1, with or without pre-release and build parts (config.md, Specification version).
fn version(version: &str, at: &Place<'_>, report: &mut Report) {
    match major(version) {
        Some("1") => {}
        Some(_) => report.wrong(at, format!("unsupported ociVersion {version:?}: expected 1.x")),
        None => {
            report.wrong(at, format!("{version:?} is not a semantic version: expected such as \"1.3.0\""))
        }
    }
}

/// The major number of a semantic version 2.0.0.
fn major(version: &str) -> Option<&str> {
    let (version, build) = version.split_once('+').map_or((version, None), |(v, b)| (v, Some(b)));
    let (core, release) = version.split_once('-').map_or((version, None), |(c, r)| (c, Some(r)));
    let numbers: Vec<&str> = core.split('.').collect();
    let numeric = |text: &&str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits && (*text == "0" || !text.starts_with('0'))
    };
    let dotted = |text: &str| {
        text.split('.').all(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
    };
    let whole = numbers.len() == 3
        && numbers.iter().all(numeric)
        && build.is_none_or(dotted)
        && release.is_none_or(dotted);
    numbers.first().copied().filter(|_| whole)
}

fn name_length(name: Option<&str>, at: &Place<'_>, report: &mut Report) {
    if name.is_some_and(|name| name.len() > LONGEST_NAME) {
        report.wrong(at, format!("name is longer than {LONGEST_NAME} bytes"));
    }
}

/// config.md, Mounts and POSIX-platform Mounts.
fn mount(mount: &Mount, at: &Place<'_>, report: &mut Report) {
    let destination = at.key("destination");
    if mount.destination.is_empty() {
        report.wrong(&destination, "mount destination must not be empty");
    } else if !mount.destination.starts_with('/') {
        let what = format!("mount destination {:?} is not absolute: it is taken from /", mount.destination);
        report.warn(&destination, what);
    }
    if mount.uid_mappings.is_empty() != mount.gid_mappings.is_empty() {
        report.wrong(at, "uidMappings and gidMappings of a mount must be given together");
    }
    ids::mappings(&mount.uid_mappings, &at.key("uidMappings"), report);
    ids::mappings(&mount.gid_mappings, &at.key("gidMappings"), report);
}

fn hooks(hooks: &Hooks, at: &Place<'_>, report: &mut Report) {
    for (name, list) in hooks.by_name() {
        each(list, &at.key(name), |each_hook, place| hook(each_hook, place, report));
    }
}

fn hook(hook: &Hook, at: &Place<'_>, report: &mut Report) {
    absolute(&hook.path, &at.key("path"), report);
    if hook.timeout.is_some_and(|timeout| timeout <= 0) {
        report.wrong(&at.key("timeout"), "hook timeout must be greater than zero");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_semantic() {
        for good in ["1.0.0", "1.3.0", "1.0.2-dev", "1.0.0-rc5", "1.2.1+dev", "1.1.0-rc.2+build.5"] {
            assert_eq!(major(good), Some("1"), "{good}");
        }
        assert_eq!(major("2.0.0"), Some("2"));
        for bad in
            ["", "1", "1.0", "1.0.0.0", "v1.0.0", "1.0.x", "01.0.0", "1.0.0-", "1.0.0+", "1..0", "1.0.0-a..b"]
        {
            assert_eq!(major(bad), None, "{bad}");
        }
    }
}
