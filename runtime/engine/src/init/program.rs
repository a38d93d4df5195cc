//! The container's program: finding it along PATH, setting HOME, executing it.

use super::resources::HOME;
use super::state::Init;
use crate::channel::retry;
use crate::fault::{Call, Fault};
use rustix::fs::{self, Access, AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::CStr;
use tare_plan::step::ProgramStep;

/// Carries out a step on the program.
pub(super) fn act(init: &mut Init<'_>, step: &ProgramStep) -> Result<(), Fault> {
    match step {
        ProgramStep::Find => find(init),
        ProgramStep::FindHome(uid) => find_home(init, *uid),
        ProgramStep::Execute => Err(execute(init)),
    }
}

/// Finds the first candidate that can be executed. `create` fails for a missing program then, not only `start`.
fn find(init: &mut Init<'_>) -> Result<(), Fault> {
    let mut worst = Errno::NOENT;
    for (index, candidate) in init.resources.candidates.iter().enumerate() {
        match executable(candidate) {
            Ok(()) => {
                init.program = index;
                return Ok(());
            }
            Err(Errno::NOENT) => {}
            // A directory of PATH may be a file, as execvp(3) allows. With one candidate, the path of the program is wrong.
            Err(Errno::NOTDIR) if init.resources.candidates.len() > 1 => {}
            Err(errno) => worst = errno,
        }
    }
    Err(Fault::new(Call::FindProgram, worst))
}

/// Checks that the process may execute the file with its effective IDs, which are already those of the configuration.
fn executable(path: &CStr) -> rustix::io::Result<()> {
    let stat = fs::statat(CWD, path, AtFlags::empty())?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        return Err(Errno::ISDIR);
    }
    fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS)
}

/// Sets HOME to the home directory of `uid` in the container's `/etc/passwd`, or to `/` without one, as runc does.
fn find_home(init: &mut Init<'_>, uid: u32) -> Result<(), Fault> {
    let mut home = [0; HOME];
    let length = read_home(uid, &mut home).unwrap_or(0);
    let value = home.get(..length).filter(|value| !value.is_empty()).unwrap_or(b"/");
    if init.resources.environment.add(b"HOME=", value) {
        Ok(())
    } else {
        Err(Fault::new(Call::FindProgram, Errno::NAMETOOLONG))
    }
}

/// Looks up the home directory of `uid` in `/etc/passwd` and returns its length. An unreadable file has no homes.
///
/// The image controls the file, so a FIFO must not block (`O_NONBLOCK`), and only a regular file is read.
fn read_home(uid: u32, home: &mut [u8; HOME]) -> Option<usize> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = fs::openat(CWD, c"/etc/passwd", flags, Mode::empty()).ok()?;
    let stat = fs::fstat(&file).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let mut line = Line::default();
    let mut buffer = [0; 1024];
    loop {
        let got = retry(|| rustix::io::read(&file, &mut buffer)).ok()?;
        for byte in buffer.get(..got)? {
            if *byte != b'\n' {
                line.push(*byte);
            } else if let Some(found) = line.home_of(uid) {
                return copy(found, home);
            } else {
                line = Line::default();
            }
        }
        if got == 0 {
            return copy(line.home_of(uid)?, home);
        }
    }
}

fn copy(from: &[u8], to: &mut [u8; HOME]) -> Option<usize> {
    to.get_mut(..from.len())?.copy_from_slice(from);
    Some(from.len())
}

/// One line of `/etc/passwd` (passwd(5)), cut to the size of the buffer.
struct Line {
    bytes: [u8; HOME],
    length: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self { bytes: [0; HOME], length: 0 }
    }
}

impl Line {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    /// Returns the home directory, the sixth field, if the third field is `uid`.
    fn home_of(&self, uid: u32) -> Option<&[u8]> {
        let mut fields = self.bytes.get(..self.length)?.split(|byte| *byte == b':');
        let id = std::str::from_utf8(fields.nth(2)?).ok()?.parse::<u32>().ok()?;
        let home = fields.nth(2)?;
        (id == uid && !home.is_empty()).then_some(home)
    }
}

/// Executes the program with default signal handlers and no blocked signal. Returns only after a failure.
fn execute(init: &Init<'_>) -> Fault {
    tare_sys::signals::reset();
    let Some(path) = init.resources.candidates.get(init.program) else {
        return Fault::new(Call::FindProgram, Errno::NOENT);
    };
    Fault::new(
        Call::Execute,
        tare_sys::exec::exec(path, &init.resources.arguments, &init.resources.environment),
    )
}

#[cfg(test)]
mod tests {
    use super::Line;

    fn line(text: &str) -> Line {
        let mut line = Line::default();
        text.bytes().for_each(|byte| line.push(byte));
        line
    }

    #[test]
    fn home_is_the_sixth_field_of_the_line_with_the_uid() {
        assert_eq!(line("web:x:33:33:www:/srv/web:/bin/sh").home_of(33), Some(&b"/srv/web"[..]));
        assert_eq!(line("web:x:33:33:www:/srv/web:/bin/sh").home_of(3), None);
        assert_eq!(line("web:x:33:33:www::/bin/sh").home_of(33), None);
        assert_eq!(line("broken:33").home_of(33), None);
    }
}
