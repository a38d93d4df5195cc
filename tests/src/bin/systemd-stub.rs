//! A stand-in for systemd on its bus: answers what a runtime asks of it, makes and removes the cgroups of units, and notes
//! every call as a line of JSON.
//!
//! It reads and writes the wire format on its own, so that a mistake of the runtime's is seen. Its argument is the socket;
//! `STUB_NOTES` names the file of its notes. `STUB_FAILS` makes it fail: `exists` (a unit of the name is there), `stale` (it has
//! failed, and is forgotten when asked), `job` (its job fails), `denied`, `hangup` (the connection ends), `change` (no property
//! can be changed), `slow` (it answers after a while).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of it is test code"
)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// The units that there are, with their directories below each hierarchy.
static UNITS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
/// The side that carries out the calls: one after the other, as by systemd, but for the waiting.
static TURN: Mutex<()> = Mutex::new(());
/// How often a unit that has failed has been forgotten.
static FORGOTTEN: Mutex<u32> = Mutex::new(0);

fn main() {
    let path = std::env::args().nth(1).expect("the path of a socket");
    let listener = UnixListener::bind(path).unwrap();
    for stream in listener.incoming() {
        let stream = stream.unwrap();
        std::thread::spawn(move || serve(stream));
    }
}

fn fails(how: &str) -> bool {
    std::env::var("STUB_FAILS").is_ok_and(|word| word == how)
}

/// A call as it came.
struct Call {
    serial: u32,
    member: String,
    arguments: Vec<Value>,
}

fn serve(mut stream: UnixStream) {
    if greet(&mut stream).is_none() {
        return;
    }
    while let Some(call) = receive(&mut stream) {
        let turn = TURN.lock().unwrap();
        note(&call);
        if answer(&mut stream, &call, turn).is_none() {
            return;
        }
    }
}

/// The other side sends no name of a user: who it is the kernel says.
fn greet(stream: &mut UnixStream) -> Option<()> {
    let mut bytes = vec![0; b"\0AUTH EXTERNAL\r\nDATA\r\n".len()];
    stream.read_exact(&mut bytes).ok()?;
    assert_eq!(bytes, b"\0AUTH EXTERNAL\r\nDATA\r\n");
    stream.write_all(b"DATA\r\nOK 0123456789abcdef0123456789abcdef\r\n").ok()?;
    let mut begin = [0; 7];
    stream.read_exact(&mut begin).ok()?;
    assert_eq!(&begin, b"BEGIN\r\n");
    Some(())
}

fn receive(stream: &mut UnixStream) -> Option<Call> {
    let mut head = [0; 16];
    stream.read_exact(&mut head).ok()?;
    let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!((head[0], head[1], head[3]), (b'l', 1, 1), "a call in the byte order of this machine");
    let fields = word(12);
    let mut rest = vec![0; fields.next_multiple_of(8) + word(4)];
    stream.read_exact(&mut rest).ok()?;
    // Alignment counts from the beginning of the message, and 16 bytes of it are read.
    let mut reader = Reader { bytes: &rest, at: 0 };
    let (mut member, mut signature) = (String::new(), String::new());
    while reader.at < fields {
        reader.align(8);
        let code = reader.take(1)[0];
        let value = reader.value("v");
        match code {
            3 => member = value.as_str().unwrap().to_owned(),
            8 => signature = value.as_str().unwrap().to_owned(),
            _ => {}
        }
    }
    let mut body = Reader { bytes: &rest[fields.next_multiple_of(8)..], at: 0 };
    let arguments = types(&signature).map(|one| body.value(one)).collect();
    assert_eq!(body.at, body.bytes.len(), "{member} has more than its arguments");
    Some(Call { serial: word(8) as u32, member, arguments })
}

struct Reader<'bytes> {
    bytes: &'bytes [u8],
    at: usize,
}

impl Reader<'_> {
    fn align(&mut self, to: usize) {
        let to = self.at.next_multiple_of(to);
        assert!(self.bytes[self.at..to].iter().all(|byte| *byte == 0), "what fills a gap is zero");
        self.at = to;
    }

    fn take(&mut self, count: usize) -> &[u8] {
        self.at += count;
        &self.bytes[self.at - count..self.at]
    }

    fn number(&mut self, size: usize) -> u64 {
        self.align(size);
        self.take(size).iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn text(&mut self, length: usize) -> Value {
        let text = std::str::from_utf8(self.take(length)).unwrap().to_owned();
        assert_eq!(self.take(1), [0], "a text ends with zero");
        json!(text)
    }

    fn value(&mut self, kind: &str) -> Value {
        match kind.as_bytes()[0] {
            b'y' => json!(self.number(1)),
            b'b' => json!(self.number(4) == 1),
            b'n' | b'q' => json!(self.number(2)),
            b'i' | b'u' => json!(self.number(4)),
            b'x' | b't' => json!(self.number(8)),
            b'd' => json!(f64::from_bits(self.number(8))),
            b's' | b'o' => {
                let length = self.number(4);
                self.text(length as usize)
            }
            b'g' => {
                let length = self.number(1);
                self.text(length as usize)
            }
            b'v' => {
                let kind = self.value("g");
                self.value(kind.as_str().unwrap())
            }
            b'a' => {
                let length = self.number(4) as usize;
                self.align(if b"xtd({".contains(&kind.as_bytes()[1]) { 8 } else { 1 });
                let end = self.at + length;
                let mut items = Vec::new();
                while self.at < end {
                    items.push(self.value(&kind[1..]));
                }
                assert_eq!(self.at, end, "the items of {kind} fill it");
                json!(items)
            }
            b'(' => {
                self.align(8);
                let inner = &kind[1..kind.len() - 1];
                types(inner).map(|one| self.value(one)).collect()
            }
            other => panic!("unexpected type: {}", char::from(other)),
        }
    }
}

/// The single types of a signature.
fn types(mut signature: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let mut depth = 0;
        let end = signature.bytes().position(|letter| {
            depth += i32::from(letter == b'(') - i32::from(letter == b')');
            letter != b'a' && depth == 0
        })?;
        let (one, rest) = signature.split_at(end + 1);
        signature = rest;
        Some(one)
    })
}

/// Writes the call down.
fn note(call: &Call) {
    let Some(path) = std::env::var_os("STUB_NOTES") else { return };
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    let line = format!("{}\n", json!({"member": call.member, "arguments": call.arguments}));
    file.write_all(line.as_bytes()).unwrap();
}

fn answer(stream: &mut UnixStream, call: &Call, turn: MutexGuard<'_, ()>) -> Option<()> {
    let text = |at: usize| call.arguments[at].as_str().unwrap().to_owned();
    match call.member.as_str() {
        "Hello" => reply(stream, call, Some(('s', ":1.7"))),
        "AddMatch" | "Subscribe" => reply(stream, call, None),
        "Get" => {
            let cgroup = std::env::var("STUB_CGROUP").unwrap_or_default();
            let value = if text(1) == "Version" { "252.39-1~deb12u1" } else { cgroup.as_str() };
            reply(stream, call, Some(('v', value)))
        }
        "StartTransientUnit" => start(stream, call, turn),
        "SetUnitProperties" if fails("change") => {
            refuse(stream, call, "org.freedesktop.systemd1.PropertyReadOnly")
        }
        "SetUnitProperties" => reply(stream, call, None),
        "StopUnit" => match UNITS.lock().unwrap().remove(&text(0)) {
            Some(directory) => {
                stop(&directory);
                job(stream, call, "done")
            }
            None => refuse(stream, call, "org.freedesktop.systemd1.NoSuchUnit"),
        },
        "ResetFailedUnit" => {
            *FORGOTTEN.lock().unwrap() += 1;
            reply(stream, call, None)
        }
        other => panic!("unexpected request: {other}"),
    }
}

fn start(stream: &mut UnixStream, call: &Call, turn: MutexGuard<'_, ()>) -> Option<()> {
    let name = call.arguments[0].as_str().unwrap().to_owned();
    let stale = fails("stale") && *FORGOTTEN.lock().unwrap() == 0;
    let exists = fails("exists") || stale || UNITS.lock().unwrap().contains_key(&name);
    if exists {
        hesitate(turn);
        return refuse(stream, call, "org.freedesktop.systemd1.UnitExists");
    }
    if fails("denied") {
        return refuse(stream, call, "org.freedesktop.DBus.Error.AccessDenied");
    }
    if fails("hangup") {
        return None;
    }
    if fails("job") {
        return job(stream, call, "failed");
    }
    let property = |wanted: &str| {
        let all = call.arguments[2].as_array().unwrap();
        all.iter().find(|pair| pair[0] == wanted).map(|pair| pair[1].clone())
    };
    let slice = property("Slice").map_or_else(String::new, |slice| expand(slice.as_str().unwrap()));
    let directory = if name.ends_with(".slice") { expand(&name) } else { format!("{slice}{name}") };
    let pids = property("PIDs").map(|pids| pids.as_array().unwrap().clone()).unwrap_or_default();
    assert!(name.ends_with(".slice") || !pids.is_empty(), "a scope needs a process");
    UNITS.lock().unwrap().insert(name, directory.clone());
    make(&directory, &pids);
    hesitate(turn);
    job(stream, call, "done")
}

fn hesitate(turn: MutexGuard<'_, ()>) {
    drop(turn);
    if fails("slow") {
        std::thread::sleep(Duration::from_secs(2));
    }
}

/// `a-b.slice` as directories, each with a slash behind it.
fn expand(slice: &str) -> String {
    let stem = slice.strip_suffix(".slice").unwrap();
    let ends = stem.match_indices('-').map(|(at, _)| at).chain([stem.len()]);
    ends.map(|end| format!("{}.slice/", &stem[..end])).collect()
}

/// The hierarchies in which systemd makes directories: its own and those of some controllers, or the one of version 2.
fn hierarchies() -> Vec<PathBuf> {
    let top = Path::new("/sys/fs/cgroup");
    if top.join("cgroup.controllers").exists() {
        return vec![top.into()];
    }
    let known = ["systemd", "memory", "pids", "cpu"].map(|name| top.join(name));
    known.into_iter().filter(|path| path.join("cgroup.procs").exists()).collect()
}

fn make(directory: &str, pids: &[Value]) {
    for hierarchy in hierarchies() {
        let mut path = hierarchy;
        for part in directory.trim_end_matches('/').split('/') {
            if let Ok(controllers) = std::fs::read_to_string(path.join("cgroup.controllers")) {
                for controller in controllers.split_ascii_whitespace() {
                    let _ = std::fs::write(path.join("cgroup.subtree_control"), format!("+{controller}"));
                }
            }
            path.push(part);
            let _ = std::fs::create_dir(&path);
        }
        for pid in pids {
            // One that has died meanwhile needs no place.
            let _ = std::fs::write(path.join("cgroup.procs"), pid.to_string());
        }
    }
}

/// Kills the processes in a unit's directories, and removes these.
fn stop(directory: &str) {
    for hierarchy in hierarchies() {
        let path = hierarchy.join(directory);
        for pid in std::fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default().lines() {
            let _ = kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL);
        }
        let _ = std::fs::remove_dir(path);
    }
}

/// Answers with a job, and then reports how it has ended.
fn job(stream: &mut UnixStream, call: &Call, result: &str) -> Option<()> {
    let path = format!("/org/freedesktop/systemd1/job/{}", call.serial);
    reply(stream, call, Some(('o', &path)))?;
    let mut body = Vec::new();
    body.extend(call.serial.to_le_bytes());
    for text in [path.as_str(), call.arguments[0].as_str().unwrap(), result] {
        put_text(&mut body, text);
    }
    let fields = [
        (1, 'o', "/org/freedesktop/systemd1"),
        (2, 's', "org.freedesktop.systemd1.Manager"),
        (3, 's', "JobRemoved"),
    ];
    send(stream, (4, None), (&fields, "uoss"), &body)
}

fn reply(stream: &mut UnixStream, call: &Call, value: Option<(char, &str)>) -> Option<()> {
    let mut body = Vec::new();
    let signature = value.map(|(kind, _)| kind.to_string()).unwrap_or_default();
    if let Some((kind, text)) = value {
        if kind == 'v' {
            body.extend([1, b's', 0]);
        }
        put_text(&mut body, text);
    }
    send(stream, (2, Some(call.serial)), (&[], &signature), &body)
}

fn refuse(stream: &mut UnixStream, call: &Call, error: &str) -> Option<()> {
    let mut body = Vec::new();
    put_text(&mut body, "The stand-in refuses.");
    send(stream, (3, Some(call.serial)), (&[(4, 's', error)], "s"), &body)
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.push(0);
}

/// Sends a message: its kind, the call that it answers, its fields and the types of its body.
fn send(
    stream: &mut UnixStream,
    (kind, reply_to): (u8, Option<u32>),
    (fields, signature): (&[(u8, char, &str)], &str),
    body: &[u8],
) -> Option<()> {
    let mut header = vec![b'l', kind, 1, 1];
    header.extend((body.len() as u32).to_le_bytes());
    header.extend(99_u32.to_le_bytes());
    header.extend([0; 4]);
    for (code, kind, text) in fields {
        header.resize(header.len().next_multiple_of(8), 0);
        header.extend([*code, 1, *kind as u8, 0]);
        put_text(&mut header, text);
    }
    if let Some(serial) = reply_to {
        header.resize(header.len().next_multiple_of(8), 0);
        header.extend([5, 1, b'u', 0]);
        header.extend(serial.to_le_bytes());
    }
    header.resize(header.len().next_multiple_of(8), 0);
    header.extend([8, 1, b'g', 0, signature.len() as u8]);
    header.extend(signature.as_bytes());
    header.push(0);
    let length = (header.len() - 16) as u32;
    header[12..16].copy_from_slice(&length.to_le_bytes());
    header.resize(header.len().next_multiple_of(8), 0);
    header.extend(body);
    stream.write_all(&header).ok()
}
