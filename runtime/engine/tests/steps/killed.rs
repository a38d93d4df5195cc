//! Kills: a step that blocks for ever is inserted before every step in turn, and the creator is killed there.

use crate::failing::index;
use crate::stage::{Kind, Stage};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, mkfifo};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::time::Duration;
use tare_plan::place::Place;
use tare_plan::plan::Plan;
use tare_plan::spec::NamespaceKind;
use tare_plan::step::{
    ChildStep, InitStep, InitSync, OpenStep, ParentStep, ParentSync, Planned, Signal as Message, Slot,
};
use tare_sys::clone::{Clone, fork};
use tests::eventually;

/// The numbers of the system calls in which the blocking steps wait.
const OPENAT: &str = "257";
const RECVMSG: &str = "47";
const RECVFROM: &str = "45";

/// The fate of init when its creator is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Dies,
    Lives,
}

pub(crate) fn at_any_step_of_the_parent() {
    every_step_of_the_parent(&Stage::new(Kind::Overlay));
    every_step_of_the_parent(&Stage::new(Kind::Joined));
}

pub(crate) fn at_any_step_of_init() {
    every_step_of_init(&Stage::new(Kind::Plain), 0);
}

pub(crate) fn in_all_namespaces() {
    let stage = Stage::new(Kind::AllNamespaces);
    every_step_of_the_parent(&stage);
    // Step 0 waits on the channel, and with a user namespace the parent sends a message at the beginning.
    every_step_of_init(&stage, 1);
}

fn every_step_of_the_parent(stage: &Stage) {
    let plan = stage.plan();
    let commits =
        step_of(&plan, |step| matches!(step, ParentStep::Sync(ParentSync::Send(Message::Committed))));
    for at in 0..=plan.parent.len() {
        let fate = if at > commits { Fate::Lives } else { Fate::Dies };
        let creator = blocked_in_parent(stage, stage.plan(), at);
        killed(stage, creator, fate, &format!("step {at} of the parent"));
    }
}

fn step_of(plan: &Plan, is: fn(&ParentStep) -> bool) -> usize {
    plan.parent.iter().position(|planned| is(&planned.step)).unwrap()
}

/// The blocking step waits on the start socket, and no process sends a message there. At step 0 init has not set its parent-death
/// signal yet, so the step waits on the channel, which ends with the parent.
fn every_step_of_init(stage: &Stage, first: usize) {
    let plan = stage.plan();
    let outlives = index(&plan, |step| matches!(step, InitStep::Sync(InitSync::OutliveParent)));
    let waits = index(&plan, |step| matches!(step, InitStep::Sync(InitSync::WaitForStart(_))));
    let InitStep::Sync(InitSync::WaitForStart(slot)) = plan.init[waits].step else { unreachable!() };
    for at in first..=waits {
        let step = if at == 0 { InitSync::Await(Message::Released) } else { InitSync::WaitForStart(slot) };
        let mut plan = stage.plan();
        plan.init.insert(at, Planned { step: step.into(), because: Place::DEFAULT });
        let creator = creating(stage, &plan);
        let blocks = |init| match at {
            0 => waits_in(init, RECVFROM).is_some(),
            _ => waits_for_start(creator, init),
        };
        eventually(&format!("init blocks at step {at}"), || children(creator).any(blocks));
        let fate = if at > outlives { Fate::Lives } else { Fate::Dies };
        killed(stage, creator, fate, &format!("step {at} of init"));
    }
}

/// Removes the step for the parent-death signal, as if the creator died before init sets it.
pub(crate) fn without_death_signal() {
    let stage = Stage::new(Kind::Plain);
    let plan = stage.plan();
    let spawns = step_of(&plan, |step| matches!(step, ParentStep::Child(ChildStep::Spawn(_))));
    let commits =
        step_of(&plan, |step| matches!(step, ParentStep::Sync(ParentSync::Send(Message::Committed))));
    for at in spawns + 1..=commits {
        let mut plan = stage.plan();
        plan.init.retain(|planned| !matches!(planned.step, InitStep::Sync(InitSync::DieWithParent)));
        let creator = blocked_in_parent(&stage, plan, at);
        killed(&stage, creator, Fate::Dies, &format!("step {at} of the parent, without the signal"));
    }
}

/// Starts a creator that blocks before step `at` of the parent: it opens a FIFO without a writer.
fn blocked_in_parent(stage: &Stage, mut plan: Plan, at: usize) -> Pid {
    let path = stage.host.files().join("fifo");
    if !path.exists() {
        mkfifo(&path, Mode::S_IRWXU).unwrap();
    }
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    let step = OpenStep::Namespace { slot: Slot(0), kind: NamespaceKind::Network, path: path.clone() };
    plan.parent.insert(at, Planned { step: step.into(), because: Place::DEFAULT });
    let creator = creating(stage, &plan);
    eventually(&format!("the creator blocks at step {at}"), || waits_to_open(creator, &path));
    creator
}

/// Starts a process that carries out the plan.
fn creating(stage: &Stage, plan: &Plan) -> Pid {
    let create = || match stage.make(plan) {
        // A creator exits after the last step. This one waits to be killed.
        Ok(_created) => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        Err(error) => {
            eprintln!("the creator was not to fail: {error}");
            1
        }
    };
    Pid::from_raw(fork(Clone::default(), create).unwrap().pid.as_raw_nonzero().get())
}

fn children(pid: Pid) -> impl Iterator<Item = Pid> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let pids: Vec<i32> = text.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    pids.into_iter().map(Pid::from_raw)
}

/// Returns the arguments of the system call in which a process waits, if it has the number `call` (proc_pid_syscall(5)).
fn waits_in(pid: Pid, call: &str) -> Option<Vec<u64>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/syscall")).ok()?;
    let mut words = text.split(' ');
    let number = |word: &str| u64::from_str_radix(word.trim_start_matches("0x").trim(), 16).ok();
    (words.next()? == call).then(|| words.filter_map(number).collect())
}

/// Whether a process waits in the open of this file. Another open may be slow too.
fn waits_to_open(pid: Pid, path: &CStr) -> bool {
    let Some(&[_, address, ..]) = waits_in(pid, OPENAT).as_deref() else { return false };
    let mut found = vec![0; path.to_bytes_with_nul().len()];
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    memory.read_exact_at(&mut found, address).is_ok() && found == path.to_bytes_with_nul()
}

/// Whether an init waits on its start socket, and not on the channel.
fn waits_for_start(creator: Pid, init: Pid) -> bool {
    let Some(&[descriptor, ..]) = waits_in(init, RECVMSG).as_deref() else { return false };
    let link = std::fs::read_link(format!("/proc/{init}/fd/{descriptor}")).unwrap_or_default();
    let link = link.to_string_lossy();
    let inode = link.trim_start_matches("socket:[").trim_end_matches(']');
    // The list of sockets belongs to a network namespace, and the creator has created the socket in its own (proc_pid_net(5)).
    let sockets = std::fs::read_to_string(format!("/proc/{creator}/net/unix")).unwrap();
    sockets.lines().any(|line| {
        let mut words = line.split_ascii_whitespace().skip(6);
        words.next() == Some(inode) && words.next().is_some_and(|path| path.ends_with("/start"))
    })
}

/// Kills the creator, checks the fate of init, and deletes the container.
fn killed(stage: &Stage, creator: Pid, fate: Fate, when: &str) {
    kill(creator, Signal::SIGKILL).unwrap();
    waitpid(creator, None).unwrap();
    match fate {
        Fate::Dies => {
            let left = stage.processes_left();
            assert!(left.is_empty(), "{when}: still alive {left:#?}");
        }
        Fate::Lives => {
            let state = tare_engine::state::state(&stage.store, &stage.id).unwrap();
            assert_eq!(state.status, "created", "{when}");
        }
    }
    stage.delete();
    stage.is_clean(when);
}
