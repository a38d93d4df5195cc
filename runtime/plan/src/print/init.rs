//! Init's steps in words.

use super::parts::{Options, absolute, text};
use crate::seccomp::Filter;
use crate::step::{
    Attributes, Console, Device, EnterRoot, FileStep, Hooks, Identity, IdentityStep, InitSync, Label,
    LabelTarget, Mount, MountStep, NamespaceStep, Overlay, ProcessStep, ProgramStep, RootStep,
};
use std::fmt;

impl fmt::Display for InitSync {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DieWithParent => out.write_str("die when the parent dies"),
            Self::OutliveParent => out.write_str("outlive the parent"),
            Self::Await(signal) => write!(out, "wait for {}", signal.name()),
            Self::Send(signal) => write!(out, "send {}", signal.name()),
            Self::ReceiveFds(slots) => write!(out, "wait for {} file descriptors", slots.len()),
            Self::WaitForStart(_) => out.write_str("wait for start"),
        }
    }
}

impl fmt::Display for NamespaceStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::JoinCgroup(join) => write!(out, "join the cgroup in {}", text(&join.hierarchy)),
            Self::Join { kind, .. } => write!(out, "join the {kind} namespace"),
            Self::NewCgroup => out.write_str("make a cgroup namespace"),
            Self::BecomeRoot => out.write_str("become root of the user namespace"),
            Self::Hostname { name } => write!(out, "set the host name to {}", text(name)),
            Self::Domainname { name } => write!(out, "set the domain name to {}", text(name)),
            Self::LoopbackUp => out.write_str("bring the loopback interface up"),
            Self::Sysctl { path, value } => write!(out, "set /proc/sys/{} to {:?}", text(path), text(value)),
        }
    }
}

impl fmt::Display for RootStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DetachPropagation => out.write_str("make all mounts slaves of the host's"),
            Self::CloneTree { source, .. } => source.fmt(out),
            Self::MountOverlay { overlay, .. } => overlay.fmt(out),
            Self::MountTree { .. } => out.write_str("mount the root file system"),
            Self::Enter(EnterRoot::Pivot) => out.write_str("pivot_root into the root file system"),
            Self::Enter(EnterRoot::Cover) => out.write_str("chroot into the root file system"),
            Self::TakeBack { .. } => {
                out.write_str("take a copy of the root back to the runtime's mount namespace")
            }
            Self::SetAttributes { attributes, .. } => {
                write!(out, "change the root's mount{}", Options(*attributes))
            }
            Self::Current => out.write_str("work in the current root directory"),
            Self::Change { .. } => out.write_str("chroot into the container's root"),
        }
    }
}

impl fmt::Display for MountStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { source, .. } => source.fmt(out),
            Self::New(mount) => mount.fmt(out),
            Self::Attach { target, .. } => write!(out, "mount the copy at {}", absolute(&target.path)),
            Self::Remount { target, attributes, .. } => {
                write!(out, "remount {}{}", absolute(&target.path), Options(*attributes))
            }
            Self::Mask { path, .. } => write!(out, "mask {}", absolute(path)),
            Self::ReadonlyPath { path } => write!(out, "make {} read-only", absolute(path)),
        }
    }
}

impl fmt::Display for Mount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "mount {} at {}", text(&self.kind), absolute(&self.target.path))?;
        write!(out, "{}", Options(Attributes { set: self.attributes, ..Attributes::default() }))?;
        for option in &self.options {
            write!(out, " {}", text(&option.key))?;
            if let Some(value) = &option.value {
                write!(out, "={}", text(value))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Overlay {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lower: Vec<_> = self.lower.iter().map(|layer| text(layer)).collect();
        write!(out, "mount overlay of {}", lower.join(":"))?;
        match &self.upper {
            Some(upper) => write!(out, " with upper {} and work {}", text(&upper.upper), text(&upper.work)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for FileStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakeDirectory { path } => write!(out, "make the directory {}", absolute(path)),
            Self::MakeDevice(device) => device.fmt(out),
            Self::Symlink { path, target } => write!(out, "link {} to {}", absolute(path), text(target)),
            Self::ReopenDevNull => out.write_str("reopen standard streams that are /dev/null"),
            Self::OpenTerminal { console: Console::Named, .. } => {
                out.write_str("open a terminal at /dev/console")
            }
            Self::OpenTerminal { console: Console::Unnamed, .. } => out.write_str("open a terminal"),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.mode & libc::S_IFMT {
            libc::S_IFBLK => "block device",
            libc::S_IFCHR => "device",
            _ => "fifo",
        };
        let (path, mode) = (absolute(&self.path), self.mode & 0o7777);
        write!(out, "make the {kind} {path} {}:{} mode {mode:o}", self.major, self.minor)
    }
}

impl fmt::Display for ProcessStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hide => out.write_str("become non-dumpable"),
            Self::Show => out.write_str("become dumpable again"),
            Self::NewSession => out.write_str("start a session"),
            Self::AllCpus => out.write_str("run on every CPU"),
            Self::SetCpus(_) => out.write_str("set the CPU affinity"),
            Self::Personality { persona } => write!(out, "set the execution domain {persona:#x}"),
            Self::MemoryPolicy(policy) => write!(out, "set the memory policy {}", policy.mode),
            Self::Label(label) => label.fmt(out),
            Self::NewKeyring { name } => write!(out, "join the new session keyring {}", text(name)),
            Self::Umask { mask } => write!(out, "set the umask to {mask:04o}"),
            Self::CloseFds { preserve, .. } => write!(out, "close file descriptors from {} on", 3 + preserve),
            Self::WorkingDirectory { path } => write!(out, "chdir to {}", text(path)),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = text(&self.value);
        match self.target {
            LabelTarget::ApparmorProgram => {
                write!(out, "set the AppArmor profile {}", value.trim_start_matches("exec "))
            }
            LabelTarget::SelinuxProgram => write!(out, "set the SELinux label {value}"),
            LabelTarget::SelinuxKeys => write!(out, "set the SELinux label {value} for keyrings"),
        }
    }
}

impl fmt::Display for IdentityStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BoundCapabilities(keep) => write!(out, "set the bounding set to {keep:#x}"),
            Self::Rlimit(limit) => limit.fmt(out),
            Self::User(identity) => identity.fmt(out),
            Self::Capabilities(sets) => write!(
                out,
                "set capabilities effective {:#x} permitted {:#x} inheritable {:#x} ambient {:#x}",
                sets.effective, sets.permitted, sets.inheritable, sets.ambient
            ),
            Self::NoNewPrivileges => out.write_str("set no_new_privs"),
            Self::Verify(_) => out.write_str("read back what was set"),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "become user {} and group {}", self.uid, self.gid)?;
        self.groups.iter().flatten().try_for_each(|gid| write!(out, ", {gid}"))
    }
}

impl fmt::Display for Hooks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "run {} hooks ({})", self.kind, self.hooks.len())
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "install the seccomp filter, {} instructions", self.instructions.len())
    }
}

impl fmt::Display for ProgramStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Find => out.write_str("find the program"),
            Self::FindHome(uid) => write!(out, "find the home of user {uid}"),
            Self::Execute => out.write_str("execute the program"),
        }
    }
}
