//! The container's terminal: a pair from its own devpts, of which the caller gets the master.

use super::Init;
use super::file::open_character;
use super::mask::copy_of;
use crate::fault::{Call, During, Fault};
use crate::mounts::attributes::attach_at;
use crate::mounts::inside::Inside;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::Uid;
use rustix::mount::OpenTreeFlags;
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use tare_plan::step::WindowSize;

/// `DEVPTS_SUPER_MAGIC` (statfs(2)).
const DEVPTS: u64 = 0x1cd1;

/// Makes the pair: keeps the master for the parent, and returns the container's end, which comes from the master itself and
/// never from a path that the image could have prepared.
pub(super) fn open(init: &mut Init<'_>, size: Option<WindowSize>, owner: u32) -> Result<OwnedFd, Fault> {
    let master = open_character(init.inside()?, c"dev/pts/ptmx", (5, 2), DEVPTS)?;
    rustix::pty::unlockpt(&master).during(Call::Terminal)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).during(Call::Terminal)?;
    if let Some(size) = size {
        let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&slave, size).during(Call::Terminal)?;
    }
    rustix::fs::fchown(&slave, Some(Uid::from_raw(owner)), None).during(Call::Owner)?;
    init.terminal = Some(master);
    Ok(slave)
}

/// Makes `/dev/console` a name of the terminal.
pub(super) fn name(inside: Inside<'_>, slave: BorrowedFd<'_>) -> Result<(), Fault> {
    let console = inside.make_file(c"dev/console")?;
    attach_at(copy_of(slave, OpenTreeFlags::empty())?.as_fd(), console.as_fd())
}

/// Makes the terminal the controlling one and the standard streams.
pub(super) fn control(slave: &OwnedFd) -> Result<(), Fault> {
    rustix::process::ioctl_tiocsctty(slave).during(Call::Terminal)?;
    rustix::stdio::dup2_stdin(slave).during(Call::Duplicate)?;
    rustix::stdio::dup2_stdout(slave).during(Call::Duplicate)?;
    rustix::stdio::dup2_stderr(slave).during(Call::Duplicate)
}
