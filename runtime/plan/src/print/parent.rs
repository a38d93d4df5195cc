//! The words of the parent's steps.

use super::parts::{Lines, Words, text, write_kinds};
use crate::host::Manager;
use crate::step::{MakeResctrlGroup, MapWriter, ParentStep, Presence, Property, Rlimit, Spawn, Tenant, Unit};
use std::fmt;

impl fmt::Display for ParentStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakeCgroup(make) => {
                let verb = if make.tenant == Tenant::Systemds { "open" } else { "make" };
                write!(out, "{verb} the cgroup {}/{}", text(&make.mount), text(&make.path))
            }
            Self::OpenCgroup(open) => {
                write!(out, "open the cgroup {}/{}", text(&open.mount), text(&open.path))
            }
            Self::OpenInit { .. } => out.write_str("open the container's init"),
            Self::OpenRoot { .. } => out.write_str("open the container's root"),
            Self::WriteCgroup(write) => write!(out, "set {} to {:?}", text(&write.file), text(&write.value)),
            Self::OpenNamespace { kind, path, .. } => write!(out, "open the {kind} namespace {}", text(path)),
            Self::MakeIdMap { maps, .. } => {
                write!(out, "map users {} and groups {} of mounts", Lines(&maps.uids), Lines(&maps.gids))
            }
            Self::CloneTree { source, .. } => write!(out, "copy {source}"),
            Self::MakeView => out.write_str("see the host's mounts as a user namespace does"),
            Self::MakeNode { device, .. } => write!(
                out,
                "make a node for /{} {}:{} mode {:o}",
                text(&device.path),
                device.major,
                device.minor,
                device.mode & 0o7777
            ),
            Self::CloneCgroup { attributes, .. } => {
                write!(out, "copy the mount of the container's cgroup{}", Words(*attributes))
            }
            Self::Listen { .. } => out.write_str("make the socket for start"),
            Self::MakeState { .. } => out.write_str("make a file for the state"),
            Self::Spawn(spawn) => write!(out, "{spawn}"),
            Self::MapIds(maps) => {
                let writer = match maps.writer {
                    MapWriter::Privileged => "",
                    MapWriter::OwnIds => ", without setgroups",
                    MapWriter::Delegated => ", by newuidmap and newgidmap",
                };
                write!(out, "map users {} and groups {}{writer}", Lines(&maps.uids), Lines(&maps.gids))
            }
            Self::OomScore { adjustment } => write!(out, "set oom_score_adj to {adjustment}"),
            Self::FillState { status, .. } => write!(out, "write the state, {}", status.name()),
            Self::Hooks(hooks) => write!(out, "run {} hooks ({})", hooks.kind, hooks.hooks.len()),
            Self::Rlimit(limit) => {
                write!(out, "set {} to {} at most {}", limit.resource, limit.soft, limit.hard)
            }
            Self::MoveNetDevice(step) => {
                write!(out, "move the network device {} into the container", text(&step.device))?;
                step.name.iter().try_for_each(|name| write!(out, " as {}", text(name)))
            }
            Self::Scheduler(scheduler) => write!(
                out,
                "schedule as {} nice {} priority {}",
                scheduler.policy, scheduler.nice, scheduler.priority
            ),
            Self::IoPriority(priority) => {
                write!(out, "set the I/O priority to {} {}", priority.class, priority.level)
            }
            Self::Send(signal) => write!(out, "send {}", signal.name()),
            Self::Await(signal) => write!(out, "wait for {}", signal.name()),
            Self::SendConsole { socket } => write!(out, "send the terminal to {}", text(socket)),
            Self::SendPidfd { socket } => {
                write!(out, "send a descriptor of the process to {}", text(socket))
            }
            Self::Commit => out.write_str("record the container as created"),
            _ => self.write_groups(out),
        }
    }
}

impl ParentStep {
    /// The words of steps about groups of processes.
    fn write_groups(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WriteCgroupOr { first, or } => write!(
                out,
                "set {} to {:?}, or {} to {:?}",
                text(&first.file),
                text(&first.value),
                text(&or.file),
                text(&or.value)
            ),
            Self::CheckUse(check) => {
                write!(out, "check that {} is at most {}", text(&check.file), check.limit)
            }
            Self::DeviceProgram(program) => {
                write!(out, "load the device program, {} instructions", program.instructions.len())
            }
            Self::GiveCgroup { uid, .. } => write!(out, "give the cgroup to user {uid}"),
            Self::StartUnit(start) => {
                write!(out, "start the unit {}", Requested(&start.unit, &start.properties))
            }
            Self::ChangeUnit(change) => {
                write!(out, "change the unit {}", Requested(&change.unit, &change.properties))
            }
            Self::HandOver { slots } => write!(out, "hand {} descriptors to init", slots.len()),
            Self::MakeResctrlGroup(group) => write!(out, "{group}"),
            _ => out.write_str("put init into the resctrl group"),
        }
    }
}

/// A unit and what is asked of systemd about it.
struct Requested<'step>(&'step Unit, &'step [Property]);

impl fmt::Display for Requested<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = if self.0.manager == Manager::User { " of the user's systemd" } else { "" };
        write!(out, "{}{whose}", self.0.name)?;
        self.1.iter().try_for_each(|property| write!(out, " {property}"))
    }
}

impl fmt::Display for Rlimit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "set {} to {} at most {}", self.resource, self.soft, self.hard)
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

impl fmt::Display for Spawn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("make init")?;
        write_kinds(out, " in new namespaces ", self.namespaces)?;
        for (kind, _) in &self.join {
            write!(out, ", in the given {kind} namespace")?;
        }
        if let Some((_, kinds)) = self.enter {
            write_kinds(out, ", in the container's namespaces ", kinds)?;
        }
        if self.time.is_some() {
            out.write_str(", with clocks of its own")?;
        }
        out.write_str(if self.cgroup.is_some() { ", born in the cgroup" } else { "" })
    }
}
