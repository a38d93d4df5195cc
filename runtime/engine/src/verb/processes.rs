//! The processes of a container, for `ps` and for signals to all of them.

use crate::cgroup::population;
use crate::container::record::{Pids, Record};
use crate::container::store::Store;
use crate::error::Result;
use crate::fault::Fault;
use rustix::process::Pid;

/// The processes of a container by their pids on the host, in order; none when it has ended.
///
/// # Errors
/// When there is no such container, or when its cgroup can't be read.
pub fn processes(store: &Store, id: &str) -> Result<Vec<i32>> {
    let entry = store.look(id)?;
    let record = entry.record()?;
    let found = all(&record).map_err(|fault| entry.error("list the processes of", fault))?;
    let mut pids: Vec<i32> = found.into_iter().map(|pid| pid.as_raw_nonzero().get()).collect();
    pids.sort_unstable();
    Ok(pids)
}

/// Every process of the container: who is in its cgroup; without one, who is in its pid namespace.
pub(crate) fn all(record: &Record) -> std::result::Result<Vec<Pid>, Fault> {
    if !record.cgroups.is_empty() {
        return population::members(&record.cgroups);
    }
    let Some(init) = record.init.as_ref().filter(|init| init.is_alive()) else { return Ok(Vec::new()) };
    match record.pids {
        Pids::Own => Ok(in_namespace_of(init.pid)),
        Pids::Shared => Ok(Pid::from_raw(init.pid).into_iter().collect()),
    }
}

/// Who is in the same pid namespace, as far as this process may look into it.
fn in_namespace_of(init: i32) -> Vec<Pid> {
    let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let Some(wanted) = namespace(&init.to_string()) else { return Vec::new() };
    let names = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            name.bytes().all(|byte| byte.is_ascii_digit()) && namespace(name) == Some(wanted.clone())
        })
        .filter_map(|name| name.parse().ok().and_then(Pid::from_raw))
        .collect()
}
