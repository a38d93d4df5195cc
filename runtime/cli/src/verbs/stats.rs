//! `tare stats`

use crate::arguments::Arguments;
use crate::{output, state_directory};
use serde::Serialize;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tare_engine::stats::{BlockIoEntry, Pressure, Stats};
use tare_engine::store::Store;
use tare_engine::{Result, list, stats};
use tare_plan::step::Status;

/// How long CPU time is measured before the first table.
const GLANCE: Duration = Duration::from_millis(200);
/// How often --watch redraws the table.
const INTERVAL: Duration = Duration::from_secs(1);

/// The escape sequences before a redrawn table: cursor to the corner, and clear to the end of the screen.
const CLEAR: &str = "\x1b[H\x1b[J";

/// The resource usage of one container at one time.
struct Sample {
    id: String,
    time: Instant,
    stats: Stats,
}

/// A sample as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    stats: &'a Stats,
}

/// Shows the resource usage of containers: as a table on a terminal, otherwise as a line of JSON for each.
pub(crate) fn stats(arguments: &Arguments) -> Result<u8> {
    let store = state_directory::open(arguments);
    let table = std::io::stdout().is_terminal();
    let mut before = samples(&store, &arguments.operands)?;
    if !table {
        return Ok(print_lines(&before));
    }
    let mut pause = GLANCE;
    loop {
        std::thread::sleep(pause);
        let now = samples(&store, &arguments.operands)?;
        let text = output::table(&rows(&before, &now));
        let live = arguments.is_set("watch");
        let printed = output::print(&if live { format!("{CLEAR}{text}") } else { text });
        if !live || printed != ExitCode::SUCCESS {
            return Ok(0);
        }
        (before, pause) = (now, INTERVAL);
    }
}

/// Reads the named containers, which must exist, or all that run.
fn samples(store: &Store, ids: &[String]) -> Result<Vec<Sample>> {
    let sample = |id: &str, stats| Sample { id: id.to_owned(), time: Instant::now(), stats };
    if !ids.is_empty() {
        return ids.iter().map(|id| Ok(sample(id, stats::stats(store, id)?))).collect();
    }
    let running = list::list(store)?;
    let running = running.iter().filter(|one| matches!(one.status, Status::Running | Status::Paused));
    // One that ends meanwhile is left out.
    Ok(running
        .filter_map(|one| Some(sample(&one.state.id, stats::stats(store, &one.state.id).ok()?)))
        .collect())
}

fn print_lines(samples: &[Sample]) -> u8 {
    let line = |sample: &Sample| output::json(&Line { id: &sample.id, stats: &sample.stats });
    let text: String = samples.iter().map(line).collect();
    u8::from(output::print(&text) != ExitCode::SUCCESS)
}

/// The rows of the table; CPU time is that between the two samples.
fn rows(before: &[Sample], now: &[Sample]) -> Vec<Vec<String>> {
    let title = ["ID", "CPU", "MEMORY", "LIMIT", "PIDS", "READ", "WRITTEN", "PRESSURE"];
    let title = title.map(str::to_owned).to_vec();
    let row = |sample: &Sample| {
        let stats = &sample.stats;
        let earlier = before.iter().find(|earlier| earlier.id == sample.id);
        vec![
            sample.id.clone(),
            earlier.map_or_else(|| "-".to_owned(), |earlier| percent(earlier, sample)),
            size(stats.memory.usage.usage),
            limit(stats.memory.usage.limit),
            of(stats.pids.current, stats.pids.limit),
            size(bytes(stats, "Read")),
            size(bytes(stats, "Write")),
            pressure(stats),
        ]
    };
    std::iter::once(title).chain(now.iter().map(row)).collect()
}

/// CPU time as a share of one CPU.
fn percent(before: &Sample, now: &Sample) -> String {
    let used = now.stats.cpu.usage.total.saturating_sub(before.stats.cpu.usage.total) as f64;
    let passed = now.time.duration_since(before.time).as_nanos().max(1) as f64;
    format!("{:.1}%", used / passed * 100.0)
}

/// `5/20`, or `5` without a limit.
fn of(current: u64, limit: u64) -> String {
    if limit == 0 { current.to_string() } else { format!("{current}/{limit}") }
}

/// Bytes of one operation on all devices.
fn bytes(stats: &Stats, op: &str) -> u64 {
    let entries = stats.blkio.io_service_bytes_recursive.iter();
    entries.filter(|entry: &&BlockIoEntry| entry.op == op).map(|entry| entry.value).sum()
}

/// The resource that tasks waited for most in the last 10 seconds, where the kernel reports it (cgroup v2).
fn pressure(stats: &Stats) -> String {
    let of = |name: &'static str, psi: &Option<Pressure>| {
        psi.as_ref().and_then(|psi| psi.some).map(|some| (name, some.avg10))
    };
    let all = [of("cpu", &stats.cpu.psi), of("memory", &stats.memory.psi), of("io", &stats.blkio.psi)];
    let most = all.into_iter().flatten().max_by(|one, other| one.1.total_cmp(&other.1));
    most.map_or_else(|| "-".to_owned(), |(name, share)| format!("{name} {share:.0}%"))
}

/// A memory limit. No limit is a number larger than any machine.
fn limit(bytes: u64) -> String {
    if bytes == 0 {
        "-".to_owned()
    } else if bytes >= 1 << 60 {
        "none".to_owned()
    } else {
        size(bytes)
    }
}

/// Bytes in the largest unit that gives a number of at least 1.
fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut amount = bytes as f64;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < units.len() {
        amount /= 1024.0;
        unit += 1;
    }
    let unit = units.get(unit).copied().unwrap_or_default();
    if unit == "B" { format!("{bytes} B") } else { format!("{amount:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_the_largest_unit_that_fits() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(512 << 20), "512.0 MiB");
        assert_eq!(limit(u64::MAX), "none");
    }

    #[test]
    fn the_largest_pressure_is_named() {
        let psi = |avg10| {
            let some = Some(stats::Waits { avg10, ..stats::Waits::default() });
            Some(Pressure { some, full: None })
        };
        let mut stats = Stats::default();
        assert_eq!(pressure(&stats), "-");
        (stats.cpu.psi, stats.memory.psi) = (psi(3.0), psi(41.7));
        assert_eq!(pressure(&stats), "memory 42%");
    }
}
