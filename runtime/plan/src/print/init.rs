//! The words of init's steps.

use super::parts::{Words, absolute, text};
use crate::step::{Attributes, Console, EnterRoot, InitStep, Label, Labelled, Mount, Overlay, Signal};
use std::fmt;

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
