//! Probes: one harmless call of a system call each, which shows the effect of a seccomp filter or a missing capability.

use std::ffi::CString;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::socket::{AddressFamily, SockFlag, SockType};
use nix::sys::stat::{Mode, SFlag};

type Probe = fn() -> Result<(), Errno>;

/// Each probe with its name. None changes anything outside the container.
const PROBES: &[(&str, Probe)] = &[
    ("getcwd", || nix::unistd::getcwd().map(drop)),
    ("uname", || nix::sys::utsname::uname().map(drop)),
    ("mkdir", || nix::unistd::mkdir("/tmp/probe", Mode::S_IRWXU)),
    ("chmod", || {
        nix::sys::stat::fchmodat(
            nix::fcntl::AT_FDCWD,
            "/tmp",
            Mode::from_bits_truncate(0o1777),
            nix::sys::stat::FchmodatFlags::FollowSymlink,
        )
    }),
    ("chown", || nix::unistd::chown("/tmp", None, None)),
    ("sethostname", || nix::unistd::sethostname("probe")),
    ("unshare", || nix::sched::unshare(CloneFlags::CLONE_NEWUTS)),
    ("unshare-user", || nix::sched::unshare(CloneFlags::CLONE_NEWUSER)),
    ("mount", || {
        nix::mount::mount(Some("probe"), "/tmp", Some("tmpfs"), nix::mount::MsFlags::empty(), None::<&str>)
    }),
    ("umount", || nix::mount::umount("/tmp")),
    ("chroot", || nix::unistd::chroot("/")),
    ("mknod", || {
        nix::sys::stat::mknod("/tmp/null", SFlag::S_IFCHR, Mode::S_IRUSR, nix::sys::stat::makedev(1, 3))
    }),
    ("mkfifo", || nix::unistd::mkfifo("/tmp/fifo", Mode::S_IRUSR)),
    ("personality", || nix::sys::personality::get().map(drop)),
    ("personality-linux32", || {
        nix::sys::personality::set(nix::sys::personality::Persona::ADDR_NO_RANDOMIZE).map(drop)
    }),
    ("ptrace", nix::sys::ptrace::traceme),
    ("reboot", || nix::sys::reboot::set_cad_enabled(true)),
    ("setgroups", || nix::unistd::setgroups(&[])),
    ("setuid", || nix::unistd::setuid(nix::unistd::Uid::from_raw(1000))),
    ("socket", || socket(AddressFamily::Inet, SockType::Stream)),
    ("socket-raw", || socket(AddressFamily::Inet, SockType::Raw)),
    ("socket-vsock", || socket(AddressFamily::Vsock, SockType::Stream)),
    ("sync", || {
        nix::unistd::sync();
        Ok(())
    }),
    ("kill-parent", || nix::sys::signal::kill(nix::unistd::Pid::this(), None)),
    ("settime", || {
        nix::time::clock_settime(
            nix::time::ClockId::CLOCK_REALTIME,
            nix::time::clock_gettime(nix::time::ClockId::CLOCK_REALTIME)?,
        )
    }),
    ("execve", || {
        let missing = CString::new("/nonexistent").unwrap_or_default();
        match nix::unistd::execve::<CString, CString>(&missing, &[], &[]) {
            Err(Errno::ENOENT) | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }),
];

fn socket(family: AddressFamily, kind: SockType) -> Result<(), Errno> {
    nix::sys::socket::socket(family, kind, SockFlag::empty(), None).map(drop)
}

/// Runs the named probes and prints, as one JSON object, "ok" or the name of the error.
pub(crate) fn syscall(names: &[String]) -> Result<ExitCode> {
    let mut answers = serde_json::Map::new();
    for name in names {
        let (_, probe) =
            PROBES.iter().find(|(known, _)| known == name).with_context(|| format!("no probe {name}"))?;
        let answer = probe().map_or_else(|error| format!("{error:?}"), |()| "ok".to_string());
        answers.insert(name.clone(), answer.into());
    }
    writeln!(std::io::stdout(), "{}", serde_json::Value::Object(answers))?;
    Ok(ExitCode::SUCCESS)
}
