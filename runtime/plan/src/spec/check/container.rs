//! Checks of the top level: version, root, hostname and domain name, mounts, hooks, annotations.

use super::{absolute, each, ids};
use crate::spec::mistake::{Place, Report};
use crate::spec::{Hook, Hooks, Mount, Spec};

/// The longest hostname or domain name in bytes: `__NEW_UTS_LEN` of sethostname(2).
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

/// Accepts every release of major version 1, pre-releases and builds included (config.md, Specification
/// version). By Semantic Versioning a later 1.x only adds properties, and unknown properties are ignored.
fn version(version: &str, at: &Place<'_>, report: &mut Report) {
    match major(version) {
        Some("1") => {}
        Some(_) => report.wrong(at, format!("unsupported ociVersion {version:?}: expected 1.x")),
        None => {
            report.wrong(at, format!("{version:?} is not a semantic version: expected such as \"1.3.0\""))
        }
    }
}

/// Returns the major version of a version by Semantic Versioning 2.0.0; `None` if the text is no such
/// version.
fn major(version: &str) -> Option<&str> {
    let (version, build) = version.split_once('+').map_or((version, None), |(v, b)| (v, Some(b)));
    let (core, release) = version.split_once('-').map_or((version, None), |(c, r)| (c, Some(r)));
    let numbers: Vec<&str> = core.split('.').collect();
    // No leading zeros (section 2).
    let is_number = |text: &&str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits && (*text == "0" || !text.starts_with('0'))
    };
    // Dot-separated identifiers (sections 9 and 10).
    let is_dotted = |text: &str| {
        text.split('.').all(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
    };
    let whole = numbers.len() == 3
        && numbers.iter().all(is_number)
        && build.is_none_or(is_dotted)
        && release.is_none_or(is_dotted);
    numbers.first().copied().filter(|_| whole)
}

fn name_length(name: Option<&str>, at: &Place<'_>, report: &mut Report) {
    if name.is_some_and(|name| name.len() > LONGEST_NAME) {
        report.wrong(at, format!("name is longer than {LONGEST_NAME} bytes"));
    }
}

/// config.md, Mounts and POSIX-platform Mounts. A relative destination only gets a warning, as in runc:
/// callers still write some.
fn mount(mount: &Mount, at: &Place<'_>, report: &mut Report) {
    let destination = at.key("destination");
    if mount.destination.is_empty() {
        report.wrong(&destination, "mount destination must not be empty");
    } else if !mount.destination.starts_with('/') {
        let what = format!("mount destination {:?} is not absolute: it is relative to /", mount.destination);
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

/// config.md, POSIX-platform Hooks.
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
    fn versions_follow_semantic_versioning() {
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
