//! Usage: what a piece of work cost, with all the processes it started, and those it left to us.

use std::time::{Duration, Instant};

use anyhow::Result;
use nix::errno::Errno;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::wait::{WaitPidFlag, waitpid};

/// The cost of one sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// From the start to the end of the commands, in milliseconds.
    pub(crate) wall_ms: f64,
    /// The CPU's time for user and system, in milliseconds.
    pub(crate) cpu_ms: f64,
    /// Page faults that needed no reading.
    pub(crate) faults: f64,
}

/// Does the work and returns its cost: the wall time of the work itself, and the rest including every orphan.
pub(crate) fn cost(work: impl FnOnce() -> Result<()>) -> Result<Cost> {
    let before = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let start = Instant::now();
    work()?;
    let wall = start.elapsed();
    reap_all()?;
    let after = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    Ok(Cost {
        wall_ms: milliseconds(wall),
        cpu_ms: cpu_ms(&after) - cpu_ms(&before),
        faults: count(after.minor_page_faults() - before.minor_page_faults()),
    })
}

/// Waits for every child there is, which are orphans of the runtime now.
fn reap_all() -> Result<()> {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL)) {
            Err(Errno::ECHILD) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
            Ok(status) if status.pid().is_none() => {
                anyhow::ensure!(Instant::now() < end, "a process of the sample does not end");
                std::thread::sleep(Duration::from_micros(100));
            }
            Ok(_) => {}
        }
    }
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn cpu_ms(usage: &Usage) -> f64 {
    let (user, system) = (usage.user_time(), usage.system_time());
    count(user.tv_sec() + system.tv_sec()) * 1000.0 + count(user.tv_usec() + system.tv_usec()) / 1000.0
}

/// Counts here are far below what a float holds exactly.
#[expect(clippy::cast_precision_loss, reason = "counts of one sample")]
pub(crate) fn count(number: i64) -> f64 {
    number as f64
}
