//! Runtimes: each does the same to the same bundles, one after the other.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::prctl;
use tare_bundle::bundle::{Bundle, PAYLOAD};
use tare_bundle::config::Config;

use crate::Options;
use crate::place::Place;
use crate::report::Report;
use crate::trace::trace;
use crate::usage::cost;

struct Runtime {
    name: String,
    program: PathBuf,
    root: PathBuf,
}

/// A way of using a runtime: one or more of its verbs, from a bundle to nothing left.
type Life = fn(&Runtime, &Path) -> Result<()>;

const LIVES: [(&str, Life); 2] =
    [("run", Runtime::run), ("create+start+delete", Runtime::create_start_delete)];

/// What is done to a container that runs.
const VISITS: [(&str, Life); 2] = [("exec", Runtime::exec), ("state", Runtime::state)];

/// Measures every runtime there is and adds the figures.
pub(crate) fn measure(place: &Place, options: &Options, report: &mut Report) -> Result<()> {
    let runtimes = find(place)?;
    let bundles = bundles(place)?;
    for (variant, bundle) in &bundles {
        for (name, life) in LIVES {
            let case = format!("{name}, {variant}");
            time(&runtimes, (&case, bundle, life), (options.samples, None), report)?;
        }
        let case = format!("run, {variant}, after {} ms of rest", options.rest);
        let rest = Duration::from_millis(options.rest);
        time(&runtimes, (&case, bundle, Runtime::run), (options.samples, Some(rest)), report)?;
        for runtime in &runtimes {
            let words = runtime.words(&["run", "--bundle", &bundle.to_string_lossy(), "bench"]);
            let traced = trace(&words).with_context(|| runtime.name.clone())?;
            let case = format!("run, {variant}");
            report.add((&case, "system calls"), &runtime.name, traced.calls);
            report.add((&case, "peak RSS KiB"), &runtime.name, traced.peak_kib);
        }
    }
    measure_visits(place, &runtimes, options, report)?;
    for runtime in &runtimes {
        let smallest = smallest_limit(place, runtime).with_context(|| runtime.name.clone())?;
        report.add(("run, plain", "least memory KiB"), &runtime.name, smallest);
    }
    Ok(())
}

/// Measures what is done to containers that run: each runtime has one of its own.
fn measure_visits(place: &Place, runtimes: &[Runtime], options: &Options, report: &mut Report) -> Result<()> {
    for (variant, config) in configs()? {
        let start = |runtime: &Runtime| {
            let directory = place.directory.join(format!("visited-{}", runtime.name));
            let config = config.clone().args(&[PAYLOAD, "sleep", "600"]);
            let cgroup = format!("/tare-bench-{}", runtime.name);
            let bundle = bundle(place, &directory, config.cgroup(&cgroup))?;
            runtime.call(&["create", "--bundle", &bundle.to_string_lossy(), "bench"])?;
            runtime.call(&["start", "bench"])
        };
        // No process waits for them when a sample is over: they are not this process's children.
        prctl::set_child_subreaper(false)?;
        let started = runtimes.iter().try_for_each(start);
        prctl::set_child_subreaper(true)?;
        let measured = started.and_then(|()| {
            VISITS.iter().try_for_each(|(name, visit)| {
                let case = format!("{name}, {variant}");
                time(runtimes, (&case, &place.directory, *visit), (options.samples, None), report)
            })
        });
        let ended = runtimes.iter().try_for_each(|runtime| runtime.call(&["delete", "--force", "bench"]));
        measured.and(ended)?;
    }
    Ok(())
}

/// Takes the samples of one case, the runtimes in turn.
fn time(
    runtimes: &[Runtime],
    (case, bundle, life): (&str, &Path, Life),
    (samples, rest): (usize, Option<Duration>),
    report: &mut Report,
) -> Result<()> {
    writeln!(std::io::stderr(), "measuring {case}")?;
    for round in 0..=samples {
        for runtime in runtimes {
            std::thread::sleep(rest.unwrap_or_default());
            let cost =
                cost(|| life(runtime, bundle)).with_context(|| format!("{case} with {}", runtime.name))?;
            // The first round only warms the caches.
            if round == 0 {
                continue;
            }
            report.add((case, "wall ms"), &runtime.name, cost.wall_ms);
            report.add((case, "CPU ms"), &runtime.name, cost.cpu_ms);
            if rest.is_none() {
                report.add((case, "page faults"), &runtime.name, cost.faults);
            }
        }
    }
    Ok(())
}

/// The runtimes to measure: ours and its peers, or those that `RUNTIMES` names.
fn find(place: &Place) -> Result<Vec<Runtime>> {
    let named = std::env::var("RUNTIMES").unwrap_or_default();
    let mut names: Vec<&str> = named.split([' ', ':', ',']).filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        names = vec!["tare", "crun", "runc"];
    }
    let mut all = Vec::new();
    for name in names {
        let Some(program) = program(place, name)? else {
            writeln!(std::io::stderr(), "SKIPPED {name}: it is not on PATH")?;
            continue;
        };
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let root = place.directory.join(format!("root-{}", all.len()));
        all.push(Runtime { name, program, root });
    }
    ensure!(!all.is_empty(), "there is no runtime to measure");
    Ok(all)
}

fn program(place: &Place, name: &str) -> Result<Option<PathBuf>> {
    if name.contains('/') {
        return Ok(Some(PathBuf::from(name).canonicalize().with_context(|| name.to_string())?));
    }
    let beside = place.programs.join(name);
    if beside.is_file() {
        return Ok(Some(beside));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::split_paths(&path).map(|directory| directory.join(name)).find(|program| program.is_file()))
}

/// The least configuration, and the one that Docker makes, with limits.
fn configs() -> Result<[(&'static str, Config); 2]> {
    let docker = Config::docker()?.memory(512 << 20).pids(512);
    Ok([("plain", Config::plain()?), ("Docker's profile", docker)])
}

/// The same root file system with each configuration, to run the trivial program.
fn bundles(place: &Place) -> Result<Vec<(&'static str, PathBuf)>> {
    let mut all = Vec::new();
    for (variant, config) in configs()? {
        let directory = place.directory.join(variant.replace([' ', '\''], "-"));
        let config = config.args(&[PAYLOAD, "true"]).cgroup("/tare-bench");
        all.push((variant, bundle(place, &directory, config)?));
    }
    Ok(all)
}

fn bundle(place: &Place, directory: &Path, config: Config) -> Result<PathBuf> {
    let payload = place.programs.join("tare-payload");
    let bundle = Bundle::create(directory)?;
    bundle.payload_root("rootfs", &payload)?;
    // Older peers refuse newer versions of the specification.
    bundle.write(&config.set("/ociVersion", "1.0.2"))?;
    Ok(bundle.path().to_path_buf())
}

impl Runtime {
    fn words(&self, words: &[&str]) -> Vec<String> {
        let (program, root) =
            (self.program.to_string_lossy().into_owned(), self.root.to_string_lossy().into_owned());
        [program, "--root".into(), root]
            .into_iter()
            .chain(words.iter().map(|word| (*word).to_string()))
            .collect()
    }

    fn call(&self, words: &[&str]) -> Result<()> {
        let all = self.words(words);
        let log = self.root.with_extension("err");
        // A file: what a container keeps open would keep a pipe from ending.
        let mut command = Command::new(&self.program);
        command.args(all.get(1..).unwrap_or_default());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(&log)?);
        let status = command.status().with_context(|| format!("cannot run {}", self.program.display()))?;
        if !status.success() {
            bail!("{}: {}", words.join(" "), std::fs::read_to_string(log).unwrap_or_default().trim());
        }
        Ok(())
    }

    fn run(&self, bundle: &Path) -> Result<()> {
        self.call(&["run", "--bundle", &bundle.to_string_lossy(), "bench"])
    }

    fn exec(&self, _: &Path) -> Result<()> {
        self.call(&["exec", "bench", PAYLOAD, "true"])
    }

    fn state(&self, _: &Path) -> Result<()> {
        self.call(&["state", "bench"])
    }

    fn create_start_delete(&self, bundle: &Path) -> Result<()> {
        self.call(&["create", "--bundle", &bundle.to_string_lossy(), "bench"])?;
        self.call(&["start", "bench"])?;
        self.call(&["delete", "--force", "bench"])
    }
}

/// The smallest memory limit, in KiB, under which the trivial program runs, found by halving.
fn smallest_limit(place: &Place, runtime: &Runtime) -> Result<f64> {
    let (mut fails, mut works) = (0_u32, 16_384_u32);
    while works - fails > 16 {
        let middle = fails.midpoint(works);
        let config = Config::plain()?.memory(i64::from(middle) * 1024);
        let config = config.args(&[PAYLOAD, "true"]).cgroup("/tare-bench");
        let bundle = bundle(place, &place.directory.join(format!("limit-{}", runtime.name)), config)?;
        // It has to work thrice: what is on the brink does so now and then.
        let succeeds = (0..3).all(|_| runtime.run(&bundle).is_ok());
        if succeeds {
            works = middle;
        } else {
            fails = middle;
            // What a failed run has left would make the next one fail as well.
            let _ = runtime.call(&["delete", "--force", "bench"]);
            crate::place::remove_cgroups("tare-bench");
        }
    }
    Ok(f64::from(works))
}
