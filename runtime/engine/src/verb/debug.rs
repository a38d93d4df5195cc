//! The verb `debug`: what a puzzled operator wants to see at once of a container.

use crate::cgroup;
use crate::container::bundle;
use crate::container::record::Record;
use crate::container::status::status;
use crate::container::store::Store;
use crate::error::Result;
use crate::probe;
use crate::slots::Slots;
use rustix::fd::BorrowedFd;
use std::fs;
use tare_plan::spec::Spec;
use tare_plan::step::{LimitWrite, Planned, Status, WriteCgroup};
use tare_plan::tables::capabilities::CapabilitySet;
use tare_plan::update::{ExistingContainer, Update};

/// What is known about one side of a container, line by line.
#[derive(Debug)]
pub struct Section {
    /// What it is about.
    pub title: &'static str,
    /// What is named, and what is known of it.
    pub lines: Vec<(String, String)>,
}

/// Tells all that can be seen of a container from outside. Of one that has ended that is little, but why it has.
///
/// # Errors
/// When there is no such container.
pub fn examine(store: &Store, id: &str) -> Result<Vec<Section>> {
    let entry = store.look(id)?;
    let record = entry.record()?;
    let status = status(&entry, &record);
    let config = entry.config().and_then(|bytes| bundle::check(&bytes)).ok();
    let mut sections = vec![state(&record, status), end(&record, status)];
    if let Some(config) = &config {
        sections.push(limits(&record, config));
    }
    if let Some(init) = record.init.as_ref().filter(|init| init.is_alive()) {
        sections.extend([
            namespaces(init.pid),
            privileges(init.pid),
            mounts(init.pid),
            descriptors(init.pid),
        ]);
    }
    sections.retain(|section| !section.lines.is_empty());
    Ok(sections)
}

fn line(name: impl Into<String>, value: impl Into<String>) -> (String, String) {
    (name.into(), value.into())
}

fn state(record: &Record, status: Status) -> Section {
    let pid = record.init.as_ref().map_or(0, |init| init.pid);
    let lines = vec![
        line("id", &record.id),
        line("status", status.name()),
        line("pid", pid.to_string()),
        line("created", &record.created),
        line("bundle", &record.bundle),
        line("root", &record.rootfs),
    ];
    Section { title: "state", lines }
}

/// Why init has ended, as far as anybody but its parent can know.
fn end(record: &Record, status: Status) -> Section {
    let mut lines = Vec::new();
    if cgroup::was_oom_killed(&record.cgroups) {
        let what = "the kernel has killed a process of it for want of memory: linux.resources.memory.limit";
        lines.push(line("memory", what));
    }
    if status == Status::Stopped {
        let unknown = "its exit status went to its parent, who created it".to_owned();
        let code = record.exit.or_else(|| record.init.as_ref().and_then(|init| unreaped(init.pid)));
        lines.push(line("exit", code.map_or(unknown, exit_words)));
    }
    Section { title: "end", lines }
}

/// The exit code as shells have it: 128 and more for a signal.
fn exit_words(code: i32) -> String {
    match code {
        0..=128 => format!("exit code {code}"),
        _ => format!("signal {}", code - 128),
    }
}

/// The status of a process that has ended and that its parent has not asked about (proc_pid_stat(5), `exit_code`).
fn unreaped(pid: i32) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
    let status: i32 = fields.get(49)?.parse().ok()?;
    (*fields.first()? == "Z").then(|| if status & 0x7f == 0 { status >> 8 } else { 128 + (status & 0x7f) })
}

/// Each limit that the configuration asks for, beside what the kernel has.
fn limits(record: &Record, config: &Spec) -> Section {
    let cgroups = record.cgroups.iter().map(|cgroup| (cgroup.mount.as_str(), cgroup.path.as_str()));
    let mut lines: Vec<(String, String)> =
        record.cgroups.iter().map(|one| line(&one.mount, format!("/{}", one.path))).collect();
    let container = ExistingContainer { cgroups: cgroups.collect(), cpu_max: None, unit: None };
    let planned = probe::host()
        .ok()
        .and_then(|host| tare_plan::update::update(&config.linux.resources, &host, &container).ok());
    if let Some(planned) = planned {
        lines.extend(compare(&planned));
    }
    Section { title: "cgroup", lines }
}

/// Each limit of an update: the kernel's value, and the configured one where they differ.
fn compare(update: &Update) -> Vec<(String, String)> {
    let mut slots = Slots::new(update.slots);
    for Planned { step, .. } in &update.cgroups {
        // A directory that is gone has no values to show.
        let _ = cgroup::open(step).and_then(|directory| slots.put(step.slot, directory));
    }
    let compare = |planned: &Planned<LimitWrite>| {
        let write = cgroup::present(&slots, &planned.step).ok()?;
        Some(value(write, slots.get(write.cgroup).ok()?))
    };
    update.limits.iter().filter_map(compare).collect()
}

/// What a file of a cgroup has, and what it was to have where that differs.
fn value(write: &WriteCgroup, cgroup: BorrowedFd<'_>) -> (String, String) {
    let now = cgroup::read(cgroup, &write.file).unwrap_or_default();
    let now = String::from_utf8_lossy(&now).trim().replace('\n', "; ");
    let wanted = write.value.to_string_lossy();
    let text = if now == wanted { now } else { format!("{now}, configured as {wanted}") };
    line(write.file.to_string_lossy(), text)
}

fn namespaces(pid: i32) -> Section {
    const KINDS: &[&str] = &["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];
    let of = |pid: &str, kind: &str| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
    let describe = |kind: &&str| {
        let own = of(&pid.to_string(), kind)?;
        let shared = if of("self", kind).as_ref() == Some(&own) { ", this process's own" } else { "" };
        Some(line(*kind, format!("{}{shared}", own.to_string_lossy())))
    };
    Section { title: "namespaces", lines: KINDS.iter().filter_map(describe).collect() }
}

/// Capabilities, filter and new privileges, from `/proc/PID/status`.
fn privileges(pid: i32) -> Section {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let mut lines = Vec::new();
    for (name, words) in [("Uid", "user"), ("Gid", "group"), ("Groups", "groups")] {
        lines.extend(field(name).map(|value| line(words, value.replace('\t', " "))));
    }
    for (name, words) in [
        ("CapBnd", "bounding"),
        ("CapEff", "effective"),
        ("CapPrm", "permitted"),
        ("CapInh", "inheritable"),
        ("CapAmb", "ambient"),
    ] {
        lines.extend(field(name).map(|value| line(words, capabilities(value))));
    }
    let mode = field("Seccomp").map(|mode| match mode {
        "0" => "no filter".to_owned(),
        "1" => "strict".to_owned(),
        _ => format!("{} filters", field("Seccomp_filters").unwrap_or("some")),
    });
    lines.extend(mode.map(|mode| line("seccomp", mode)));
    let given_up = field("NoNewPrivs").map(|value| if value == "1" { "given up" } else { "possible" });
    lines.extend(given_up.map(|value| line("new privileges", value)));
    Section { title: "privileges", lines }
}

fn capabilities(hexadecimal: &str) -> String {
    let set = CapabilitySet::from_bits(u64::from_str_radix(hexadecimal, 16).unwrap_or(0));
    let names: Vec<&str> = set.iter().map(|capability| capability.name()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}

/// Where, of what kind, from where, and how (proc_pid_mountinfo(5)).
fn mounts(pid: i32) -> Section {
    let text = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    let describe = |entry: &str| {
        let (left, right) = entry.split_once(" - ")?;
        let left: Vec<&str> = left.split(' ').collect();
        let mut right = right.split(' ');
        let (kind, source) = (right.next()?, right.next()?);
        Some(line(*left.get(4)?, format!("{kind} {source} {}", left.get(5)?)))
    };
    Section { title: "mounts", lines: text.lines().filter_map(describe).collect() }
}

fn descriptors(pid: i32) -> Section {
    let directory = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut all: Vec<(u32, String)> = directory
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            Some((number, fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
        })
        .collect();
    all.sort();
    let lines = all.into_iter().map(|(number, target)| line(number.to_string(), target)).collect();
    Section { title: "open files", lines }
}
