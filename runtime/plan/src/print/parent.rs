//! The parent's steps in words.

use super::parts::{Lines, OnHost, Options, text, write_kinds};
use crate::host::Manager;
use crate::step::{
    CallerStep, CgroupStep, ChildStep, Commit, ExistingCgroup, HookStep, LimitStep, LimitWrite, MakeCgroup,
    MakeResctrlGroup, MapIds, MapWriter, MoveNetDevice, OpenStep, ParentSync, Presence, Property,
    ResctrlStep, Rlimit, Spawn, StartUnit, Unit, WriteCgroup,
};
use std::fmt;

impl fmt::Display for CgroupStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Make(make) => make.fmt(out),
            Self::Open(open) => write!(out, "open the cgroup {}", OnHost(&open.mount, &open.path)),
            Self::Limit(limit) => limit.fmt(out),
            Self::DeviceProgram(program) => {
                write!(out, "attach the device program, {} instructions", program.instructions.len())
            }
            Self::Delegate { uid, .. } => write!(out, "delegate the cgroup to user {uid}"),
        }
    }
}

impl fmt::Display for MakeCgroup {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.existing == ExistingCgroup::MadeBySystemd { "open" } else { "make" };
        write!(out, "{verb} the cgroup {}", OnHost(&self.mount, &self.path))
    }
}

impl fmt::Display for LimitStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CheckUse(check) => {
                let files: Vec<_> = check.files.iter().map(|file| text(file)).collect();
                write!(out, "check that {} is at most {}", files.join(" + "), check.limit)
            }
            Self::Write(write) => write.fmt(out),
        }
    }
}

impl fmt::Display for LimitWrite {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(write) => write!(out, "set {write}"),
            Self::Either { first, second } => write!(out, "set {first}, or {second}"),
        }
    }
}

impl fmt::Display for WriteCgroup {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} to {:?}", text(&self.file), text(&self.value))
    }
}

impl fmt::Display for StartUnit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "start the unit {}", WithProperties { unit: &self.unit, properties: &self.properties })
    }
}

/// A unit and its properties.
struct WithProperties<'step> {
    unit: &'step Unit,
    properties: &'step [Property],
}

impl fmt::Display for WithProperties<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let manager = if self.unit.manager == Manager::User { " of the user's systemd" } else { "" };
        write!(out, "{}{manager}", self.unit.name)?;
        self.properties.iter().try_for_each(|property| write!(out, " {property}"))
    }
}

impl fmt::Display for ResctrlStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Make(group) => group.fmt(out),
            Self::Enter(_) => out.write_str("move init into the resctrl group"),
        }
    }
}

impl fmt::Display for MakeResctrlGroup {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.presence == Presence::Required { "open" } else { "make" };
        write!(out, "{verb} the resctrl group {}/{}", text(&self.mount), text(&self.path))?;
        if !self.expected.is_empty() {
            write!(out, " that has {}", Lines(&self.expected))?;
        }
        if self.written.is_empty() { Ok(()) } else { write!(out, " with {}", Lines(&self.written)) }
    }
}

impl fmt::Display for OpenStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Init { .. } => out.write_str("open the container's init"),
            Self::Root { .. } => out.write_str("open the container's root directory"),
            Self::Namespace { kind, path, .. } => write!(out, "open the {kind} namespace {}", text(path)),
            Self::IdMap { maps, .. } => {
                write!(out, "map uids {} and gids {} for mounts", Lines(&maps.uids), Lines(&maps.gids))
            }
            Self::LockedMounts => out.write_str("make a mount namespace with locked mounts"),
            Self::Tree { source, .. } => source.fmt(out),
            Self::DeviceNode { device, .. } => write!(
                out,
                "make the device node /{} {}:{} mode {:o}",
                text(&device.path),
                device.major,
                device.minor,
                device.mode & 0o7777
            ),
            Self::CgroupMount { hierarchy, attributes, .. } => {
                write!(out, "copy the container's cgroup in {}{}", text(hierarchy), Options(*attributes))
            }
            Self::StartSocket { .. } => out.write_str("make the start socket"),
            Self::StateFile { .. } => out.write_str("make the state file"),
        }
    }
}

impl fmt::Display for ChildStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spawn(spawn) => spawn.fmt(out),
            Self::MapIds(maps) => maps.fmt(out),
            Self::OomScore(adjustment) => write!(out, "set oom_score_adj to {adjustment}"),
            Self::Rlimit(limit) => limit.fmt(out),
            Self::MoveNetDevice(device) => device.fmt(out),
            Self::Scheduler(scheduler) => write!(
                out,
                "set the scheduler to {} nice {} priority {}",
                scheduler.policy, scheduler.nice, scheduler.priority
            ),
            Self::IoPriority(priority) => {
                write!(out, "set the I/O priority to {} {}", priority.class, priority.level)
            }
        }
    }
}

impl fmt::Display for Spawn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("spawn init")?;
        write_kinds(out, " in new namespaces ", self.namespaces)?;
        for (kind, _) in &self.join {
            write!(out, ", in the given {kind} namespace")?;
        }
        if let Some((_, kinds)) = self.enter {
            write_kinds(out, ", in the container's namespaces ", kinds)?;
        }
        if self.time.is_some() {
            out.write_str(", with time offsets")?;
        }
        out.write_str(if self.cgroup.is_some() { ", born in the cgroup" } else { "" })
    }
}

impl fmt::Display for MapIds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let writer = match self.writer {
            MapWriter::Privileged => "",
            MapWriter::OwnIds => ", with setgroups denied",
            MapWriter::Delegated => ", by newuidmap and newgidmap",
        };
        write!(out, "map uids {} and gids {}{writer}", Lines(&self.uids), Lines(&self.gids))
    }
}

impl fmt::Display for MoveNetDevice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "move the network device {} into the container", text(&self.device))?;
        self.name.iter().try_for_each(|name| write!(out, " as {}", text(name)))
    }
}

impl fmt::Display for Rlimit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "set {} to soft {} hard {}", self.resource, self.soft, self.hard)
    }
}

impl fmt::Display for HookStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WriteState { status, .. } => write!(out, "write the state, {}", status.name()),
            Self::Run(hooks) => hooks.fmt(out),
        }
    }
}

impl fmt::Display for ParentSync {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(signal) => write!(out, "send {}", signal.name()),
            Self::Await(signal) => write!(out, "wait for {}", signal.name()),
            Self::PassFds(slots) => write!(out, "pass {} file descriptors to init", slots.len()),
        }
    }
}

impl fmt::Display for CallerStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Console(socket) => write!(out, "send the terminal to {}", text(socket)),
            Self::Pidfd(socket) => write!(out, "send a pidfd to {}", text(socket)),
        }
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("record the container as created")
    }
}
