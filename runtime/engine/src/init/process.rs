//! Attributes of the process other than its identity: session, CPUs, keyring, umask, file descriptors, working directory.

use super::state::Init;
use super::{close, label};
use crate::child::hide;
use crate::fault::{Call, During, Fault};
use rustix::fd::AsFd;
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread;
use std::ffi::CStr;
use tare_plan::step::{CpuSet, ProcessStep};

/// Carries out a step on the process's attributes.
pub(super) fn act(init: &mut Init<'_>, step: &ProcessStep) -> Result<(), Fault> {
    match step {
        ProcessStep::Hide => hide(),
        ProcessStep::Show => show(),
        ProcessStep::NewSession => rustix::process::setsid().during(Call::Session).map(drop),
        ProcessStep::AllCpus => all_cpus(),
        ProcessStep::SetCpus(cpus) => set_cpus(cpus),
        ProcessStep::Personality { persona } => tare_sys::personality::set(*persona).during(Call::Prctl),
        ProcessStep::MemoryPolicy(policy) => {
            tare_sys::memory_policy::set(policy.number, &policy.nodes).during(Call::MemoryPolicy)
        }
        ProcessStep::Label(label) => label::write(init.resources.host_proc.as_fd(), label),
        ProcessStep::NewKeyring { name } => new_keyring(name),
        ProcessStep::Umask { mask } => {
            rustix::process::umask(Mode::from_raw_mode(*mask));
            Ok(())
        }
        ProcessStep::CloseFds { preserve, keep } => close::close_fds(init, *preserve, keep),
        ProcessStep::WorkingDirectory { path } => working_directory(path),
    }
}

/// Makes the process dumpable again after [`hide`]. It has no file descriptor of the host any more. A rootless parent needs this
/// to read init's files in `/proc` (proc(5)).
fn show() -> Result<(), Fault> {
    set_dumpable_behavior(DumpableBehavior::Dumpable).during(Call::Prctl)
}

/// Allows every CPU of the cgroup. systemd may have restricted the affinity of the runtime, and init would inherit that.
fn all_cpus() -> Result<(), Fault> {
    let mut all = thread::CpuSet::new();
    (0..thread::CpuSet::MAX_CPU).for_each(|cpu| all.set(cpu));
    thread::sched_setaffinity(None, &all).during(Call::Prctl)
}

/// Sets the CPU affinity (config.md, `execCPUAffinity`; sched_setaffinity(2)).
fn set_cpus(planned: &CpuSet) -> Result<(), Fault> {
    let mut set = thread::CpuSet::new();
    let planned = |cpu: &usize| planned.bits.get(cpu / 64).is_some_and(|word| word & 1 << (cpu % 64) != 0);
    (0..thread::CpuSet::MAX_CPU).filter(planned).for_each(|cpu| set.set(cpu));
    thread::sched_setaffinity(None, &set).during(Call::Prctl)
}

/// Joins a new session keyring, so that the container can't read the keys of the caller (session-keyring(7)). A kernel without
/// keyrings returns `ENOSYS`, and then there are no keys to protect.
fn new_keyring(name: &CStr) -> Result<(), Fault> {
    match tare_sys::keyring::join_session_keyring(name) {
        Err(Errno::NOSYS) => Ok(()),
        answer => answer.during(Call::Keyring),
    }
}

/// Changes to the working directory and checks that it is below the container's root. `process.cwd` could be
/// `/proc/self/fd/N`, a leaked directory of the host (CVE-2024-21626).
fn working_directory(path: &CStr) -> Result<(), Fault> {
    rustix::process::chdir(path).during(Call::ChangeDirectory)?;
    let mut room = [0_u8; 4096];
    tare_sys::directory::current(&mut room).during(Call::OutsideRoot)?;
    // The kernel writes "(unreachable)" in front of a path outside the root (getcwd(3)).
    if room.first() == Some(&b'/') { Ok(()) } else { Err(Fault::new(Call::OutsideRoot, Errno::PERM)) }
}
