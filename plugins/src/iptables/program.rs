//! The programs `iptables-restore` and `iptables-save`, as the host has them: of legacy iptables or of iptables-nft.

use crate::address::Family;
use crate::error::{Code, Error, Result};
use crate::lock::exclusive;
use rustix::fs::{Access, CWD, Mode, OFlags, access, openat};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where programs of the system are when the caller's environment does not say; engines may pass none.
const PATH: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";

/// In seconds, for the lock that the programs of legacy iptables take from each other, whoever runs them.
const PATIENCE: &str = "--wait=60";
/// `RESOURCE_PROBLEM`: it was not to be had.
const BUSY: i32 = 4;

/// Only one plugin changes a namespace's tables at a time. The programs inherit it: should a plugin be killed, the next
/// one waits until what it has started is over.
#[derive(Debug)]
pub struct Lock {
    _namespace: OwnedFd,
}

impl Lock {
    /// Waits for it.
    ///
    /// # Errors
    /// Code 11: somebody else has held it for a minute; the kernel's.
    pub fn take() -> Result<Lock> {
        let failed = |why| Error::kernel("lock the network namespace", why);
        let namespace =
            openat(CWD, "/proc/thread-self/ns/net", OFlags::RDONLY, Mode::empty()).map_err(failed)?;
        exclusive(&namespace, "/proc/self/ns/net (iptables rules)")?;
        Ok(Lock { _namespace: namespace })
    }
}

/// Which of the kernel's tables the programs of a host change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tables {
    /// Those of nf_tables: iptables-nft.
    Nftables,
    /// Those of legacy iptables; or it can't be data, as with a script.
    Own,
}

/// The program that changes a protocol's tables, all at once or not at all.
#[derive(Debug)]
pub(super) struct Restore {
    program: PathBuf,
}

impl Restore {
    /// Finds it.
    pub(super) fn of(family: Family) -> Result<Restore> {
        find(&format!("{}-restore", name(family))).map(|program| Restore { program })
    }

    /// The one that changes the tables of legacy iptables, whichever the host's iptables is.
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

    /// Which tables it changes.
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
            .args(["--noflush", PATIENCE])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut pipe) = child.stdin.take() {
            // One that ends before it has read everything says why.
            let _ = pipe.write_all(script.as_bytes());
        }
        data(&self.program, child.wait_with_output().map_err(failed)?).map(drop)
    }

    /// The lines of the nat table, by the program extra it that saves what it restores.
    pub(super) fn saved(&self) -> Result<Vec<String>> {
        let name =
            self.program.file_name().unwrap_or_default().to_string_lossy().replace("-restore", "-save");
        let program = self.program.with_file_name(name);
        let failed = |why: std::io::Error| Error::io(format!("run {}", program.display()), &why);
        let output =
            Command::new(&program).args(["-t", "nat"]).stdin(Stdio::null()).output().map_err(failed)?;
        let text = data(&program, output)?;
        Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
    }
}

fn data(program: &Path, output: Output) -> Result<Vec<u8>> {
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

/// Whether the host has iptables: `iptables-restore` is in `PATH` or where the system's programs are.
pub fn is_installed() -> bool {
    Restore::of(Family::V4).is_ok()
}

/// Whether the host's iptables keeps its rules in nf_tables.
///
/// # Errors
/// Code 2: the host has no iptables.
pub(super) fn changes_nf_tables() -> Result<bool> {
    Ok(Restore::of(Family::V4)?.tables() == Tables::Nftables)
}
