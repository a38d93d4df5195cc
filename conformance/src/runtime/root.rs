//! The version, the root file system, default file systems and links, by config.md, config-linux.md and
//! runtime-linux.md.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::bed::Bed;
use crate::check::Check;
use crate::runtime::stage::{Stage, at, is};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "dev-links-are-there",
        place: "runtime-linux.md#dev-symbolic-links",
        sentence: "While creating the container (step 2 in the lifecycle), runtimes MUST create the following symlinks if the source file exists after processing `mounts`.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let report = stage.report(stage.config(&[])?, &[])?;
            for (path, target) in [
                ("/dev/fd", "/proc/self/fd"),
                ("/dev/stdin", "/proc/self/fd/0"),
                ("/dev/stdout", "/proc/self/fd/1"),
                ("/dev/stderr", "/proc/self/fd/2"),
            ] {
                let devices = at(&report, "/devices").as_array().into_iter().flatten();
                let link = devices
                    .filter(|one| *at(one, "/path") == path)
                    .map(|one| at(one, "/target").clone())
                    .next();
                ensure!(link == Some(target.into()), "{path} leads to {link:?}");
            }
            Ok(())
        },
    },
    Check {
        name: "version-is-required",
        place: "config.md#specification-version",
        sentence: "`ociVersion` (string, REQUIRED)",
        run: |bed| {
            let stage = Stage::new(bed)?;
            stage.refuses_config(stage.config(&["true"])?.remove("/ociVersion"))
        },
    },
    Check {
        name: "version-is-semver",
        place: "config.md#specification-version",
        sentence: "MUST be in SemVer v2.0.0 format and specifies the version of the Open Container Initiative Runtime Specification with which the bundle complies.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            for version in ["1.0", "one", "1.0.0.0"] {
                stage.refuses_config(stage.config(&["true"])?.set("/ociVersion", version))?;
            }
            stage.runs(stage.config(&["true"])?.set("/ociVersion", "1.0.2-dev")).map(drop)
        },
    },
    Check {
        name: "root-is-required",
        place: "config.md#root",
        sentence: "On all other platforms, this field is REQUIRED.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            stage.refuses_config(stage.config(&["true"])?.remove("/root"))
        },
    },
    Check {
        name: "root-path-is-required",
        place: "config.md#root",
        sentence: "`path` (string, REQUIRED)",
        run: |bed| {
            let stage = Stage::new(bed)?;
            stage.refuses_config(stage.config(&["true"])?.remove("/root/path"))
        },
    },
    Check {
        name: "root-path-is-a-directory",
        place: "config.md#root",
        sentence: "A directory MUST exist at the path declared by the field.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            stage.refuses_config(stage.config(&["true"])?.set("/root/path", "no-such-directory"))?;
            stage.refuses_config(stage.config(&["true"])?.set("/root/path", "config.json"))
        },
    },
    Check {
        name: "root-is-read-only",
        place: "config.md#root",
        sentence: "If true then the root filesystem MUST be read-only inside the container, defaults to false.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let report =
                stage.report(stage.config(&[])?.set("/root/readonly", true), &["/tmp", "/etc/passwd"])?;
            is(&report, "/paths/~1tmp/write", "EROFS")?;
            is(&report, "/paths/~1etc~1passwd/write", "EROFS")?;
            let report = stage.report(stage.config(&[])?.remove("/root/readonly"), &["/tmp"])?;
            is(&report, "/paths/~1tmp/write", "ok")
        },
    },
    Check {
        name: "default-file-systems-are-there",
        place: "config-linux.md#default-filesystems",
        sentence: "The following filesystems SHOULD be made available in each container's filesystem.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let report = stage.report(stage.config(&[])?, &[])?;
            for (point, kind) in
                [("/proc", "proc"), ("/sys", "sysfs"), ("/dev/pts", "devpts"), ("/dev/shm", "tmpfs")]
            {
                let seen = at(mount_of(&report, point)?, "/type");
                ensure!(*seen == kind, "{point} is {seen}");
            }
            Ok(())
        },
    },
    Check {
        name: "masked-paths-are-absolute",
        place: "config-linux.md#masked-paths",
        sentence: "The values MUST be absolute paths in the container namespace.",
        run: |bed| paths(bed, "maskedPaths", |report| is(report, "/paths/~1etc~1passwd/read", 0)),
    },
    Check {
        name: "readonly-paths-are-absolute",
        place: "config-linux.md#readonly-paths",
        sentence: "The values MUST be absolute paths in the container namespace.",
        run: |bed| paths(bed, "readonlyPaths", |report| is(report, "/paths/~1etc~1passwd/write", "EROFS")),
    },
];

/// The last mount at the point.
pub(super) fn mount_of<'r>(report: &'r Value, point: &str) -> Result<&'r Value> {
    let mounts = at(report, "/mounts").as_array().map(Vec::as_slice).unwrap_or_default();
    let found = mounts.iter().rfind(|mount| *at(mount, "/point") == point);
    found.ok_or_else(|| anyhow::anyhow!("nothing is mounted at {point}"))
}

/// An absolute path is taken within the container's root; a relative one is refused.
fn paths(bed: &Bed, list: &str, look: fn(&Value) -> Result<()>) -> Result<()> {
    let stage = Stage::new(bed)?;
    let place = format!("/linux/{list}");
    let report = stage.report(stage.config(&[])?.set(&place, json!(["/etc/passwd"])), &["/etc/passwd"])?;
    look(&report)?;
    ensure!(std::fs::metadata(Path::new("/etc/passwd"))?.len() > 0, "the machine's own file was meant");
    stage.refuses_config(stage.config(&["true"])?.set(&place, json!(["etc/passwd"])))
}
