//! What the values of a document must mean together, as far as it can be told without looking at the host.

mod container;
mod ids;
mod lists;
mod namespaces;
mod process;
mod rdt;
mod resources;
mod seccomp;
mod sysctl;

use std::ops::Deref;

use super::mistake::{Place, Report};
use super::{Loaded, LoadedProcess, Mistake, Process, Resources, Spec};

/// A container's description in which no mistake was found. Only [`check`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    spec: Spec,
    warnings: Vec<Mistake>,
}

impl Checked {
    /// What is odd about it without being wrong.
    pub fn warnings(&self) -> &[Mistake] {
        &self.warnings
    }
}

impl Deref for Checked {
    type Target = Spec;

    fn deref(&self) -> &Spec {
        &self.spec
    }
}

/// A process to execute in which no mistake was found. Only [`check_process`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedProcess {
    process: Process,
    warnings: Vec<Mistake>,
}

impl CheckedProcess {
    /// What is odd about it without being wrong.
    pub fn warnings(&self) -> &[Mistake] {
        &self.warnings
    }
}

impl Deref for CheckedProcess {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

/// Checks everything that create needs of a description.
///
/// # Errors
///
/// Every mistake at once, each with its place: what the specification forbids, what the kernel is known to refuse, and
/// properties that contradict each other.
pub fn check(loaded: Loaded) -> Result<Checked, Vec<Mistake>> {
    let Loaded { spec, warnings } = loaded;
    let mut report = Report { mistakes: Vec::new(), warnings };
    let root = Place::DOCUMENT;
    container::check(&spec, &root, &mut report);
    match &spec.process {
        Some(process) => process::check(process, &root.key("process"), &mut report),
        // It is start that needs it (config.md, "Process"): create can do without.
        None => report
            .warn(&root.key("process"), "without a process the container can be created, but not started"),
    }
    let linux = root.key("linux");
    namespaces::check(&spec, &linux, &mut report);
    sysctl::check(&spec, &linux.key("sysctl"), &mut report);
    resources::check(&spec.linux.resources, &linux.key("resources"), &mut report);
    rdt::check(&spec.linux, &linux, &mut report);
    if let Some(filter) = &spec.linux.seccomp {
        seccomp::check(filter, &linux.key("seccomp"), &mut report);
    }
    verdict(report).map(|warnings| Checked { spec, warnings })
}

/// Checks everything that exec needs of a process.
///
/// # Errors
///
/// As [`check`]; places count from the process.
pub fn check_process(loaded: LoadedProcess) -> Result<CheckedProcess, Vec<Mistake>> {
    let LoadedProcess { process, warnings } = loaded;
    let mut report = Report { mistakes: Vec::new(), warnings };
    process::check(&process, &Place::DOCUMENT, &mut report);
    verdict(report).map(|warnings| CheckedProcess { process, warnings })
}

/// Checks the limits that update is given.
///
/// # Errors
///
/// As [`check`]; places count from the resources.
pub fn check_resources(resources: &Resources) -> Result<(), Vec<Mistake>> {
    let mut report = Report::default();
    resources::check(resources, &Place::DOCUMENT, &mut report);
    verdict(report).map(drop)
}

fn verdict(report: Report) -> Result<Vec<Mistake>, Vec<Mistake>> {
    if report.mistakes.is_empty() { Ok(report.warnings) } else { Err(report.mistakes) }
}

/// Visits each item of an array with its place.
fn each<T>(items: &[T], at: &Place<'_>, mut visit: impl FnMut(&T, &Place<'_>)) {
    for (index, item) in items.iter().enumerate() {
        visit(item, &at.index(index));
    }
}

/// Requires a path that does not depend on a working directory.
fn absolute(path: &str, at: &Place<'_>, report: &mut Report) {
    if !path.starts_with('/') {
        report.wrong(at, format!("{path:?} is not an absolute path"));
    }
}

/// Whether a path has a component that leads upwards.
fn climbs(path: &str) -> bool {
    path.split('/').any(|component| component == "..")
}
