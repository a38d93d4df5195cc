//! `tare stats`

use crate::arguments::Arguments;
use crate::log::Log;
use crate::output;
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tare_engine::store::Store;
use tare_engine::{Result, list, stats};
use tare_plan::step::Status;

/// How long processor time is watched before the first table.
const GLANCE: Duration = Duration::from_millis(200);
/// How often a live table is drawn anew.
const INTERVAL: Duration = Duration::from_secs(1);

/// What is written before a live table: to the corner, and clear what is below.
const CLEAR: &str = "\x1b[H\x1b[J";

/// What one container used at a time.
struct Sample {
    id: String,
    time: Instant,
    stats: Value,
}

/// Tells what containers use: as a table on a terminal, as a line of JSON for each elsewhere.
pub(crate) fn stats(arguments: &Arguments, _: &mut Log) -> Result<u8> {
    let store = super::store(arguments);
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

/// Reads the containers that are named, or all that run. Of those that are named, each must be there.
fn samples(store: &Store, ids: &[String]) -> Result<Vec<Sample>> {
    let sample = |id: &str, stats| Sample { id: id.to_owned(), time: Instant::now(), stats };
    if !ids.is_empty() {
        return ids.iter().map(|id| Ok(sample(id, stats::stats(store, id)?))).collect();
    }
    let running = list::list(store)?;
    let running = running.iter().filter(|one| matches!(one.status, Status::Running | Status::Paused));
    // One that ends meanwhile is no longer among them.
    Ok(running
        .filter_map(|one| Some(sample(&one.record.id, stats::stats(store, &one.record.id).ok()?)))
        .collect())
}

fn print_lines(samples: &[Sample]) -> u8 {
    let line = |sample: &Sample| format!("{}\n", json!({ "id": sample.id, "stats": sample.stats }));
    let text: String = samples.iter().map(line).collect();
    u8::from(output::print(&text) != ExitCode::SUCCESS)
}

/// The table's rows; processor time is that between the two readings.
fn rows(before: &[Sample], now: &[Sample]) -> Vec<Vec<String>> {
    let title = ["ID", "CPU", "MEMORY", "LIMIT", "PIDS", "READ", "WRITTEN", "WAITS"];
    let title = title.map(str::to_owned).to_vec();
    let row = |sample: &Sample| {
        let stats = &sample.stats;
        let earlier = before.iter().find(|earlier| earlier.id == sample.id);
        vec![
            sample.id.clone(),
            earlier.map_or_else(|| "-".to_owned(), |earlier| percent(earlier, sample)),
            size(number(stats, "/memory/usage/usage").unwrap_or(0)),
            number(stats, "/memory/usage/limit").map_or_else(|| "-".to_owned(), limit),
            of(number(stats, "/pids/current"), number(stats, "/pids/limit")),
            size(bytes(stats, "Read")),
            size(bytes(stats, "Write")),
            pressure(stats),
        ]
    };
    std::iter::once(title).chain(now.iter().map(row)).collect()
}

/// A number of the statistics, by its place.
fn number(stats: &Value, pointer: &str) -> Option<u64> {
    stats.pointer(pointer)?.as_u64()
}

/// Processor time as a share of one processor's.
fn percent(before: &Sample, now: &Sample) -> String {
    let total = |sample: &Sample| number(&sample.stats, "/cpu/usage/total").unwrap_or(0);
    let used = total(now).saturating_sub(total(before)) as f64;
    let passed = now.time.duration_since(before.time).as_nanos().max(1) as f64;
    format!("{:.1}%", used / passed * 100.0)
}

/// `5/20`, or `5` where there is no limit.
fn of(current: Option<u64>, limit: Option<u64>) -> String {
    let current = current.unwrap_or(0);
    limit.map_or_else(|| current.to_string(), |limit| format!("{current}/{limit}"))
}

/// What was read or written, by all devices.
fn bytes(stats: &Value, done: &str) -> u64 {
    let entries = stats.pointer("/blkio/ioServiceBytesRecursive").and_then(Value::as_array);
    let entries = entries.into_iter().flatten();
    entries
        .filter(|entry| entry.get("op").is_some_and(|op| op == done))
        .filter_map(|entry| number(entry, "/value"))
        .sum()
}

/// For what processes have waited most in the last ten seconds, where the kernel tells (v2).
fn pressure(stats: &Value) -> String {
    let of = |kind: &'static str| {
        let share = stats.pointer(&format!("/{kind}/psi/some/avg10"))?.as_f64()?;
        Some((kind, share))
    };
    let all = [of("cpu"), of("memory"), of("blkio")].into_iter().flatten();
    let most = all.max_by(|one, other| one.1.total_cmp(&other.1));
    most.map_or_else(|| "-".to_owned(), |(kind, share)| format!("{kind} {share:.0}%"))
}

/// A limit; one that is larger than any machine is none.
fn limit(bytes: u64) -> String {
    if bytes >= 1 << 60 { "none".to_owned() } else { size(bytes) }
}

/// Bytes in the largest unit of which there is one.
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
    fn sizes_are_in_the_largest_unit_of_which_there_is_one() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(512 << 20), "512.0 MiB");
        assert_eq!(limit(u64::MAX), "none");
    }

    #[test]
    fn the_largest_pressure_is_named() {
        let stats = json!({
            "cpu": { "psi": { "some": { "avg10": 3.0 } } },
            "memory": { "psi": { "some": { "avg10": 41.7 } } },
        });
        assert_eq!(pressure(&stats), "memory 42%");
        assert_eq!(pressure(&json!({})), "-");
    }
}
