//! The mounts and their options, by config.md.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tare_bundle::config::Config;

use crate::bed::Bed;
use crate::check::Check;
use crate::runtime::root::mount_of;
use crate::runtime::stage::{Stage, at, bind, is};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "mounts-come-in-the-listed-order",
        place: "config.md#mounts",
        sentence: "The runtime MUST mount entries in the listed order.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let config = stage.config(&[])?.tmpfs("/mnt", &["size=64k"]).tmpfs("/mnt/inner", &["ro"]);
            let report = stage.report(config.tmpfs("/mnt/inner", &["size=128k"]), &["/mnt/inner"])?;
            let all = at(&report, "/mounts").as_array().into_iter().flatten();
            let points: Vec<_> = all.filter_map(|one| at(one, "/point").as_str()).collect();
            let ours: Vec<_> = points.into_iter().filter(|point| point.starts_with("/mnt")).collect();
            ensure!(ours == ["/mnt", "/mnt/inner", "/mnt/inner"], "the order is {ours:?}");
            is(&report, "/paths/~1mnt~1inner/write", "ok")
        },
    },
    Check {
        name: "destination-is-required",
        place: "config.md#mounts",
        sentence: "`destination` (string, REQUIRED)",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let mount = json!({"type": "tmpfs", "source": "tmpfs"});
            stage.refuses_config(stage.config(&["true"])?.mount(mount))
        },
    },
    Check {
        name: "relative-destination-is-below-the-root",
        place: "config.md#mounts",
        sentence: "For compatibility with old tools and configurations, it MAY be a relative path, in which case it MUST be interpreted as relative to \"/\".",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let config = stage.config(&[])?.tmpfs("relative/path", &[]).set("/process/cwd", "/tmp");
            mount_of(&stage.report(config, &[])?, "/relative/path").map(drop)
        },
    },
    Check {
        name: "unknown-options-reach-the-file-system",
        place: "config.md#linux-mount-options",
        sentence: "Runtimes SHOULD treat unknown options as filesystem-specific ones and pass those as a comma-separated string to the fifth (`const void *data`) argument of `mount(2)`.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let report =
                stage.report(stage.config(&[])?.tmpfs("/mnt", &["size=64k", "nr_inodes=32"]), &[])?;
            let data = at(mount_of(&report, "/mnt")?, "/super").as_str().unwrap_or_default();
            ensure!(data.contains("size=64k") && data.contains("nr_inodes=32"), "the options are {data}");
            stage.refuses_config(stage.config(&["true"])?.tmpfs("/mnt", &["no-such-option"]))
        },
    },
    Check {
        name: "idmap-uses-the-given-mappings",
        place: "config.md#linux-mount-options",
        sentence: "If `uidMappings` or `gidMappings` are specified for the mount, the runtime MUST use those values for the mount's mapping.",
        run: |bed| id_mapped(bed, &["bind", "idmap"], Some(5000)),
    },
    Check {
        name: "idmap-without-mappings",
        place: "config.md#linux-mount-options",
        sentence: "If there are no `uidMappings` and `gidMappings` specified and the container isn't using user namespaces, an error MUST be returned.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            for option in ["idmap", "ridmap"] {
                let config = stage.config(&["true"])?.bind("/etc", "/mnt", &[option]);
                stage.refuses_config(config).context(option)?;
            }
            Ok(())
        },
    },
    Check {
        name: "idmap-without-mappings-in-a-user-namespace",
        place: "config.md#linux-mount-options",
        sentence: "If they are not specified, the runtime MAY use the container's user namespace mapping, otherwise an error MUST be returned.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let source = stage.files().join("source");
            std::fs::create_dir(&source)?;
            let config = stage.config(&[])?.map_users(100_000, 65_536).bind(
                &source.to_string_lossy(),
                "/mnt",
                &["idmap"],
            );
            let mut container = stage.container(config.args(&["/bin/payload", "report", "/mnt"]))?;
            if container.try_create(&[])?.code != 0 {
                return Ok(());
            }
            container.start()?;
            container.becomes("stopped")?;
            is(&serde_json::from_str(&container.printed())?, "/paths/~1mnt/uid", 0)
        },
    },
    Check {
        name: "mount-gid-mappings-go-with-uid-mappings",
        place: "config.md#posix-platform-mounts",
        sentence: "If specified, it MUST be specified along with `gidMappings`.",
        run: |bed| alone(bed, "uidMappings"),
    },
    Check {
        name: "mount-uid-mappings-go-with-gid-mappings",
        place: "config.md#posix-platform-mounts",
        sentence: "If specified, it MUST be specified along with `uidMappings`.",
        run: |bed| alone(bed, "gidMappings"),
    },
];

/// What an option has to come to.
#[derive(Clone, Copy)]
enum Effect {
    /// The word among the options of a mount or of its file system.
    On(&'static str),
    /// No such word.
    Off(&'static str),
    /// The mount's propagation begins so; an empty word means none.
    Propagates(&'static str),
    /// The word on the mount below.
    Below(&'static str),
    /// No such word below.
    NotBelow(&'static str),
    /// The mount below is there, or not.
    Tree(Below),
    /// Nothing that can be seen but success.
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    There,
    Missing,
}

/// A check of one option of the table: what it is given with, and what it has to come to.
macro_rules! option {
    ($name:literal, $level:literal, $given:expr, $effect:expr) => {
        Check {
            name: concat!("option-", $name),
            place: "config.md#linux-mount-options",
            sentence: concat!("`", $name, "`: ", $level, "."),
            run: |bed| option(bed, &$given, $effect),
        }
    };
}

use Effect::{Below as On2, NotBelow as Off2, Nothing, Off, On, Propagates, Tree};

pub(super) const OPTIONS: &[Check] = &[
    option!("async", "MUST", ["sync", "async"], Off("sync")),
    option!("atime", "MUST", ["noatime", "atime"], Off("noatime")),
    option!("bind", "MUST", ["bind"], Tree(Below::Missing)),
    option!("defaults", "MUST", ["defaults"], Off("ro")),
    option!("dev", "MUST", ["nodev", "dev"], Off("nodev")),
    option!("diratime", "MUST", ["nodiratime", "diratime"], Off("nodiratime")),
    option!("dirsync", "MUST", ["dirsync"], On("dirsync")),
    option!("exec", "MUST", ["noexec", "exec"], Off("noexec")),
    option!("iversion", "MUST", ["iversion"], Nothing),
    option!("lazytime", "MUST", ["lazytime"], On("lazytime")),
    option!("loud", "MUST", ["silent", "loud"], Nothing),
    option!("noatime", "MUST", ["noatime"], On("noatime")),
    option!("nodev", "MUST", ["nodev"], On("nodev")),
    option!("nodiratime", "MUST", ["nodiratime"], On("nodiratime")),
    option!("noexec", "MUST", ["noexec"], On("noexec")),
    option!("noiversion", "MUST", ["iversion", "noiversion"], Nothing),
    option!("nolazytime", "MUST", ["lazytime", "nolazytime"], Off("lazytime")),
    option!("norelatime", "MUST", ["relatime", "norelatime"], Nothing),
    option!("nostrictatime", "MUST", ["nostrictatime"], Nothing),
    option!("nosuid", "MUST", ["nosuid"], On("nosuid")),
    option!("nosymfollow", "SHOULD", ["nosymfollow"], On("nosymfollow")),
    option!("private", "MUST", ["bind", "shared", "private"], Propagates("")),
    option!("ratime", "SHOULD", ["rbind", "rnoatime", "ratime"], Off2("noatime")),
    option!("rbind", "MUST", ["rbind"], Tree(Below::There)),
    option!("rdev", "SHOULD", ["rbind", "rnodev", "rdev"], Off2("nodev")),
    option!("rdiratime", "SHOULD", ["rbind", "rnodiratime", "rdiratime"], Off2("nodiratime")),
    option!("relatime", "MUST", ["relatime"], On("relatime")),
    Check {
        name: "option-remount",
        place: "config.md#linux-mount-options",
        sentence: "`remount`: MUST.",
        run: |bed| {
            let stage = Stage::new(bed)?;
            let config = stage.config(&[])?.tmpfs("/mnt", &[]).tmpfs("/mnt", &["remount", "ro"]);
            let report = stage.report(config, &["/mnt"])?;
            is(&report, "/paths/~1mnt/write", "EROFS")
        },
    },
    option!("rexec", "SHOULD", ["rbind", "rnoexec", "rexec"], Off2("noexec")),
    option!("rnoatime", "SHOULD", ["rbind", "rnoatime"], On2("noatime")),
    option!("rnodiratime", "SHOULD", ["rbind", "rnodiratime"], On2("nodiratime")),
    option!("rnoexec", "SHOULD", ["rbind", "rnoexec"], On2("noexec")),
    option!("rnorelatime", "SHOULD", ["rbind", "rnorelatime"], Nothing),
    option!("rnostrictatime", "SHOULD", ["rbind", "rnostrictatime"], Nothing),
    option!("rnosuid", "SHOULD", ["rbind", "rnosuid"], On2("nosuid")),
    option!("rnosymfollow", "SHOULD", ["rbind", "rnosymfollow"], On2("nosymfollow")),
    option!("ro", "MUST", ["ro"], On("ro")),
    option!("rprivate", "MUST", ["rbind", "rshared", "rprivate"], Propagates("")),
    option!("rrelatime", "SHOULD", ["rbind", "rrelatime"], On2("relatime")),
    option!("rro", "SHOULD", ["rbind", "rro"], On2("ro")),
    option!("rrw", "SHOULD", ["rbind", "rro", "rrw"], Off2("ro")),
    option!("rshared", "MUST", ["rbind", "rshared"], Propagates("shared:")),
    option!("rslave", "MUST", ["rbind", "rslave"], Propagates("master:")),
    option!("rstrictatime", "SHOULD", ["rbind", "rnoatime", "rstrictatime"], Off2("noatime")),
    option!("rsuid", "SHOULD", ["rbind", "rnosuid", "rsuid"], Off2("nosuid")),
    option!("rsymfollow", "SHOULD", ["rbind", "rnosymfollow", "rsymfollow"], Off2("nosymfollow")),
    option!("runbindable", "MUST", ["rbind", "runbindable"], Propagates("unbindable")),
    option!("rw", "MUST", ["ro", "rw"], Off("ro")),
    option!("shared", "MUST", ["bind", "shared"], Propagates("shared:")),
    option!("silent", "MUST", ["silent"], Nothing),
    option!("slave", "MUST", ["bind", "slave"], Propagates("master:")),
    option!("strictatime", "MUST", ["strictatime"], Off("relatime")),
    option!("suid", "MUST", ["nosuid", "suid"], Off("nosuid")),
    option!("symfollow", "SHOULD", ["nosymfollow", "symfollow"], Off("nosymfollow")),
    option!("sync", "MUST", ["sync"], On("sync")),
    option!("unbindable", "MUST", ["bind", "unbindable"], Propagates("unbindable")),
    Check {
        name: "option-idmap",
        place: "config.md#linux-mount-options",
        sentence: "`idmap`: SHOULD. Indicates that the mount MUST have an idmapping applied.",
        run: |bed| id_mapped(bed, &["rbind", "idmap"], None),
    },
    Check {
        name: "option-ridmap",
        place: "config.md#linux-mount-options",
        sentence: "`ridmap`: SHOULD. Indicates that the mount MUST have an idmapping applied, and the mapping is applied recursively.",
        run: |bed| id_mapped(bed, &["rbind", "ridmap"], Some(5000)),
    },
];

/// A directory of the check's on a shared mount of its own, with another mount below it.
fn tree(stage: &Stage) -> Result<String> {
    let source = stage.files().join("source");
    std::fs::create_dir(&source)?;
    let shown = source.to_string_lossy().into_owned();
    let tool = |words: &[&str]| -> Result<()> {
        crate::command::Command::new("mount", stage.files()).args(words).run()?.succeeds().map(drop)
    };
    tool(&["-t", "tmpfs", "-o", "mode=755", "source", &shown])?;
    std::fs::create_dir(source.join("below"))?;
    tool(&["-t", "tmpfs", "-o", "mode=755", "below", &format!("{shown}/below")])?;
    tool(&["--make-rshared", &shown])?;
    Ok(shown)
}

/// Mounts with the options, a tree of the check's when they bind and a tmpfs otherwise, and looks.
fn option(bed: &Bed, given: &[&str], effect: Effect) -> Result<()> {
    let stage = Stage::new(bed)?;
    let binds = given.iter().any(|word| ["bind", "rbind"].contains(word));
    let config = stage.config(&[])?;
    let config = match binds {
        true => config.mount(bind(tree(&stage)?.as_ref(), "/mnt", given)),
        false => config.tmpfs("/mnt", given),
    };
    let report = stage.report(config, &[])?;
    let mount = mount_of(&report, "/mnt")?;
    let below = mount_of(&report, "/mnt/below");
    let propagation = || at(mount, "/propagation").as_str().unwrap_or_default();
    let good = match effect {
        On(word) => has(mount, word),
        Off(word) => !has(mount, word),
        Propagates("") => propagation().is_empty(),
        Propagates(word) => propagation().starts_with(word),
        On2(word) => has(below?, word) && has(mount, word),
        Off2(word) => !has(below?, word) && !has(mount, word),
        Tree(wanted) => below.is_ok() == (wanted == Below::There),
        Nothing => true,
    };
    ensure!(good, "with {} it is {mount}", given.join(","));
    Ok(())
}

fn has(mount: &Value, option: &str) -> bool {
    ["/options", "/super"]
        .iter()
        .any(|field| at(mount, field).as_str().unwrap_or_default().split(',').any(|one| one == option))
}

/// Mounts a tree whose files belong to 0 by mappings from 0 to 5000; below, they belong to that owner too, or to
/// no mapped user.
fn id_mapped(bed: &Bed, options: &[&str], below: Option<u32>) -> Result<()> {
    let stage = Stage::new(bed)?;
    let mapping = json!([{"containerID": 0, "hostID": 5000, "size": 1000}]);
    let mut mount = bind(tree(&stage)?.as_ref(), "/mnt", options);
    for list in ["uidMappings", "gidMappings"] {
        if let Some(mount) = mount.as_object_mut() {
            mount.insert(list.into(), mapping.clone());
        }
    }
    let report = stage.report(stage.config(&[])?.mount(mount), &["/mnt", "/mnt/below"])?;
    is(&report, "/paths/~1mnt/uid", 5000)?;
    is(&report, "/paths/~1mnt/gid", 5000)?;
    match below {
        Some(_) if options.contains(&"bind") => Ok(()),
        Some(owner) => is(&report, "/paths/~1mnt~1below/uid", owner),
        None => is(&report, "/paths/~1mnt~1below/uid", 0),
    }
}

/// A mount with one of the two lists of mappings is refused.
fn alone(bed: &Bed, list: &str) -> Result<()> {
    let stage = Stage::new(bed)?;
    let mapping = json!([{"containerID": 0, "hostID": 5000, "size": 1000}]);
    let mut mount =
        json!({"destination": "/mnt", "type": "bind", "source": "/etc", "options": ["bind", "idmap"]});
    if let Some(mount) = mount.as_object_mut() {
        mount.insert(list.into(), mapping);
    }
    let config: Config = stage.config(&["true"])?.mount(mount);
    stage.refuses_config(config)
}
