//! The benchmark: runtimes and plugins side by side, interleaved in one run, reported as ratios.
//!
//! Wall time on a shared machine is noise with a signal in it; CPU time is steadier, and the ratio of two
//! programs measured in turn steadier still. So each sample of one is followed by one of the next, and medians are
//! compared.

mod crowd;
mod place;
mod plot;
mod plugins;
mod report;
mod runtimes;
mod side;
mod stats;
mod trace;
mod usage;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};

use report::Report;

/// Measures container runtimes and CNI plugins. Needs root.
///
/// Default: the tare next to this program, and crun and runc where they are on PATH; RUNTIMES names others,
/// separated by blanks or colons.
#[derive(Parser)]
struct Options {
    /// Samples of each kind of each runtime.
    #[arg(long, default_value_t = 40)]
    samples: usize,
    /// Samples of each kind of each plugin directory.
    #[arg(long, default_value_t = 25)]
    plugin_samples: usize,
    /// The milliseconds of rest before each launch, in the samples that have one.
    #[arg(long, default_value_t = 30)]
    rest: u64,
    /// The runtime that all are compared with.
    #[arg(long, default_value = "crun")]
    base: String,
    /// Where the figures and the plot go.
    #[arg(long, default_value = "tests/bench/results")]
    results: PathBuf,
    /// The directory of the plugins that others are compared with; CNI_PEERS names more, separated by colons.
    #[arg(long, default_value = "/usr/lib/cni")]
    peer_plugins: PathBuf,
    /// Measure only these.
    #[arg(long)]
    only: Option<Subjects>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Subjects {
    /// Container runtimes.
    Runtimes,
    /// CNI plugins.
    Plugins,
    /// CNI plugins, with 1,000 containers attached.
    Crowd,
}

impl Options {
    fn measures(&self, subjects: Subjects) -> bool {
        self.only.is_none_or(|only| only == subjects)
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let place = place::Place::enter()?;
    let mut report = Report::new(&options.base);
    if options.measures(Subjects::Runtimes) {
        runtimes::measure(&place, &options, &mut report)?;
    }
    let there = options.peer_plugins.join("bridge").is_file();
    if !there && options.only != Some(Subjects::Runtimes) {
        writeln!(std::io::stderr(), "SKIPPED plugins: there are none in {}", options.peer_plugins.display())?;
    }
    if there && options.measures(Subjects::Plugins) {
        plugins::measure(&place, &options, &mut report)?;
    }
    if there && options.measures(Subjects::Crowd) {
        crowd::measure(&place, &options, &mut report)?;
    }
    writeln!(std::io::stdout(), "{}", report.table())?;
    write_results(&options, &report)
}

fn write_results(options: &Options, report: &Report) -> Result<()> {
    let directory = &options.results;
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    for (name, text) in
        [("latest.json", format!("{:#}\n", report.json())), ("latest.svg", plot::draw(report))]
    {
        let path = directory.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        writeln!(std::io::stdout(), "written: {}", path.display())?;
    }
    Ok(())
}
