//! `tare list`

use crate::arguments::Arguments;
use crate::log::Log;
use crate::output;
use serde_json::{Value, json};
use std::fmt::Write;
use tare_engine::list::Listed;
use tare_engine::{Error, Result};
use tare_plan::step::Status;

/// Lists all containers.
pub(crate) fn list(arguments: &Arguments, _: &mut Log) -> Result<u8> {
    if let Some(root) = arguments.global("root").filter(|root| !std::path::Path::new(root).is_dir()) {
        return Err(Error::Usage(format!("cannot list {root}: no such file or directory")));
    }
    let containers = tare_engine::list::list(&super::store(arguments))?;
    let text = match arguments.value("format") {
        _ if arguments.is_set("quiet") => ids(&containers),
        None | Some("table") => output::table(&rows(&containers)),
        Some("json") => json(&containers),
        Some(other) => {
            return Err(Error::Usage(format!("invalid format option: {other:?}, it is table or json")));
        }
    };
    output::print(&text);
    Ok(0)
}

fn ids(containers: &[Listed]) -> String {
    let mut text = String::new();
    for container in containers {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{}", container.record.id);
    }
    text
}

fn rows(containers: &[Listed]) -> Vec<Vec<String>> {
    let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned).to_vec();
    let row = |container: &Listed| {
        let record = &container.record;
        let pid = pid(container).to_string();
        let status = container.status.name().to_owned();
        vec![
            record.id.clone(),
            pid,
            status,
            record.bundle.clone(),
            record.created.clone(),
            owner(record.owner),
        ]
    };
    std::iter::once(head).chain(containers.iter().map(row)).collect()
}

fn pid(container: &Listed) -> i32 {
    let alive = container.status != Status::Stopped;
    container.record.init.as_ref().filter(|_| alive).map_or(0, |init| init.pid)
}

/// An array of objects; `null` without any, as Go writes an empty list and callers expect it.
fn json(containers: &[Listed]) -> String {
    let object = |container: &Listed| -> Value {
        let record = &container.record;
        json!({
            "ociVersion": record.oci_version,
            "id": record.id,
            "pid": pid(container),
            "status": container.status.name(),
            "bundle": record.bundle,
            "rootfs": record.rootfs,
            "created": record.created,
            "annotations": record.annotations,
            "owner": owner(record.owner),
        })
    };
    let list = if containers.is_empty() { Value::Null } else { containers.iter().map(object).collect() };
    format!("{list}\n")
}

/// The user's name, or `#` and the number of one without.
fn owner(uid: u32) -> String {
    let text = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.to_string()).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("#{uid}"))
}
