//! The report: what a process sees of its sandbox, as one JSON object.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use caps::CapSet;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::{major, minor};
use nix::unistd::{Pid, getegid, geteuid, getgid, getgroups, getpgid, getpid, getppid, getsid, getuid};
use serde_json::{Map, Value, json};

use crate::behaviour::errno_name;

/// Prints the report. Each argument is a path that is tried too: its kind, reading it, writing to it.
pub(crate) fn report(paths: &[String]) -> Result<ExitCode> {
    let mut all = identity()?;
    all.extend(privileges()?);
    all.extend(surroundings()?);
    let probes: Map<String, Value> =
        paths.iter().map(|path| (path.clone(), probe(Path::new(path)))).collect();
    all.insert("paths".into(), probes.into());
    writeln!(std::io::stdout(), "{}", Value::Object(all))?;
    Ok(ExitCode::SUCCESS)
}

/// Acts as a hook: appends its name, the state from standard input and what it sees to a file, and exits with the code.
pub(crate) fn hook(arguments: &[String]) -> Result<ExitCode> {
    let [file, name, rest @ ..] = arguments else { bail!("needs FILE NAME [EXIT-CODE]") };
    let mut state = String::new();
    std::io::stdin().read_to_string(&mut state)?;
    let state: Value = serde_json::from_str(&state).unwrap_or(Value::String(state));
    let line = json!({
        "hook": name, "state": state, "namespaces": namespaces(), "args": words(), "env": environment(),
        "cwd": std::env::current_dir()?, "fds": descriptors(), "pid": getpid().as_raw(),
        "mounts": mounts(),
    });
    let mut out = OpenOptions::new().create(true).append(true).open(file).with_context(|| file.clone())?;
    writeln!(out, "{line}")?;
    let code = rest.first().map_or(Ok(0), |code| code.parse::<u8>()).context("the exit code")?;
    Ok(ExitCode::from(code))
}

fn words() -> Vec<String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}

fn environment() -> Vec<String> {
    std::env::vars_os()
        .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
        .collect()
}

fn identity() -> Result<Map<String, Value>> {
    let names = nix::sys::utsname::uname()?;
    let groups: Vec<u32> = getgroups()?.iter().map(|group| group.as_raw()).collect();
    into_map(json!({
        "pid": getpid().as_raw(), "ppid": getppid().as_raw(),
        "sid": getsid(None)?.as_raw(), "pgid": getpgid(Some(Pid::this()))?.as_raw(),
        "uid": getuid().as_raw(), "gid": getgid().as_raw(), "euid": geteuid().as_raw(), "egid": getegid().as_raw(),
        "groups": groups, "cwd": std::env::current_dir()?, "args": words(), "env": environment(),
        "hostname": names.nodename().to_string_lossy(), "domainname": names.domainname().to_string_lossy(),
        "root_inode": std::fs::metadata("/")?.ino(),
    }))
}

fn privileges() -> Result<Map<String, Value>> {
    let capabilities: Map<String, Value> = [
        ("bounding", CapSet::Bounding),
        ("effective", CapSet::Effective),
        ("permitted", CapSet::Permitted),
        ("inheritable", CapSet::Inheritable),
        ("ambient", CapSet::Ambient),
    ]
    .into_iter()
    .map(|(name, set)| (name.to_string(), capability_names(set)))
    .collect();
    let limits: Map<String, Value> = LIMITS
        .iter()
        .filter_map(|(name, resource)| {
            getrlimit(*resource)
                .ok()
                .map(|(soft, hard)| ((*name).to_string(), json!({"soft": soft, "hard": hard})))
        })
        .collect();
    into_map(json!({
        "capabilities": capabilities, "rlimits": limits,
        "no_new_privs": nix::sys::prctl::get_no_new_privs()?,
        "seccomp": status_field("Seccomp").and_then(|mode| mode.parse::<u32>().ok()),
        "seccomp_filters": status_field("Seccomp_filters").and_then(|count| count.parse::<u32>().ok()),
        "umask": status_field("Umask"),
        "oom_score_adj": first_line("/proc/self/oom_score_adj").and_then(|text| text.parse::<i32>().ok()),
        "affinity": status_field("Cpus_allowed_list"),
        "personality": personality(),
        "apparmor": first_line("/proc/self/attr/current"),
    }))
}

const LIMITS: &[(&str, Resource)] = &[
    ("RLIMIT_AS", Resource::RLIMIT_AS),
    ("RLIMIT_CORE", Resource::RLIMIT_CORE),
    ("RLIMIT_CPU", Resource::RLIMIT_CPU),
    ("RLIMIT_DATA", Resource::RLIMIT_DATA),
    ("RLIMIT_FSIZE", Resource::RLIMIT_FSIZE),
    ("RLIMIT_LOCKS", Resource::RLIMIT_LOCKS),
    ("RLIMIT_MEMLOCK", Resource::RLIMIT_MEMLOCK),
    ("RLIMIT_MSGQUEUE", Resource::RLIMIT_MSGQUEUE),
    ("RLIMIT_NICE", Resource::RLIMIT_NICE),
    ("RLIMIT_NOFILE", Resource::RLIMIT_NOFILE),
    ("RLIMIT_NPROC", Resource::RLIMIT_NPROC),
    ("RLIMIT_RSS", Resource::RLIMIT_RSS),
    ("RLIMIT_RTPRIO", Resource::RLIMIT_RTPRIO),
    ("RLIMIT_RTTIME", Resource::RLIMIT_RTTIME),
    ("RLIMIT_SIGPENDING", Resource::RLIMIT_SIGPENDING),
    ("RLIMIT_STACK", Resource::RLIMIT_STACK),
];

fn capability_names(set: CapSet) -> Value {
    let Ok(held) = caps::read(None, set) else { return Value::Null };
    let mut names: Vec<String> = held.iter().map(ToString::to_string).collect();
    names.sort();
    names.into()
}

fn surroundings() -> Result<Map<String, Value>> {
    into_map(json!({
        "namespaces": namespaces(), "mounts": mounts(), "fds": descriptors(), "devices": devices(Path::new("/dev")),
        "cgroup": std::fs::read_to_string("/proc/self/cgroup").ok(), "terminal": terminal(),
        "interfaces": interfaces(), "boottime_ns": boottime(),
        "processes": processes(),
    }))
}

fn into_map(value: Value) -> Result<Map<String, Value>> {
    match value {
        Value::Object(map) => Ok(map),
        other => bail!("{other} is not an object"),
    }
}

fn first_line(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().next().map(|line| line.trim_end_matches('\0').to_string())
}

fn status_field(name: &str) -> Option<String> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(|value| value.trim().to_string()))
}

fn namespaces() -> Map<String, Value> {
    ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"]
        .into_iter()
        .filter_map(|kind| {
            let inode = std::fs::metadata(format!("/proc/self/ns/{kind}")).ok()?.ino();
            Some((kind.to_string(), inode.into()))
        })
        .collect()
}

/// The lines of /proc/self/mountinfo by field (proc_pid_mountinfo(5)).
fn mounts() -> Vec<Value> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    text.lines().filter_map(mount).collect()
}

fn mount(line: &str) -> Option<Value> {
    let (front, back) = line.split_once(" - ")?;
    let front: Vec<&str> = front.split(' ').collect();
    let [_, _, _, root, point, options, propagation @ ..] = front.as_slice() else { return None };
    let mut back = back.split(' ');
    Some(json!({
        "root": root, "point": point, "options": options, "propagation": propagation.join(" "),
        "type": back.next(), "source": back.next(), "super": back.next(),
    }))
}

fn descriptors() -> Vec<Value> {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return Vec::new() };
    let mut all: Vec<(u32, String)> = entries
        .flatten()
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            // Leave out the file descriptor of this listing itself.
            let target = std::fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned();
            (!target.ends_with("/fd")).then_some((number, target))
        })
        .collect();
    all.sort();
    all.into_iter().map(|(number, target)| json!({"fd": number, "target": target})).collect()
}

fn devices(directory: &Path) -> Vec<Value> {
    let mut all = Vec::new();
    let Ok(entries) = std::fs::read_dir(directory) else { return all };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let Ok(data) = std::fs::symlink_metadata(&path) else { continue };
        let kind = kind(&data);
        all.push(json!({
            "path": path, "kind": kind, "mode": data.mode() & 0o7777, "uid": data.uid(), "gid": data.gid(),
            "major": major(data.rdev()), "minor": minor(data.rdev()),
            "target": std::fs::read_link(&path).ok(),
        }));
    }
    all
}

fn kind(data: &std::fs::Metadata) -> &'static str {
    let kind = data.file_type();
    match () {
        () if kind.is_dir() => "directory",
        () if kind.is_symlink() => "link",
        () if kind.is_char_device() => "char",
        () if kind.is_block_device() => "block",
        () if kind.is_fifo() => "fifo",
        () if kind.is_socket() => "socket",
        () => "file",
    }
}

/// Rows and columns of the terminal on standard input.
pub(crate) fn window() -> Option<(u16, u16)> {
    rustix::termios::tcgetwinsize(std::io::stdin()).ok().map(|size| (size.ws_row, size.ws_col))
}

fn terminal() -> Value {
    let Some((rows, columns)) = window() else { return Value::Null };
    let name = std::fs::read_link("/proc/self/fd/0").ok();
    let owner = std::fs::metadata("/proc/self/fd/0").ok().map(|data| data.uid());
    json!({"rows": rows, "columns": columns, "name": name, "owner": owner, "controlling": std::fs::File::open("/dev/tty").is_ok()})
}

fn interfaces() -> Vec<Value> {
    let Ok(addresses) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    addresses
        .map(|one| {
            json!({
                "name": one.interface_name, "flags": format!("{:?}", one.flags),
                "address": one.address.map(|address| address.to_string()),
                "netmask": one.netmask.map(|mask| mask.to_string()),
            })
        })
        .collect()
}

fn boottime() -> Option<i64> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).ok()?;
    Some(now.tv_sec() * 1_000_000_000 + now.tv_nsec())
}

fn processes() -> usize {
    let Ok(entries) = std::fs::read_dir("/proc") else { return 0 };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
        .count()
}

/// The kind of a path, and the results of reading and writing it. Nothing is truncated.
fn probe(path: &Path) -> Value {
    let link = std::fs::symlink_metadata(path);
    let Ok(data) = std::fs::metadata(path) else {
        return json!({"exists": link.is_ok(), "kind": link.ok().map(|data| kind(&data))});
    };
    let (read, write) = if data.is_dir() { try_directory(path) } else { try_file(path) };
    json!({
        "exists": true, "kind": kind(&data), "mode": data.mode() & 0o7777, "uid": data.uid(), "gid": data.gid(),
        "read": read, "write": write, "target": std::fs::read_link(path).ok(),
        "major": major(data.rdev()), "minor": minor(data.rdev()),
    })
}

fn outcome<T>(result: std::io::Result<T>, good: impl Fn(T) -> Value) -> Value {
    match result {
        Ok(value) => good(value),
        Err(error) => error.raw_os_error().map_or_else(|| error.to_string(), errno_name).into(),
    }
}

fn try_directory(path: &Path) -> (Value, Value) {
    let read = outcome(std::fs::read_dir(path), |entries| entries.count().into());
    let trial = path.join(".probe");
    let write = outcome(std::fs::write(&trial, ""), |()| "ok".into());
    // It exists only if the write succeeded.
    let _ = std::fs::remove_file(trial);
    (read, write)
}

fn try_file(path: &Path) -> (Value, Value) {
    let mut open = OpenOptions::new();
    open.read(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits());
    let read = outcome(open.open(path).and_then(|mut file| file.read(&mut [0_u8; 256])), Value::from);
    let mut open = OpenOptions::new();
    open.append(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits());
    let write = outcome(open.open(path), |_| "ok".into());
    (read, write)
}

/// The execution domain (personality(2)) with all its bits; libraries know only some.
fn personality() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/personality").ok()?;
    u64::from_str_radix(text.trim(), 16).ok()
}
