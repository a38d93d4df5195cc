//! `tare list`

use crate::arguments::Arguments;
use crate::{output, state_directory};
use std::fmt::Write;
use tare_engine::list::Listed;
use tare_engine::state::State;
use tare_engine::{Error, Result};

/// Lists all containers.
pub(crate) fn list(arguments: &Arguments) -> Result<u8> {
    if let Some(root) = arguments.global("root").filter(|root| !std::path::Path::new(root).is_dir()) {
        return Err(Error::Usage(format!("cannot list {root}: no such file or directory")));
    }
    let containers = tare_engine::list::list(&state_directory::open(arguments))?;
    let text = match arguments.value("format") {
        _ if arguments.is_set("quiet") => ids(&containers),
        None | Some("table") => output::table(&rows(&containers)),
        Some("json") => json(containers),
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
        let _ = writeln!(text, "{}", container.state.id);
    }
    text
}

fn rows(containers: &[Listed]) -> Vec<Vec<String>> {
    let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned).to_vec();
    let row = |container: &Listed| {
        let state = &container.state;
        vec![
            state.id.clone(),
            state.pid.to_string(),
            state.status.to_owned(),
            state.bundle.clone(),
            state.created.clone(),
            owner(container.owner),
        ]
    };
    std::iter::once(head).chain(containers.iter().map(row)).collect()
}

/// An array of states with the owner's name. An empty list is `null`, as Go writes it and callers expect it.
fn json(containers: Vec<Listed>) -> String {
    let owned = |container: Listed| State { owner: owner(container.owner), ..container.state };
    let states: Vec<State> = containers.into_iter().map(owned).collect();
    output::json(&Some(states).filter(|states| !states.is_empty()))
}

/// The name of a user, or `#` and the uid without one.
fn owner(uid: u32) -> String {
    let text = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.to_string()).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("#{uid}"))
}
