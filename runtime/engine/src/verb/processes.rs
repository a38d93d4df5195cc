//! The processes of a container, for `ps` and `kill --all`.

use crate::cgroup::members;
use crate::container::record::Record;
use crate::container::store::Store;
use crate::error::Result;
use crate::fault::Fault;
use rustix::process::Pid;
use tare_plan::footprint::PidNamespace;

/// Returns the host's pids of a container's processes, sorted. A stopped container has none.
///
/// # Errors
/// When the container does not exist, or its cgroup can't be read.
pub fn processes(store: &Store, id: &str) -> Result<Vec<i32>> {
    let entry = store.open_unlocked(id)?;
    let record = entry.record()?;
    let found = all(&record).map_err(|fault| entry.error("list the processes of", fault))?;
    let mut pids: Vec<i32> = found.into_iter().map(|pid| pid.as_raw_nonzero().get()).collect();
    pids.sort_unstable();
    Ok(pids)
}

/// Returns every process of a container: those in its cgroup, or without one those in its pid namespace.
pub(crate) fn all(record: &Record) -> std::result::Result<Vec<Pid>, Fault> {
    if !record.cgroups.is_empty() {
        return members::of_container(&record.cgroups);
    }
    let Some(init) = record.init.as_ref().filter(|init| init.is_alive()) else { return Ok(Vec::new()) };
    match record.pid_namespace {
        PidNamespace::Own => Ok(in_namespace_of(init.pid)),
        PidNamespace::Shared => Ok(Pid::from_raw(init.pid).into_iter().collect()),
    }
}

/// Returns the processes in the pid namespace of `init`. A rootless user can read the namespaces of its own processes only.
fn in_namespace_of(init: i32) -> Vec<Pid> {
    let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let Some(own) = namespace(&init.to_string()) else { return Vec::new() };
    let names = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|name| namespace(name).as_ref() == Some(&own))
        .filter_map(|name| name.parse().ok().and_then(Pid::from_raw))
        .collect()
}
