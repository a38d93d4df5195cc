//! A stand-in for criu: speaks its RPC as `criu swrk FD` does, and notes every request as a line of JSON.
//!
//! It reads the wire format on its own, so that a mistake of the runtime's in writing it is seen. `STUB_NOTES` names the file
//! of its notes, `STUB_VERSION` its minor version, `STUB_FAILS` makes it refuse to dump and to restore,
//! `STUB_LOSES` not notice that the restored process has ended.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of it is test code"
)]

use std::collections::BTreeMap;
use std::io::Write as _;

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{MsgFlags, recv, send};
use nix::unistd::{Pid, getppid};
use serde_json::{Map, Value, json};
use std::os::fd::RawFd;
use tare_sys::clone::{Clone, fork};

/// A field of a message as it came: a number, or bytes.
#[derive(Clone, Debug)]
enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

/// Fields by their numbers, each as often as it came.
type Fields = BTreeMap<u64, Vec<Field>>;

fn main() {
    let mut arguments = std::env::args().skip(1);
    assert_eq!(arguments.next().as_deref(), Some("swrk"));
    let number: RawFd = arguments.next().unwrap().parse().unwrap();
    loop {
        let mut bytes = vec![0; 65536];
        let got = recv(number, &mut bytes, MsgFlags::empty()).unwrap();
        if got == 0 {
            return;
        }
        let request = fields(&bytes[..got]);
        let kind = one(&request, 1);
        let options = message(&request, 2);
        note(kind, &options);
        match kind {
            10 => answer(number, kind, true, &[(10, &version())]),
            9 => answer(number, kind, true, &[(8, &[0x08, 1, 0x10, 1])]),
            1 | 4 => dump(number, kind, &options),
            2 => restore(number, &options),
            other => panic!("unexpected request: {other}"),
        }
    }
}

fn fails() -> bool {
    std::env::var_os("STUB_FAILS").is_some()
}

fn version() -> Vec<u8> {
    let minor: u8 = std::env::var("STUB_VERSION").map_or(17, |text| text.parse().unwrap());
    vec![0x08, 3, 0x10, minor]
}

/// Writes an image and ends the process, as asked.
fn dump(socket: RawFd, kind: u64, options: &Fields) {
    notice(socket, "pre-dump", None);
    if fails() {
        return answer(socket, kind, false, &[]);
    }
    let images = format!("/proc/{}/fd/{}", getppid(), one(options, 1));
    std::fs::write(format!("{images}/inventory.img"), "image").unwrap();
    if kind == 1 && one(options, 3) == 0 {
        kill(Pid::from_raw(i32::try_from(one(options, 2)).unwrap()), Signal::SIGKILL).unwrap();
    }
    answer(socket, kind, true, &[]);
}

/// Creates a process that is a child of the caller.
fn restore(socket: RawFd, options: &Fields) {
    if fails() {
        return answer(socket, 2, false, &[]);
    }
    assert_eq!(one(options, 26), 1, "the process has to be a sibling");
    mount_in_work(one(options, 17));
    let how = Clone { flags: nix::libc::CLONE_PARENT as u64, cgroup: None };
    let restored = fork(how, || {
        loop {
            nix::unistd::pause();
        }
    })
    .unwrap();
    let pid = restored.pid.as_raw_nonzero().get();
    notice(socket, "setup-namespaces", Some(pid));
    if std::env::var_os("STUB_LOSES").is_some() {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        loop {
            nix::unistd::pause();
        }
    }
    notice(socket, "post-restore", Some(pid));
    let mut message = vec![0x08];
    varint(&mut message, u64::try_from(pid).unwrap());
    answer(socket, 2, true, &[(4, &message)]);
}

/// criu mounts its own things in the directory of its work, which has to be in its own mount namespace for that.
fn mount_in_work(number: u64) {
    let yard = format!("/proc/{}/fd/{number}/yard", getppid());
    std::fs::create_dir(&yard).unwrap();
    let nothing = None::<&str>;
    nix::mount::mount(nothing, yard.as_str(), Some("tmpfs"), nix::mount::MsFlags::empty(), nothing).unwrap();
    nix::mount::umount(yard.as_str()).unwrap();
    std::fs::remove_dir(&yard).unwrap();
}

/// Reports how far it has come, and waits for the answer.
fn notice(socket: RawFd, script: &str, pid: Option<i32>) {
    let mut message = vec![0x0a, u8::try_from(script.len()).unwrap()];
    message.extend(script.as_bytes());
    if let Some(pid) = pid {
        message.push(0x10);
        varint(&mut message, u64::try_from(pid).unwrap());
    }
    answer(socket, 6, true, &[(5, &message)]);
    let mut bytes = vec![0; 4096];
    let got = recv(socket, &mut bytes, MsgFlags::empty()).unwrap();
    let heard = fields(&bytes[..got]);
    assert_eq!((one(&heard, 1), one(&heard, 3)), (6, 1), "the notice {script} was refused");
}

fn answer(socket: RawFd, kind: u64, success: bool, parts: &[(u8, &[u8])]) {
    let mut bytes = vec![0x08, u8::try_from(kind).unwrap(), 0x10, u8::from(success)];
    for (number, part) in parts {
        bytes.push(number << 3 | 2);
        varint(&mut bytes, part.len() as u64);
        bytes.extend(*part);
    }
    if !success {
        bytes.extend([7 << 3, 22]);
    }
    send(socket, &bytes, MsgFlags::empty()).unwrap();
}

fn varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a message apart (protobuf.dev, "Encoding").
fn fields(bytes: &[u8]) -> Fields {
    let mut all = Fields::new();
    let mut at = 0;
    let number = |at: &mut usize| {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let byte = bytes[*at];
            *at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    };
    while at < bytes.len() {
        let key = number(&mut at);
        let field = match key & 7 {
            0 => Field::Number(number(&mut at)),
            2 => {
                let length = usize::try_from(number(&mut at)).unwrap();
                at += length;
                Field::Bytes(bytes[at - length..at].to_vec())
            }
            other => panic!("no field of these messages has wire type {other}"),
        };
        all.entry(key >> 3).or_default().push(field);
    }
    all
}

/// The last number of a field; 0 where it did not come.
fn one(fields: &Fields, number: u64) -> u64 {
    match fields.get(&number).and_then(|all| all.last()) {
        Some(Field::Number(value)) => *value,
        _ => 0,
    }
}

fn message(all: &Fields, number: u64) -> Fields {
    match all.get(&number).and_then(|all| all.last()) {
        Some(Field::Bytes(bytes)) => fields(bytes),
        _ => Fields::new(),
    }
}

/// Notes the request: its kind, and its options by their numbers.
fn note(kind: u64, options: &Fields) {
    let Some(path) = std::env::var_os("STUB_NOTES") else { return };
    let show = |field: &Field| match field {
        Field::Number(value) => json!(value),
        Field::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if text.chars().all(|letter| !letter.is_control()) => json!(text),
            _ => pair(&fields(bytes)),
        },
    };
    let options: Map<String, Value> = options
        .iter()
        .map(|(number, all)| (number.to_string(), all.iter().map(show).collect::<Vec<_>>().into()))
        .collect();
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    writeln!(file, "{}", json!({ "kind": kind, "options": options })).unwrap();
}

/// A message of two fields, as the options have several.
fn pair(fields: &Fields) -> Value {
    let show = |number| match fields.get(&number).and_then(|all| all.last()) {
        Some(Field::Bytes(bytes)) => json!(String::from_utf8_lossy(bytes)),
        Some(Field::Number(value)) => json!(value),
        None => Value::Null,
    };
    json!([show(1), show(2)])
}
