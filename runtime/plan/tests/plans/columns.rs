//! Invariants between the steps of the parent and of init, on generated plans: both synchronize, and every
//! file descriptor is open where a step uses it.

use crate::generator::{Dice, config};
use crate::{Cgroups, host, lines, plan, request, systemd};
use std::collections::BTreeSet;
use tare_plan::host::Privilege;
use tare_plan::plan::Plan;
use tare_plan::step::{
    CallerStep, CgroupStep, ChildStep, FileStep, HookStep, InitStep, InitSync, LimitStep, LimitWrite,
    MountStep, NamespaceStep, OpenStep, ParentStep, ParentSync, ProcessStep, ResctrlStep, RootStep, Signal,
    Slot,
};

const PLANS: u64 = 4000;

/// Plans of generated configurations, with their seeds. Checks that every refusal has a place.
fn generated() -> Vec<(u64, Plan)> {
    let mut plans = Vec::new();
    for seed in 0..PLANS {
        let mut dice = Dice::new(seed);
        let config = config(&mut dice);
        let user = Privilege::User { uid: 1000, gid: 1000 };
        let host = host(dice.one_of(&Cgroups::ALL), dice.one_of(&[Privilege::Root, Privilege::Root, user]));
        let mut host = host;
        if dice.one_of(&[false, false, true]) {
            host.systemd = Some(systemd(host.privilege));
        }
        let console = config["process"]["terminal"] == true && dice.heads();
        match plan(config.to_string().as_bytes(), &host, &request(console.then_some("/console"))) {
            Ok(plan) => plans.push((seed, plan)),
            Err(mistakes) => assert!(
                mistakes.iter().all(|mistake| !mistake.place.is_empty()),
                "{seed}: {:?} in {config}",
                lines(&mistakes)
            ),
        }
    }
    eprintln!("{} of {PLANS} configurations have a plan", plans.len());
    assert!(plans.len() as u64 > PLANS / 4, "the generator makes too many invalid configurations");
    plans
}

#[test]
fn parent_and_init_always_synchronize() {
    for (seed, plan) in generated() {
        assert_eq!(plan.rendezvous(), Ok(()), "{seed}:\n{plan}");
    }
}

#[test]
fn every_descriptor_is_open_where_a_step_uses_it() {
    for (seed, plan) in generated() {
        if let Err(what) = Walk::new(&plan).walked() {
            panic!("{seed}: {what}\n{plan}");
        }
    }
}

/// A simulation of both processes. Init runs as far ahead as it can, so it finds every step that needs an
/// earlier one of the parent without waiting for it.
struct Walk<'plan> {
    plan: &'plan Plan,
    parent: BTreeSet<Slot>,
    /// The descriptors of init; `None` until it starts.
    init: Option<BTreeSet<Slot>>,
    filled: BTreeSet<Slot>,
    /// The descriptors that the parent passed to init after its start.
    handed: Vec<Slot>,
    terminal: bool,
    sent: Vec<Signal>,
    at: usize,
}

type Found = Result<(), String>;

impl<'plan> Walk<'plan> {
    fn new(plan: &'plan Plan) -> Self {
        let (parent, filled) = (BTreeSet::new(), BTreeSet::new());
        Self {
            plan,
            parent,
            init: None,
            filled,
            handed: Vec::new(),
            terminal: false,
            sent: Vec::new(),
            at: 0,
        }
    }

    fn walked(mut self) -> Found {
        for planned in &self.plan.parent {
            self.parent_acts(&planned.step).map_err(|what| format!("{what} in {:?}", planned.step))?;
            self.init_goes_on()?;
        }
        if self.at == self.plan.init.len() {
            Ok(())
        } else {
            Err("init does not reach its last step".to_owned())
        }
    }

    fn parent_acts(&mut self, step: &ParentStep) -> Found {
        match step {
            ParentStep::Cgroup(step) => self.cgroup(step),
            ParentStep::Unit(_) => self.has_init(),
            ParentStep::Resctrl(ResctrlStep::Make(group)) => self.opens(group.slot),
            ParentStep::Resctrl(ResctrlStep::Enter(group)) => self.uses(*group),
            ParentStep::Open(step) => {
                if let OpenStep::CgroupMount { cgroup, .. } = step {
                    self.uses(*cgroup)?;
                }
                step.slot().map_or(Ok(()), |slot| self.opens(slot))
            }
            ParentStep::Child(ChildStep::Spawn(spawn)) => {
                self.init = Some(self.parent.clone());
                let joined = spawn.join.iter().map(|(_, slot)| *slot);
                joined.chain(spawn.cgroup).try_for_each(|slot| self.uses(slot))
            }
            ParentStep::Child(_) => self.has_init(),
            ParentStep::Hook(HookStep::WriteState { slot, .. }) => {
                self.filled.insert(*slot);
                self.uses(*slot)
            }
            ParentStep::Hook(HookStep::Run(hooks)) if !self.filled.contains(&hooks.state) => {
                Err("an empty state".to_owned())
            }
            ParentStep::Hook(HookStep::Run(hooks)) => self.uses(hooks.state),
            ParentStep::Sync(ParentSync::Send(signal)) => {
                self.sent.push(*signal);
                Ok(())
            }
            ParentStep::Sync(ParentSync::PassFds(slots)) => {
                self.sent.push(Signal::Placed);
                self.handed = slots.clone();
                slots.iter().try_for_each(|slot| self.uses(*slot))
            }
            ParentStep::Caller(CallerStep::Console(_)) if !self.terminal => Err("no terminal".to_owned()),
            ParentStep::Sync(ParentSync::Await(_)) | ParentStep::Caller(_) | ParentStep::Commit(_) => Ok(()),
        }
    }

    fn cgroup(&mut self, step: &CgroupStep) -> Found {
        match step {
            CgroupStep::Make(make) => self.opens(make.slot),
            CgroupStep::Open(open) => self.opens(open.slot),
            CgroupStep::Limit(LimitStep::Write(LimitWrite::File(write))) => self.uses(write.cgroup),
            CgroupStep::Limit(LimitStep::Write(LimitWrite::Either { first, second })) => {
                self.uses(first.cgroup).and_then(|()| self.uses(second.cgroup))
            }
            CgroupStep::Limit(LimitStep::CheckUse(check)) => self.uses(check.cgroup),
            CgroupStep::DeviceProgram(program) => self.uses(program.cgroup),
            CgroupStep::Delegate { cgroup, .. } => self.uses(*cgroup),
        }
    }

    fn has_init(&self) -> Found {
        if self.init.is_some() { Ok(()) } else { Err("no init".to_owned()) }
    }

    fn opens(&mut self, slot: Slot) -> Found {
        if usize::from(slot.0) >= self.plan.slots {
            return Err(format!("{slot:?} is beyond the table"));
        }
        if self.parent.insert(slot) { Ok(()) } else { Err(format!("{slot:?} is open already")) }
    }

    fn uses(&self, slot: Slot) -> Found {
        if self.parent.contains(&slot) { Ok(()) } else { Err(format!("{slot:?} is not open")) }
    }

    /// Runs init until it waits.
    fn init_goes_on(&mut self) -> Found {
        while let (Some(held), Some(planned)) = (self.init.take(), self.plan.init.get(self.at)) {
            let awaited = match planned.step {
                InitStep::Sync(InitSync::Await(signal)) => Some(signal),
                InitStep::Sync(InitSync::ReceiveFds(_)) => Some(Signal::Placed),
                _ => None,
            };
            if awaited.is_some_and(|signal| !self.sent.contains(&signal)) {
                self.init = Some(held);
                return Ok(());
            }
            let held = self.init_acts(held, &planned.step);
            self.init = Some(held.map_err(|what| format!("{what} in {:?}", planned.step))?);
            self.at += 1;
        }
        Ok(())
    }

    fn init_acts(&mut self, mut held: BTreeSet<Slot>, step: &InitStep) -> Result<BTreeSet<Slot>, String> {
        match step {
            InitStep::Root(RootStep::CloneTree { slot, .. }) if !held.insert(*slot) => {
                return Err("open already".to_owned());
            }
            InitStep::Sync(InitSync::ReceiveFds(slots)) if *slots != self.handed => {
                return Err("the parent passed other descriptors".to_owned());
            }
            InitStep::Sync(InitSync::ReceiveFds(slots)) => held.extend(slots),
            InitStep::Process(ProcessStep::CloseFds { keep, .. }) => held.retain(|slot| keep.contains(slot)),
            InitStep::File(FileStep::OpenTerminal { .. }) => self.terminal = true,
            InitStep::Hooks(hooks) if !self.filled.contains(&hooks.state) => {
                return Err("an empty state".to_owned());
            }
            _ => {}
        }
        match used_by_init(step).iter().find(|slot| !held.contains(slot)) {
            Some(slot) => Err(format!("{slot:?} is not open")),
            None => Ok(held),
        }
    }
}

fn used_by_init(step: &InitStep) -> Vec<Slot> {
    match step {
        InitStep::Namespace(NamespaceStep::JoinCgroup(join)) => vec![join.cgroup],
        InitStep::Namespace(NamespaceStep::Join { slot, .. })
        | InitStep::Root(RootStep::MountTree { tree: slot, .. })
        | InitStep::Root(RootStep::TakeBack { namespace: slot })
        | InitStep::Root(RootStep::Change { slot })
        | InitStep::Mount(MountStep::Attach { tree: slot, .. })
        | InitStep::Mount(MountStep::Mask { null: slot, .. })
        | InitStep::Sync(InitSync::WaitForStart(slot)) => vec![*slot],
        InitStep::Process(ProcessStep::CloseFds { keep, .. }) => keep.clone(),
        InitStep::Hooks(hooks) => vec![hooks.state],
        _ => Vec::new(),
    }
}

/// A test of the simulation itself.
#[test]
fn the_walk_finds_a_descriptor_that_is_used_too_early() {
    let host = host(Cgroups::Hybrid, Privilege::Root);
    let config = config(&mut Dice::new(1)).to_string();
    let fresh = || {
        plan(config.as_bytes(), &host, &request(None))
            .unwrap_or_else(|mistakes| panic!("{:?}", lines(&mistakes)))
    };
    assert_eq!(Walk::new(&fresh()).walked(), Ok(()));
    let mut early = fresh();
    let listens = early
        .parent
        .iter()
        .position(|planned| matches!(planned.step, ParentStep::Open(OpenStep::StartSocket { .. })));
    let listen = early.parent.remove(listens.unwrap());
    early.parent.push(listen);
    assert!(Walk::new(&early).walked().unwrap_err().contains("is not open"));
}
