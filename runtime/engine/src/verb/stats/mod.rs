//! The resource usage of a container from its cgroups, in the format and order of runc's `events`.

mod block_io;
mod cpu;
mod memory;
mod omit;
mod pressure;

pub use block_io::{BlockIo, Entry as BlockIoEntry};
pub use cpu::{Cpu, CpuSet, CpuUsage, Throttling};
pub use memory::{HugePages, Memory, MemoryEntry};
pub use pressure::{Pressure, Waits};

use crate::cgroup::Cgroup;
use crate::cgroup::values::Values;
use crate::container::status::status;
use crate::container::store::Store;
use crate::error::{Error, Result};
use omit::is_zero;
use serde::Serialize;
use std::collections::BTreeMap;
use tare_plan::step::Status;

/// The resource usage of a container: CPU time in nanoseconds, memory in bytes, counts of processes and of block I/O.
///
/// As in runc, most fields that are 0 are left out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stats {
    /// CPU time.
    pub cpu: Cpu,
    /// CPUs and memory nodes.
    pub cpuset: CpuSet,
    /// Memory.
    pub memory: Memory,
    /// Tasks.
    pub pids: PidStats,
    /// Block I/O.
    pub blkio: BlockIo,
    /// Huge pages, by their size.
    pub hugetlb: BTreeMap<String, HugePages>,
    /// Cache and memory bandwidth: runc's key, always empty here.
    pub intel_rdt: BTreeMap<String, u64>,
    /// Network interfaces: runc's key, always `null` here.
    pub network_interfaces: Option<Vec<String>>,
}

/// The tasks of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PidStats {
    /// The number of tasks.
    #[serde(skip_serializing_if = "is_zero")]
    pub current: u64,
    /// The limit; 0 without a limit, as in runc.
    #[serde(skip_serializing_if = "is_zero")]
    pub limit: u64,
}

/// Returns the current resource usage of a container.
///
/// # Errors
/// When the container does not exist or does not run.
pub fn stats(store: &Store, id: &str) -> Result<Stats> {
    let entry = store.open_unlocked(id)?;
    let record = entry.record()?;
    match status(&entry, &record) {
        Status::Stopped | Status::Creating => {
            Err(Error::Usage(format!("container with id {id} is not running")))
        }
        _ => Ok(read(&record.cgroups)),
    }
}

/// Reads the files of all controllers. A file that this kernel does not have counts as 0.
pub(crate) fn read(cgroups: &[Cgroup]) -> Stats {
    let values = Values::open(cgroups);
    let pids = |file: &str| values.number("pids", file).unwrap_or(0);
    Stats {
        cpu: Cpu::read(&values),
        cpuset: CpuSet::read(&values),
        memory: Memory::read(&values),
        pids: PidStats { current: pids("pids.current"), limit: pids("pids.max") },
        blkio: BlockIo::read(&values),
        hugetlb: memory::huge_pages(&values),
        intel_rdt: BTreeMap::new(),
        network_interfaces: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_runcs_order_and_zeros_are_left_out() {
        let mut stats = Stats { pids: PidStats { current: 1, limit: 0 }, ..Stats::default() };
        stats.cpu.usage.total = 7;
        let (memory, rest) =
            (r#"{"limit":0,"failcnt":0}"#, r#""hugetlb":{},"intel_rdt":{},"network_interfaces":null"#);
        let cpuset = concat!(
            r#"{"cpus":null,"cpu_exclusive":0,"mems":null,"mem_hardwall":0,"mem_exclusive":0,"memory_migrate":0,"#,
            r#""memory_spread_page":0,"memory_spread_slab":0,"memory_pressure":0,"sched_load_balance":0,"#,
            r#""sched_relax_domain_level":0}"#
        );
        assert_eq!(
            serde_json::to_string(&stats).unwrap(),
            format!(
                r#"{{"cpu":{{"usage":{{"total":7,"kernel":0,"user":0}},"throttling":{{}}}},"cpuset":{cpuset},"memory":{{"usage":{memory},"swap":{memory},"kernel":{memory},"kernelTCP":{memory},"raw":{{}}}},"pids":{{"current":1}},"blkio":{{}},{rest}}}"#
            )
        );
    }
}
