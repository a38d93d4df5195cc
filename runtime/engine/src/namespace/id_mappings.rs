//! The ID mappings of a user namespace (user_namespaces(7), "User and group ID mappings").

use crate::fault::{Call, Fault};
use rustix::io::Errno;
use rustix::process::Pid;
use std::process::{Command, Stdio};
use tare_plan::step::{MapIds, MapWriter};

/// Writes the mappings of the user namespace of the process `pid`.
pub(crate) fn write(pid: Pid, step: &MapIds) -> Result<(), Fault> {
    match step.writer {
        MapWriter::Privileged => {}
        // A rootless process may map its own group only after it has denied setgroups(2): a group may take permissions away,
        // and a process that drops it would gain them (CVE-2014-8989).
        MapWriter::OwnIds => write_file(pid, "setgroups", "deny")?,
        MapWriter::Delegated => return delegate(pid, step),
    }
    write_file(pid, "uid_map", &step.uids)?;
    write_file(pid, "gid_map", &step.gids)
}

fn write_file(pid: Pid, name: &str, text: &str) -> Result<(), Fault> {
    // The kernel accepts one write(2) per file, and that write has to hold all lines.
    let written = std::fs::write(format!("/proc/{}/{name}", pid.as_raw_nonzero()), text);
    written.map_err(|error| Fault::new(Call::Write, Errno::from_io_error(&error).unwrap_or(Errno::IO)))
}

/// Runs newuidmap(1) and newgidmap(1). They are setuid programs and allow the user's ranges in subuid(5) and subgid(5).
///
/// The wait has no limit of its own: both programs write one file and exit.
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
