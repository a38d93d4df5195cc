//! The verb `debug`: the state of a container as the kernel has it, for an operator who looks for a mistake.

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

/// A group of facts about a container.
#[derive(Debug)]
pub struct Section {
    /// Its title.
    pub title: &'static str,
    /// Names and values.
    pub lines: Vec<(String, String)>,
}

/// Collects facts about a container from `/proc` and its cgroups. For a stopped container these are its exit code and whether
/// the OOM killer has killed it.
///
/// # Errors
/// When the container does not exist.
pub fn examine(store: &Store, id: &str) -> Result<Vec<Section>> {
    let entry = store.open_unlocked(id)?;
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

/// The reason for the end of init. The kernel reports the exit code of a process only to its parent (wait(2)).
fn end(record: &Record, status: Status) -> Section {
    let mut lines = Vec::new();
    if cgroup::was_oom_killed(&record.cgroups) {
        let text = "the OOM killer has killed a process of the container: linux.resources.memory.limit";
        lines.push(line("memory", text));
    }
    if status == Status::Stopped {
        let unknown = "known only to the process that created the container".to_owned();
        let code = record.exit.or_else(|| record.init.as_ref().and_then(|init| unreaped(init.pid)));
        lines.push(line("exit", code.map_or(unknown, exit_words)));
    }
    Section { title: "end", lines }
}

/// Describes an exit code, where 128 plus a number is a signal, as in a shell.
fn exit_words(code: i32) -> String {
    match code {
        0..=128 => format!("exit code {code}"),
        _ => format!("signal {}", code - 128),
    }
}

/// Returns the exit code of a zombie (proc_pid_stat(5), `exit_code`); `None` for any other process.
fn unreaped(pid: i32) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
    let status: i32 = fields.get(49)?.parse().ok()?;
    (*fields.first()? == "Z").then(|| if status & 0x7f == 0 { status >> 8 } else { 128 + (status & 0x7f) })
}

/// Each configured limit with the kernel's value. `update` of the same limits shows in which files they are.
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

/// Each limit of an update: the kernel's value, and the configured value if it differs.
fn compare(update: &Update) -> Vec<(String, String)> {
    let mut slots = Slots::new(update.slots);
    for Planned { step, .. } in &update.cgroups {
        // A cgroup that does not exist any more has no values.
        let _ = cgroup::open(step).and_then(|directory| slots.put(step.slot, directory));
    }
    let compare = |planned: &Planned<LimitWrite>| {
        let write = cgroup::choose_file(&slots, &planned.step).ok()?;
        Some(value(write, slots.get(write.cgroup).ok()?))
    };
    update.limits.iter().filter_map(compare).collect()
}

/// The current value of a cgroup file, and the configured value if it differs.
fn value(write: &WriteCgroup, cgroup: BorrowedFd<'_>) -> (String, String) {
    let now = cgroup::read(cgroup, &write.file).unwrap_or_default();
    let now = String::from_utf8_lossy(&now).trim().replace('\n', "; ");
    let configured = write.value.to_string_lossy();
    let text = if now == configured { now } else { format!("{now}, configured as {configured}") };
    line(write.file.to_string_lossy(), text)
}

/// The namespaces of init, and which of them are also those of this process (namespaces(7)).
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

/// IDs, capabilities, seccomp and no_new_privs, from `/proc/PID/status` (proc_pid_status(5)).
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
    let no_new_privs = field("NoNewPrivs").map(|value| if value == "1" { "set" } else { "not set" });
    lines.extend(no_new_privs.map(|value| line("no_new_privs", value)));
    Section { title: "privileges", lines }
}

/// The names of the capabilities in a set.
fn capabilities(hexadecimal: &str) -> String {
    let set = CapabilitySet::from_bits(u64::from_str_radix(hexadecimal, 16).unwrap_or(0));
    let names: Vec<&str> = set.iter().map(|capability| capability.name()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}

/// The mount points of init with type, source and options (proc_pid_mountinfo(5)).
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

/// The open file descriptors of init.
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
