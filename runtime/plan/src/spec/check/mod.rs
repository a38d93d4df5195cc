//! Checks of a document's values against the specification, against the kernel's rules, and against each
//! other. They depend on the document alone. What depends on the host too is an error of the plan.

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

/// A configuration without mistakes. Only [`check`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    spec: Spec,
    warnings: Vec<Mistake>,
}

impl Checked {
    /// Returns the warnings of the reader and of the checks.
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

/// A process without mistakes. Only [`check_process`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedProcess {
    process: Process,
    warnings: Vec<Mistake>,
}

impl CheckedProcess {
    /// Returns the warnings of the reader and of the checks.
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

/// Checks a configuration before `create`.
///
/// # Errors
///
/// All mistakes, each with its place: what the specification forbids, what every kernel refuses, and
/// properties that contradict each other.
pub fn check(loaded: Loaded) -> Result<Checked, Vec<Mistake>> {
    let Loaded { spec, warnings } = loaded;
    let mut report = Report { mistakes: Vec::new(), warnings };
    let root = Place::DOCUMENT;
    container::check(&spec, &root, &mut report);
    match &spec.process {
        Some(process) => process::check(process, &root.key("process"), &mut report),
        // "This property is REQUIRED when start is called" (config.md, Process).
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

/// Checks a process before `exec`.
///
/// # Errors
///
/// As for [`check`]; places are relative to the process.
pub fn check_process(loaded: LoadedProcess) -> Result<CheckedProcess, Vec<Mistake>> {
    let LoadedProcess { process, warnings } = loaded;
    let mut report = Report { mistakes: Vec::new(), warnings };
    process::check(&process, &Place::DOCUMENT, &mut report);
    verdict(report).map(|warnings| CheckedProcess { process, warnings })
}

/// Checks limits before `update`.
///
/// # Errors
///
/// As for [`check`]; places are relative to the resources.
pub fn check_resources(resources: &Resources) -> Result<(), Vec<Mistake>> {
    let mut report = Report::default();
    resources::check(resources, &Place::DOCUMENT, &mut report);
    verdict(report).map(drop)
}

fn verdict(report: Report) -> Result<Vec<Mistake>, Vec<Mistake>> {
    if report.mistakes.is_empty() { Ok(report.warnings) } else { Err(report.mistakes) }
}

/// Calls `visit` for each item of an array and its place.
fn each<T>(items: &[T], at: &Place<'_>, mut visit: impl FnMut(&T, &Place<'_>)) {
    for (index, item) in items.iter().enumerate() {
        visit(item, &at.index(index));
    }
}

/// Reports a path that is not absolute.
fn absolute(path: &str, at: &Place<'_>, report: &mut Report) {
    if !path.starts_with('/') {
        report.wrong(at, format!("{path:?} is not an absolute path"));
    }
}

/// Whether a path has a `..` component.
fn climbs(path: &str) -> bool {
    path.split('/').any(|component| component == "..")
}
