//! The mappings of a user namespace (user_namespaces(7)).

use crate::fault::{Call, Fault};
use rustix::io::Errno;
use rustix::process::Pid;
use std::process::{Command, Stdio};
use tare_plan::step::{MapIds, MapWriter};

/// Writes the mappings of the user namespace that `pid` is in.
pub(crate) fn write(pid: Pid, step: &MapIds) -> Result<(), Fault> {
    match step.writer {
        MapWriter::Privileged => {}
        MapWriter::OwnIds => write_file(pid, "setgroups", "deny")?,
        MapWriter::Delegated => return delegate(pid, step),
    }
    write_file(pid, "uid_map", &step.uids)?;
    write_file(pid, "gid_map", &step.gids)
}

fn write_file(pid: Pid, name: &str, text: &str) -> Result<(), Fault> {
    // The kernel takes a mapping in one write, and only as the first one.
    let written = std::fs::write(format!("/proc/{}/{name}", pid.as_raw_nonzero()), text);
    written.map_err(|error| Fault::new(Call::Write, Errno::from_io_error(&error).unwrap_or(Errno::IO)))
}

/// Asks newuidmap(1) and newgidmap(1), which look the user's ranges up in subuid(5) and subgid(5).
fn delegate(pid: Pid, step: &MapIds) -> Result<(), Fault> {
    for (program, lines) in [("newuidmap", &step.uids), ("newgidmap", &step.gids)] {
        let status = Command::new(program)
            .arg(pid.as_raw_nonzero().to_string())
            .args(lines.split_ascii_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        match status {
            Ok(status) if status.success() => {}
            Ok(_) => return Err(Fault::new(Call::Execute, Errno::PERM)),
            Err(error) => {
                return Err(Fault::new(Call::Execute, Errno::from_io_error(&error).unwrap_or(Errno::IO)));
            }
        }
    }
    Ok(())
}
