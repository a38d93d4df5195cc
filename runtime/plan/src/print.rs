//! A plan in words: each step as a sentence without its subject, and both columns side by side.
//!
//! The words of a step are also what an error says could not be done: `cannot mount devpts at /dev/pts: …`.

use crate::plan::Plan;
use crate::step::{
    Attributes, Console, EnterRoot, InitStep, Label, Labelled, MakeResctrlGroup, Manager, MapWriter, Mount,
    Overlay, ParentStep, Planned, Presence, Property, Reach, Rlimit, Signal, Source, Spawn, Tenant, Unit,
};
use serde_json::{Value, json};
use std::ffi::CStr;
use std::fmt;

/// The namespaces by their flags, in the order in which they are named.
const NAMESPACES: &[(i32, &str)] = &[
    (libc::CLONE_NEWUSER, "user"),
    (libc::CLONE_NEWNS, "mount"),
    (libc::CLONE_NEWPID, "pid"),
    (libc::CLONE_NEWNET, "network"),
    (libc::CLONE_NEWIPC, "ipc"),
    (libc::CLONE_NEWUTS, "uts"),
    (libc::CLONE_NEWTIME, "time"),
];

/// The attributes of a mount by their bits.
const ATTRIBUTES: &[(u64, &str)] = &[
    (libc::MOUNT_ATTR_RDONLY, "ro"),
    (libc::MOUNT_ATTR_NOSUID, "nosuid"),
    (libc::MOUNT_ATTR_NODEV, "nodev"),
    (libc::MOUNT_ATTR_NOEXEC, "noexec"),
    (libc::MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow"),
    (libc::MOUNT_ATTR_NOATIME, "noatime"),
    (libc::MOUNT_ATTR_STRICTATIME, "strictatime"),
    (libc::MOUNT_ATTR_NODIRATIME, "nodiratime"),
];

fn text(text: &CStr) -> std::borrow::Cow<'_, str> {
    text.to_string_lossy()
}

fn absolute(path: &CStr) -> String {
    format!("/{}", text(path))
}

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

impl fmt::Display for Label {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = text(&self.value);
        match self.of {
            Labelled::ApparmorProgram => {
                write!(out, "take the AppArmor profile {}", value.trim_start_matches("exec "))
            }
            Labelled::SelinuxProgram => write!(out, "take the SELinux label {value}"),
            Labelled::SelinuxKeys => write!(out, "give keyrings the SELinux label {value}"),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = if self.reach == Reach::Recursive { " and all below it" } else { "" };
        write!(out, "the mount of {}{all}{}", text(&self.path), Words(self.attributes))?;
        match self.id_map.map(|map| map.reach) {
            None => Ok(()),
            Some(Reach::One) => out.write_str(" with its ids mapped"),
            Some(Reach::Recursive) => out.write_str(" with all their ids mapped"),
        }
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

/// Names kinds of namespaces, if there are any.
fn write_kinds(out: &mut fmt::Formatter<'_>, before: &str, kinds: u64) -> fmt::Result {
    let named = NAMESPACES.iter().filter(|(flag, _)| kinds & u64::from(flag.cast_unsigned()) != 0);
    for (at, (_, name)) in named.enumerate() {
        write!(out, "{}{name}", if at == 0 { before } else { ", " })?;
    }
    Ok(())
}

impl fmt::Display for InitStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DieWithParent => out.write_str("die when the parent dies"),
            Self::ShowToUser => out.write_str("let its user look into it"),
            Self::HideFromOthers => out.write_str("hide from other processes of its user"),
            Self::CloneTree { source, .. } => write!(out, "copy {source}"),
            Self::TakeOver { slots } => write!(out, "wait for {} descriptors", slots.len()),
            Self::JoinCgroup { .. } => out.write_str("enter a cgroup"),
            Self::JoinNamespace { kind, .. } => write!(out, "join the {kind} namespace"),
            Self::Await(signal) => write!(out, "wait for {}", signal.name()),
            Self::Send(Signal::Ready) => out.write_str("send ready"),
            Self::Send(signal) => write!(out, "send {}", signal.name()),
            Self::BecomeRoot => out.write_str("become root of the user namespace"),
            Self::EveryProcessor => out.write_str("run on every processor"),
            Self::OnlyProcessors(_) => out.write_str("run on some processors"),
            Self::TakeRoot => out.write_str("work in the container's root"),
            Self::ChangeRoot { .. } => out.write_str("change into the container's root"),
            Self::Personality { persona } => write!(out, "set the execution domain {persona:#x}"),
            Self::MemoryPolicy(policy) => write!(out, "set the memory policy {}", policy.mode),
            Self::NewSession => out.write_str("start a session"),
            Self::Label(label) => write!(out, "{label}"),
            Self::NewKeyring { name } => write!(out, "take the new session keyring {}", text(name)),
            Self::NewCgroupNamespace => out.write_str("make a cgroup namespace"),
            Self::Hostname { name } => write!(out, "set the host name to {}", text(name)),
            Self::Domainname { name } => write!(out, "set the domain name to {}", text(name)),
            Self::LoopbackUp => out.write_str("bring the loopback interface up"),
            Self::Sysctl { path, value } => write!(out, "set /proc/sys/{} to {:?}", text(path), text(value)),
            Self::Hooks(hooks) => write!(out, "run {} hooks ({})", hooks.kind, hooks.hooks.len()),
            Self::OutliveParent => out.write_str("live on without the parent"),
            Self::WaitForStart { .. } => out.write_str("wait for start"),
            _ => self.write_files(out),
        }
    }
}

impl InitStep {
    /// The words of steps about files and mounts.
    fn write_files(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DetachPropagation => out.write_str("keep mounts from reaching the host"),
            Self::RootOverlay { overlay, .. } => write!(out, "{overlay}"),
            Self::RootTree { .. } => out.write_str("mount the copy of the root file system"),
            Self::Mount(mount) => write!(out, "{mount}"),
            Self::Bind { source, target, .. } => {
                write!(out, "mount at {} a copy of {source}", absolute(&target.path))
            }
            Self::Attach { target, .. } => write!(out, "mount a copy at {}", absolute(&target.path)),
            Self::Remount { target, attributes, .. } => {
                write!(out, "change the mount at {}{}", absolute(&target.path), Words(*attributes))
            }
            Self::MakeDirectory { path } => write!(out, "make the directory {}", absolute(path)),
            Self::MakeDevice(device) => {
                let kind = match device.mode & libc::S_IFMT {
                    libc::S_IFBLK => "block device",
                    libc::S_IFCHR => "device",
                    _ => "fifo",
                };
                let (path, mode) = (absolute(&device.path), device.mode & 0o7777);
                write!(out, "make the {kind} {path} {}:{} mode {mode:o}", device.major, device.minor)
            }
            Self::OwnNull => out.write_str("take the container's null device for the host's"),
            Self::Symlink { path, target } => write!(out, "link {} to {}", absolute(path), text(target)),
            Self::OpenTerminal { console: Console::Named, .. } => {
                out.write_str("open a terminal at /dev/console")
            }
            Self::OpenTerminal { .. } => out.write_str("open a terminal"),
            Self::Mask { path, .. } => write!(out, "hide {}", absolute(path)),
            Self::ReadonlyPath { path } => write!(out, "make {} read-only", absolute(path)),
            Self::EnterRoot(EnterRoot::Pivot) => out.write_str("pivot into the root file system"),
            Self::TakeRootBack { .. } => {
                out.write_str("take a copy of the root back to the runtime's mount namespace")
            }
            Self::EnterRoot(_) => out.write_str("change into the root file system"),
            Self::RootAttributes { attributes, .. } => {
                write!(out, "change the root's mount{}", Words(*attributes))
            }
            _ => self.write_process(out),
        }
    }

    /// The words of steps about the process.
    fn write_process(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CloseDescriptors { preserve, .. } => {
                write!(out, "close descriptors from {} on", 3 + preserve)
            }
            Self::WorkingDirectory { path } => write!(out, "chdir to {}", text(path)),
            Self::Umask { mask } => write!(out, "set the umask to {mask:04o}"),
            Self::Rlimit(limit) => write!(out, "{limit}"),
            Self::BoundCapabilities { keep } => write!(out, "bound capabilities to {keep:#x}"),
            Self::Identity(identity) => {
                write!(out, "become user {} and group {}", identity.uid, identity.gid)?;
                identity.groups.iter().flatten().try_for_each(|gid| write!(out, ", {gid}"))
            }
            Self::SetCapabilities(sets) => write!(
                out,
                "set capabilities effective {:#x} permitted {:#x} inheritable {:#x} ambient {:#x}",
                sets.effective, sets.permitted, sets.inheritable, sets.ambient
            ),
            Self::NoNewPrivileges => out.write_str("give up new privileges"),
            Self::FindProgram => out.write_str("find the program"),
            Self::FindHome { uid } => write!(out, "find the home of user {uid}"),
            Self::Verify(_) => out.write_str("check what was set"),
            Self::Seccomp(filter) => {
                write!(out, "load the system call filter, {} instructions", filter.instructions.len())
            }
            _ => out.write_str("execute the program"),
        }
    }
}

impl fmt::Display for Overlay {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lower: Vec<_> = self.lower.iter().map(|layer| text(layer)).collect();
        write!(out, "mount overlay of {}", lower.join(":"))?;
        match &self.upper {
            Some((upper, work)) => write!(out, " with upper {} and work {}", text(upper), text(work)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Mount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "mount {} at {}", text(&self.kind), absolute(&self.target.path))?;
        write!(out, "{}", Words(Attributes { set: self.attributes, ..Attributes::default() }))?;
        for option in &self.options {
            write!(out, " {}", text(&option.key))?;
            if let Some(value) = &option.value {
                write!(out, "={}", text(value))?;
            }
        }
        Ok(())
    }
}

/// Attributes as the words of mount options.
struct Words(Attributes);

impl fmt::Display for Words {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bits, prefix) in [(self.0.set, ""), (self.0.set_all, "r")] {
            for (_, name) in ATTRIBUTES.iter().filter(|(bit, _)| bits & bit != 0) {
                write!(out, " {prefix}{name}")?;
            }
        }
        Ok(())
    }
}

/// Lines of a mapping, on one line; of many only the first.
struct Lines<'text>(&'text str);

/// How many lines are named.
const NAMED: usize = 8;

impl fmt::Display for Lines<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, line) in self.0.lines().take(NAMED).enumerate() {
            write!(out, "{}{line}", if at == 0 { "" } else { "; " })?;
        }
        match self.0.lines().count().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(out, "; and {more} more"),
        }
    }
}

impl fmt::Display for Plan {
    /// Both columns, init's to the right, in the order in which the two processes meet.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "     parent")?;
        for (index, planned) in self.parent.iter().enumerate() {
            write_line(out, (index, ""), planned)?;
        }
        writeln!(out, "\n     init")?;
        for (index, planned) in self.init.iter().enumerate() {
            write_line(out, (index, ""), planned)?;
        }
        Ok(())
    }
}

fn write_line<Step: fmt::Display>(
    out: &mut fmt::Formatter<'_>,
    (index, indent): (usize, &str),
    planned: &Planned<Step>,
) -> fmt::Result {
    let act = planned.step.to_string();
    if planned.because.is_named() {
        writeln!(out, "{index:3}  {indent}{act:<74}  {}", planned.because)
    } else {
        writeln!(out, "{index:3}  {indent}{act}")
    }
}

impl Plan {
    /// The plan for programs: a list of steps for each column, each with its words and its place in the configuration.
    pub fn to_json(&self) -> Value {
        json!({
            "parent": self.parent.iter().map(step_to_json).collect::<Vec<_>>(),
            "init": self.init.iter().map(step_to_json).collect::<Vec<_>>(),
            "warnings": self.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }
}

fn step_to_json<Step: fmt::Display>(planned: &Planned<Step>) -> Value {
    let because = planned.because.is_named().then(|| planned.because.to_string());
    json!({ "act": planned.step.to_string(), "because": because })
}
