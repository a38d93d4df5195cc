//! User namespaces that nobody lives in, made for their mappings alone: what mounts map their ids by.

use crate::channel;
use crate::fault::{Call, During, Fault};
use crate::init;
use crate::maps;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{self, CWD, Mode, OFlags};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use tare_plan::spec::NamespaceKind;
use tare_plan::step::MapIds;
use tare_sys::clone::{Clone, Spawned, spawn};
use tare_sys::descriptors::close_range;

/// Makes a user namespace with these mappings. The process that it takes is gone when this returns.
pub(crate) fn make(maps: &MapIds) -> Result<OwnedFd, Fault> {
    let (here, there) = channel::pair()?;
    let other_end = here.as_raw_fd().cast_unsigned();
    let flags = u64::from(NamespaceKind::User.clone_flag().cast_unsigned());
    let how = Clone { flags, cgroup: None };
    let holder = Holder(spawn(how, move || hold(there, other_end)).during(Call::Clone)?);
    maps::write(holder.0.pid, maps)?;
    let path = format!("/proc/{}/ns/user", holder.0.pid.as_raw_nonzero());
    fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).during(Call::Open)
}

/// In the holder: lives until it is killed, or its maker is gone and with it the channel's other end.
pub(crate) fn hold(channel: OwnedFd, other_end: u32) -> i32 {
    let gone = init::die_with_parent().is_err() || close_range(other_end, other_end).is_err();
    if !gone {
        // Whatever ends the wait, there is nothing left to hold.
        let _ = channel::receive_bytes(channel.as_fd(), &mut [0]);
    }
    1
}

/// A process that is killed, and waited for, when this value goes.
pub(crate) struct Holder(Spawned);

impl Holder {
    /// A process that ends with this value.
    pub(crate) fn of(process: Spawned) -> Self {
        Self(process)
    }

    pub(crate) fn pid(&self) -> rustix::process::Pid {
        self.0.pid
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It may be dead already; either way there is a child to be waited for, and then it is gone.
        let _ = pidfd_send_signal(&self.0.pidfd, Signal::KILL);
        let _ = channel::retry(|| waitid(WaitId::PidFd(self.0.pidfd.as_fd()), WaitIdOptions::EXITED));
    }
}
