//! The verb `events`: the resource usage of a container at an interval, and the kills of the OOM killer.

use crate::cgroup::{self, Cgroup};
use crate::container::status::status;
use crate::container::store::Store;
use crate::error::{Error, Result};
use crate::fault::{Call, During, Fault};
use crate::verb::stats::{self, Stats};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::inotify;
use rustix::fs::{self, Mode, OFlags};
use serde::Serialize;
use std::time::{Duration, Instant};
use tare_plan::step::Status;

/// An event, in runc's format and order.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Event<'a> {
    /// The resource usage of the container.
    Stats {
        /// The container ID.
        id: &'a str,
        /// Its resource usage.
        data: Box<Stats>,
    },
    /// The OOM killer has killed a process of the container.
    Oom {
        /// The container ID.
        id: &'a str,
    },
}

/// Whether the reader of the events is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// It reads.
    Reads,
    /// It has closed its end of the pipe.
    Gone,
}

/// Reports the resource usage of a container after every `interval`, and each kill of the OOM killer at once, until the container
/// stops or the reader is gone.
///
/// # Errors
/// When the container does not exist or does not run, or when the kernel refuses to watch it.
pub fn events(
    store: &Store,
    id: &str,
    interval: Duration,
    report: &mut dyn FnMut(&Event<'_>) -> Reader,
) -> Result<()> {
    let entry = store.open_unlocked(id)?;
    let record = entry.record()?;
    let stopped = || Error::Usage(format!("container with id {id} is not running"));
    if matches!(status(&entry, &record), Status::Stopped | Status::Creating) {
        return Err(stopped());
    }
    let init = record.init.as_ref().map(crate::container::process::ProcessId::open).transpose();
    let init = init.map_err(|fault| entry.error("watch", fault))?.flatten().ok_or_else(stopped)?;
    let watch = Watch::new(&record.cgroups).map_err(|fault| entry.error("watch the memory of", fault))?;
    let mut next = Instant::now() + interval;
    loop {
        match wait(&init, watch.as_ref(), next).map_err(|fault| entry.error("watch", fault))? {
            Wakeup::End => {
                // The notification of v2 may come later than the kill that ended the container.
                if watch.as_ref().is_some_and(Watch::has_killed_since) {
                    report(&Event::Oom { id });
                }
                return Ok(());
            }
            Wakeup::Memory => {
                let killed = watch.as_ref().is_some_and(Watch::has_killed);
                if killed && report(&Event::Oom { id }) == Reader::Gone {
                    return Ok(());
                }
            }
            Wakeup::Interval => {
                next += interval;
                let data = Box::new(stats::read(&record.cgroups));
                if report(&Event::Stats { id, data }) == Reader::Gone {
                    return Ok(());
                }
            }
        }
    }
}

/// The reason why a wait has ended.
enum Wakeup {
    /// Init has exited.
    End,
    /// The kernel has sent a notification about memory.
    Memory,
    /// The interval is over.
    Interval,
}

/// Waits for the first of the three, at most until the end of the interval.
fn wait(init: &OwnedFd, watch: Option<&Watch>, until: Instant) -> std::result::Result<Wakeup, Fault> {
    let left = until.saturating_duration_since(Instant::now());
    let limit = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
    let mut waiting = vec![PollFd::new(init, PollFlags::IN)];
    waiting.extend(watch.map(|watch| PollFd::new(&watch.notice, PollFlags::IN)));
    let count = crate::channel::retry(|| poll(&mut waiting, Some(&limit))).during(Call::Wait)?;
    let ready = |index: usize| waiting.get(index).is_some_and(|fd| !fd.revents().is_empty());
    Ok(match count {
        0 => Wakeup::Interval,
        _ if ready(1) => Wakeup::Memory,
        _ => Wakeup::End,
    })
}

/// A watch for kills of the OOM killer in a cgroup.
struct Watch {
    /// Readable after a notification: an inotify instance on v2, an eventfd on v1.
    notice: OwnedFd,
    cgroup: OwnedFd,
    /// The number of kills at the last notification.
    killed: std::cell::Cell<u64>,
}

impl Watch {
    /// Watches the memory cgroup of a container; `None` without a memory controller.
    fn new(cgroups: &[Cgroup]) -> std::result::Result<Option<Self>, Fault> {
        let memory = cgroups.iter().find(|cgroup| cgroup.has("memory")).or(cgroups.first());
        let Some(cgroup) = memory.map(Cgroup::open).transpose()?.flatten() else { return Ok(None) };
        let notice = if cgroup::read(cgroup.as_fd(), c"memory.events").is_ok() {
            Self::by_file(&cgroup)?
        } else if cgroup::read(cgroup.as_fd(), c"memory.oom_control").is_ok() {
            Self::by_descriptor(&cgroup)?
        } else {
            return Ok(None);
        };
        let watch = Self { notice, cgroup, killed: std::cell::Cell::new(0) };
        watch.killed.set(watch.count());
        Ok(Some(watch))
    }

    /// v2: inotify(7) reports changes of `memory.events` (cgroups(7)).
    fn by_file(cgroup: &OwnedFd) -> std::result::Result<OwnedFd, Fault> {
        let notice = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)
            .during(Call::Open)?;
        let path = format!("/proc/self/fd/{}/memory.events", cgroup.as_raw_fd());
        inotify::add_watch(&notice, path, inotify::WatchFlags::MODIFY).during(Call::Open)?;
        Ok(notice)
    }

    /// v1: `cgroup.event_control` connects an eventfd to `memory.oom_control` (memory.rst of the kernel, "OOM Control").
    fn by_descriptor(cgroup: &OwnedFd) -> std::result::Result<OwnedFd, Fault> {
        let notice = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).during(Call::Open)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let control = fs::openat(cgroup, c"memory.oom_control", flags, Mode::empty()).during(Call::Open)?;
        let line = format!("{} {}", notice.as_raw_fd(), control.as_raw_fd());
        cgroup::write(cgroup.as_fd(), c"cgroup.event_control", line.as_bytes())?;
        Ok(notice)
    }

    /// Consumes the notification and returns whether the OOM killer has killed since the last one. `memory.events` also changes
    /// when a limit is only reached.
    fn has_killed(&self) -> bool {
        while rustix::io::read(&self.notice, &mut [0; 4096]).is_ok_and(|got| got > 0) {}
        let before = self.killed.replace(self.count());
        // v1 counts kills since Linux 4.13 only. A notification of v1 always means a kill.
        self.killed.get() > before || self.file(c"memory.events").is_none()
    }

    /// Whether the OOM killer has killed since the last notification.
    fn has_killed_since(&self) -> bool {
        self.count() > self.killed.get()
    }

    /// Returns the number of kills.
    fn count(&self) -> u64 {
        let text = self.file(c"memory.events").or_else(|| self.file(c"memory.oom_control"));
        text.and_then(|text| crate::cgroup::values::keyed(&text, "oom_kill")).unwrap_or(0)
    }

    fn file(&self, name: &std::ffi::CStr) -> Option<String> {
        let text = cgroup::read(self.cgroup.as_fd(), name).ok()?;
        String::from_utf8(text).ok()
    }
}

/// Parses an interval such as `5s`, `500ms` or `1m30s`, the format of Go's durations; `None` for an invalid one and for 0.
pub fn interval(text: &str) -> Option<Duration> {
    const UNITS: &[(&str, f64)] =
        &[("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters)?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        seconds += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|interval| !interval.is_zero())
}

#[cfg(test)]
mod tests {
    use super::interval;
    use std::time::Duration;

    #[test]
    fn intervals_have_the_format_of_go() {
        assert_eq!(interval("5s"), Some(Duration::from_secs(5)));
        assert_eq!(interval("1m30.5s"), Some(Duration::from_millis(90_500)));
        assert_eq!(interval("500ms"), Some(Duration::from_millis(500)));
        for wrong in ["", "5", "s", "-1s", "0s", "5 s", "1y"] {
            assert_eq!(interval(wrong), None, "{wrong}");
        }
    }
}
