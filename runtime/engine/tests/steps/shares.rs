//! Shares of caches: resctrl groups in a plain directory, because few machines have the real file system.

use crate::stage::{Kind, Stage};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A stage with a directory in place of resctrl, and the path of the directory.
fn stage(rdt: &Value) -> (Stage, PathBuf) {
    let mut stage = Stage::with(Kind::Plain, |config| config.set("/linux/intelRdt", rdt.clone()));
    let tree = stage.host.files().join("resctrl");
    std::fs::create_dir(&tree).unwrap();
    stage.facts.resctrl = Some(tree.to_string_lossy().into_owned());
    (stage, tree)
}

fn read(directory: &Path, file: &str) -> String {
    std::fs::read_to_string(directory.join(file)).unwrap()
}

/// Removes the files of a group. In the real file system rmdir(2) removes them too.
fn empty(group: &Path) {
    for file in ["schemata", "tasks"] {
        let _ = std::fs::remove_file(group.join(file));
    }
}

pub(crate) fn of_its_own() {
    let rdt = json!({
        "l3CacheSchema": "L3:0=7f0\nMB:0=50", "memBwSchema": "MB:0=20", "schemata": ["L2:0=f"], "enableMonitoring": true
    });
    let (stage, tree) = stage(&rdt);
    let group = tree.join(&stage.id);
    let monitoring = group.join("mon_groups").join(&stage.id);
    // The kernel creates this directory together with the group.
    std::fs::create_dir_all(monitoring.parent().unwrap()).unwrap();
    let created = stage.make(&stage.plan()).unwrap();
    let pid = created.init.pid.as_raw_nonzero().to_string();
    drop(created);
    assert_eq!(read(&group, "schemata"), "L3:0=7f0\nMB:0=20\nL2:0=f\n");
    assert_eq!((read(&group, "tasks"), read(&monitoring, "tasks")), (pid.clone(), pid));
    empty(&monitoring);
    stage.delete();
    assert!(!monitoring.exists(), "the monitoring group still exists");
    assert!(group.exists(), "the group existed before the container and is gone");
    stage.is_clean("a group of its own");
}

pub(crate) fn gone_with_the_container() {
    let (stage, tree) = stage(&json!({ "memBwSchema": "MB:0=20" }));
    let group = tree.join(&stage.id);
    drop(stage.make(&stage.plan()).unwrap());
    assert_eq!(read(&group, "schemata"), "MB:0=20\n");
    empty(&group);
    stage.delete();
    assert!(!group.exists(), "the group still exists");
    stage.is_clean("a removed group");
}

pub(crate) fn of_a_class() {
    let (stage, tree) = stage(&json!({ "closID": "gold", "l3CacheSchema": "L3:0=7f0" }));
    let class = tree.join("gold");
    std::fs::create_dir(&class).unwrap();
    std::fs::write(class.join("schemata"), "    L3:0=003f0\n").unwrap();
    let refused = stage.make(&stage.plan()).map(drop).unwrap_err().to_string();
    assert!(refused.ends_with(
        "the group is there already and its schemata are not those that are asked for, because of linux.intelRdt.closID"
    ), "{refused}");
    assert!(!class.join("tasks").exists());
    stage.is_clean("another class");
    std::fs::write(class.join("schemata"), "    L3:0=007f0\n").unwrap();
    drop(stage.make(&stage.plan()).unwrap());
    assert_eq!(read(&class, "schemata"), "    L3:0=007f0\n");
    stage.delete();
    assert!(class.exists(), "the class serves others and is gone");
    stage.is_clean("the class");
}

pub(crate) fn of_a_class_that_is_missing() {
    let (stage, tree) = stage(&json!({ "closID": "gold" }));
    let refused = stage.make(&stage.plan()).map(drop).unwrap_err().to_string();
    assert!(refused.contains("/gold: open: no such file or directory (ENOENT)"), "{refused}");
    assert!(!tree.join("gold").exists());
    stage.is_clean("a missing class");
}
