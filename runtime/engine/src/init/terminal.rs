//! The container's terminal: a pair in the container's own devpts (pts(4)). The caller gets the master.

use super::device::{CharacterDevice, open_character};
use super::state::Init;
use crate::fault::{Call, During, Fault};
use crate::mounts::attributes::attach_at;
use crate::mounts::root_dir::RootDir;
use crate::mounts::tree::clone_open;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::Uid;
use rustix::mount::OpenTreeFlags;
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use tare_plan::step::WindowSize;

/// `DEVPTS_SUPER_MAGIC` (statfs(2)).
const DEVPTS: u64 = 0x1cd1;

/// Opens a pair, keeps the master for the parent, and returns the slave.
///
/// The slave comes from the master itself (ioctl_tty(2), `TIOCGPTPEER`). A path such as `/dev/pts/0` could be a file of the image.
pub(super) fn open(init: &mut Init<'_>, size: Option<WindowSize>, owner: u32) -> Result<OwnedFd, Fault> {
    let ptmx = CharacterDevice { path: c"dev/pts/ptmx", major: 5, minor: 2, fs_type: DEVPTS };
    let master = open_character(init.root_dir()?, &ptmx)?;
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

/// Mounts the terminal at `/dev/console` (config.md, `process.terminal`).
pub(super) fn name(root: RootDir<'_>, slave: BorrowedFd<'_>) -> Result<(), Fault> {
    let console = root.make_file(c"dev/console")?;
    attach_at(clone_open(slave, OpenTreeFlags::empty())?.as_fd(), console.as_fd())
}

/// Makes the terminal the controlling terminal (ioctl_tty(2), `TIOCSCTTY`) and the standard streams.
pub(super) fn control(slave: &OwnedFd) -> Result<(), Fault> {
    rustix::process::ioctl_tiocsctty(slave).during(Call::Terminal)?;
    rustix::stdio::dup2_stdin(slave).during(Call::Duplicate)?;
    rustix::stdio::dup2_stdout(slave).during(Call::Duplicate)?;
    rustix::stdio::dup2_stderr(slave).during(Call::Duplicate)
}
