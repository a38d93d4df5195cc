//! The programs `iptables-restore` and `iptables-save` of the host, those of legacy iptables or of iptables-nft.

use crate::address::Family;
use crate::error::{Code, Error, Result};
use crate::lock::exclusive;
use rustix::fs::{Access, CWD, Mode, OFlags, access, openat};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The search path if the caller's environment has none, as with some engines.
const PATH: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";

/// How long the programs of legacy iptables wait for their lock, in seconds.
const WAIT: &str = "--wait=60";
/// `RESOURCE_PROBLEM`: the lock was not released in time.
const BUSY: i32 = 4;

/// A lock for the iptables rules of a network namespace. The programs inherit it: if a plugin is killed, the next
/// plugin waits until the programs that it started have exited.
#[derive(Debug)]
pub struct Lock {
    _namespace: OwnedFd,
}

impl Lock {
    /// Takes the lock.
    ///
    /// # Errors
    /// Code 11 after a minute; the kernel's error.
    pub fn take() -> Result<Lock> {
        let failed = |why| Error::kernel("lock the network namespace", why);
        let namespace =
            openat(CWD, "/proc/thread-self/ns/net", OFlags::RDONLY, Mode::empty()).map_err(failed)?;
        exclusive(&namespace, "/proc/self/ns/net (iptables rules)")?;
        Ok(Lock { _namespace: namespace })
    }
}

/// The tables that the programs of a host change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tables {
    /// The tables of nf_tables: iptables-nft.
    Nftables,
    /// The tables of legacy iptables; also if the program can't be identified, because it is a script.
    Own,
}

/// `iptables-restore` of a family. It applies a script completely or not at all.
#[derive(Debug)]
pub(super) struct Restore {
    program: PathBuf,
}

impl Restore {
    /// Finds the program.
    pub(super) fn of(family: Family) -> Result<Restore> {
        find(&format!("{}-restore", name(family))).map(|program| Restore { program })
    }

    /// Finds the program of legacy iptables, even if the host's default is iptables-nft.
    ///
    /// # Errors
    /// Code 2: the host has none.
    pub(super) fn of_legacy(family: Family) -> Result<Restore> {
        let unknown = || Restore::of(family).ok().filter(|restore| restore.tables() == Tables::Own);
        match find(&format!("{}-legacy-restore", name(family))) {
            Ok(program) => Ok(Restore { program }),
            Err(missing) => unknown().ok_or(missing),
        }
    }

    /// Returns the tables that the program changes.
    pub(super) fn tables(&self) -> Tables {
        let real = std::fs::canonicalize(&self.program).unwrap_or_default();
        let name = real.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match name.contains("nft") {
            true => Tables::Nftables,
            false => Tables::Own,
        }
    }

    /// Runs a script.
    pub(super) fn run(&self, script: &str) -> Result<()> {
        let failed = |why: std::io::Error| Error::io(format!("run {}", self.program.display()), &why);
        let mut child = Command::new(&self.program)
            .args(["--noflush", WAIT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut pipe) = child.stdin.take() {
            // A program that exits before reading everything prints the reason.
            let _ = pipe.write_all(script.as_bytes());
        }
        checked(&self.program, child.wait_with_output().map_err(failed)?).map(drop)
    }

    /// Returns the lines of the nat table, from the `iptables-save` next to the program.
    pub(super) fn saved(&self) -> Result<Vec<String>> {
        let name =
            self.program.file_name().unwrap_or_default().to_string_lossy().replace("-restore", "-save");
        let program = self.program.with_file_name(name);
        let failed = |why: std::io::Error| Error::io(format!("run {}", program.display()), &why);
        let output =
            Command::new(&program).args(["-t", "nat"]).stdin(Stdio::null()).output().map_err(failed)?;
        let text = checked(&program, output)?;
        Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
    }
}

fn checked(program: &Path, output: Output) -> Result<Vec<u8>> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let code = if output.status.code() == Some(BUSY) { Code::TryAgain } else { Code::Io };
    Err(Error::new(code, format!("{} failed: {}", program.display(), words.join("; "))))
}

fn name(family: Family) -> &'static str {
    if family == Family::V4 { "iptables" } else { "ip6tables" }
}

fn find(name: &str) -> Result<PathBuf> {
    let given = std::env::var("PATH").unwrap_or_default();
    let places = given.split(':').chain(PATH.split(':')).filter(|position| position.starts_with('/'));
    let mut candidates = places.map(|position| Path::new(position).join(name));
    candidates.find(|candidate| access(candidate, Access::EXEC_OK).is_ok()).ok_or_else(|| {
        Error::new(Code::Unsupported, format!("the iptables backend needs {name}, which is not installed"))
    })
}

/// Whether the host has iptables: `iptables-restore` is in `PATH` or in a directory of system programs.
pub fn is_installed() -> bool {
    Restore::of(Family::V4).is_ok()
}

/// Whether the host's iptables is iptables-nft.
///
/// # Errors
/// Code 2: the host has no iptables.
pub(super) fn changes_nf_tables() -> Result<bool> {
    Ok(Restore::of(Family::V4)?.tables() == Tables::Nftables)
}
