//! Failures: a step that cannot succeed is inserted before every step in turn, in both columns.

use crate::stage::{Kind, Stage};
use rustix::fd::AsFd;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use tare_engine::Error;
use tare_engine::start::start;
use tare_plan::place::Place;
use tare_plan::plan::Plan;
use tare_plan::spec::NamespaceKind;
use tare_plan::step::{
    Content, Guard, InitStep, InitSync, Mount, MountStep, OpenStep, Planned, ProgramStep, RootMode, Slot,
    Target,
};

/// A place that no configuration has.
const PLACE: Place = Place::of("the.test");

pub(crate) fn plain_root() {
    every_step(Kind::Plain);
}

pub(crate) fn host_mounts() {
    every_step(Kind::HostMounts);
}

pub(crate) fn overlay() {
    every_step(Kind::Overlay);
}

pub(crate) fn all_namespaces() {
    every_step(Kind::AllNamespaces);
}

pub(crate) fn joined_namespaces() {
    every_step(Kind::Joined);
}

fn every_step(kind: Kind) {
    let stage = Stage::new(kind);
    let plan = stage.plan();
    for at in 0..=plan.parent.len() {
        fails_in_parent(&stage, at);
    }
    let waits = index(&plan, |step| matches!(step, InitStep::Sync(InitSync::WaitForStart(_))));
    let executes = index(&plan, |step| matches!(step, InitStep::Program(ProgramStep::Execute)));
    for at in 0..waits {
        fails_in_init(&stage, at);
    }
    fails_between_create_and_start(&stage, waits);
    for at in waits + 1..=executes {
        fails_at_start(&stage, at);
    }
    eprintln!("{kind:?}: {} steps of the parent, {} of init", plan.parent.len(), plan.init.len());
}

pub(crate) fn index(plan: &Plan, is: fn(&InitStep) -> bool) -> usize {
    plan.init.iter().position(|planned| is(&planned.step)).unwrap()
}

fn fails_in_parent(stage: &Stage, at: usize) {
    let mut plan = stage.plan();
    let step = OpenStep::Namespace {
        slot: Slot(0),
        kind: NamespaceKind::Network,
        path: c"/no/such/namespace".to_owned(),
    };
    plan.parent.insert(at, Planned { step: step.into(), because: PLACE });
    let error = stage.make(&plan).map(drop).unwrap_err();
    let when = format!("step {at} of the parent");
    says(&error, &when, "cannot open the network namespace /no/such/namespace: open: no such file");
    stage.is_clean(&when);
}

fn fails_in_init(stage: &Stage, at: usize) {
    let error = stage.make(&with_failing_init(stage, at)).map(drop).unwrap_err();
    let when = format!("step {at} of init");
    says(&error, &when, "cannot mount no-such-type at /x: ");
    stage.is_clean(&when);
}

#[track_caller]
fn says(error: &Error, when: &str, words: &str) {
    let said = error.to_string();
    assert!(said.starts_with(words), "{when}: {said}");
    assert!(said.ends_with("because of the.test"), "{when}: {said}");
}

/// Init has outlived the parent, and `start` has not connected yet. No process receives the failure, and the container is stopped.
fn fails_between_create_and_start(stage: &Stage, at: usize) {
    let created = stage.make(&with_failing_init(stage, at)).unwrap();
    waitid(WaitId::PidFd(created.init.pidfd.as_fd()), WaitIdOptions::EXITED).unwrap();
    drop(created);
    let state = tare_engine::state::state(&stage.store, &stage.id).unwrap();
    assert_eq!(state.status, "stopped");
    stage.delete();
    stage.is_clean("between create and start");
}

fn fails_at_start(stage: &Stage, at: usize) {
    drop(stage.make(&with_failing_init(stage, at)).unwrap());
    let when = format!("step {at} of init");
    let error = start(&stage.store, &stage.id).unwrap_err().to_string();
    // `start` plans again, so it names the planned step at this index and not the inserted one.
    const STEPS: [&str; 4] = [
        "cannot install the seccomp filter",
        "cannot set capabilities",
        "cannot run startContainer hooks",
        "unable to start container process: exec: ",
    ];
    assert!(STEPS.iter().any(|step| error.starts_with(step)), "{when}: {error}");
    stage.delete();
    stage.is_clean(&when);
}

/// A plan with a mount of an unknown file system type before step `at` of init.
fn with_failing_init(stage: &Stage, at: usize) -> Plan {
    let mut plan = stage.plan();
    let mount = Mount {
        kind: c"no-such-type".to_owned(),
        source: c"none".to_owned(),
        options: Vec::new(),
        attributes: 0,
        propagation: Vec::new(),
        target: Target { path: c"x".to_owned(), guard: Guard::OutsideProcfs },
        content: Content::Own,
        mode: RootMode::Own,
        id_map: None,
    };
    plan.init.insert(at, Planned { step: MountStep::New(mount).into(), because: PLACE });
    plan
}
