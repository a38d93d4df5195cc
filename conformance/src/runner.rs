//! The runner: runs each check on each subject, in a bed of its own.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::bed::{Stage, marker, sweep};
use crate::check::{Check, Outcome, Suite};
use crate::command::until;
use crate::subject::Subject;

/// How long one check may take before it is killed.
const DEADLINE: Duration = Duration::from_secs(40);
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// What one suite came to.
pub(crate) struct Part {
    /// The suite.
    pub(crate) suite: &'static Suite,
    /// The subjects, in the order of the columns.
    pub(crate) subjects: Vec<Subject>,
    /// The checks and their outcomes.
    pub(crate) rows: Vec<Row>,
}

/// One check, and what each subject came to.
pub(crate) struct Row {
    /// The check.
    pub(crate) check: &'static Check,
    /// One outcome for each subject.
    pub(crate) outcomes: Vec<Outcome>,
}

impl Part {
    /// Whether every subject that is a peer fails the row, and there are two of them at least: then the check may
    /// well be wrong.
    pub(crate) fn is_suspect(&self, row: &Row) -> bool {
        let peers: Vec<_> = self
            .subjects
            .iter()
            .zip(&row.outcomes)
            .filter(|(subject, _)| self.suite.peers.contains(&subject.name.as_str()))
            .map(|(_, outcome)| outcome)
            .collect();
        peers.len() > 1 && peers.iter().all(|outcome| matches!(outcome, Outcome::Failed(_)))
    }
}

/// Runs the suite's checks that match the pattern, so many at once.
pub(crate) fn run(suite: &'static Suite, subjects: Vec<Subject>, only: &str, jobs: usize) -> Result<Part> {
    let matches =
        |check: &Check| [check.name, check.place, check.sentence].iter().any(|text| text.contains(only));
    let checks: Vec<&'static Check> = suite.checks().filter(|check| matches(check)).collect();
    ensure!(!checks.is_empty(), "no check of the {} matches '{only}'", suite.title);
    let tasks: Vec<(&'static Check, &Subject)> =
        checks.iter().flat_map(|check| subjects.iter().map(|subject| (*check, subject))).collect();
    let outcomes: Mutex<Vec<Option<Outcome>>> = Mutex::new(vec![None; tasks.len()]);
    let turn = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| work(&tasks, &turn, &outcomes));
        }
    });
    let all = outcomes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let all: Vec<Outcome> = all
        .into_iter()
        .map(|one| one.unwrap_or_else(|| Outcome::Failed("it was never run".into())))
        .collect();
    let rows = checks
        .into_iter()
        .zip(all.chunks(subjects.len()))
        .map(|(check, outcomes)| Row { check, outcomes: outcomes.to_vec() })
        .collect();
    Ok(Part { suite, subjects, rows })
}

/// Takes one task after the other until there is none.
fn work(tasks: &[(&'static Check, &Subject)], turn: &AtomicUsize, outcomes: &Mutex<Vec<Option<Outcome>>>) {
    loop {
        let number = turn.fetch_add(1, Ordering::Relaxed);
        let Some((check, subject)) = tasks.get(number) else { return };
        let outcome = in_bed(check, subject).unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
        let mut outcomes = outcomes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(place) = outcomes.get_mut(number) {
            *place = Some(outcome);
        }
    }
}

/// Runs one check in a bed; kills it when its time is over.
fn in_bed(check: &Check, subject: &Subject) -> Result<Outcome> {
    let marker = marker(NEXT.fetch_add(1, Ordering::Relaxed));
    let mut child = Command::new(std::env::current_exe()?)
        .args(words(Stage::Namespaces, check.name, subject, &marker))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let answer = answer(&mut child);
    drop(sweep(&marker));
    answer
}

/// What the check says of itself.
fn answer(child: &mut Child) -> Result<Outcome> {
    let ended = until(DEADLINE, || child.try_wait().map_err(Into::into))?;
    if ended.is_none() {
        child.kill()?;
        child.wait()?;
        bail!("not done after {DEADLINE:?}");
    }
    let mut text = String::new();
    child.stdout.take().context("no output")?.read_to_string(&mut text)?;
    let told: Value = serde_json::from_str(&text).context("the check died")?;
    let word = |key: &str| told.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(match (word("failed"), word("skipped")) {
        (Some(why), _) => Outcome::Failed(why),
        (_, Some(why)) => Outcome::Skipped(why),
        _ => Outcome::Passed,
    })
}

/// The words by which this program, started again, takes the next step towards the check.
pub(crate) fn words(stage: Stage, check: &str, subject: &Subject, marker: &str) -> Vec<String> {
    let path = subject.path.to_string_lossy();
    [
        "--inside",
        stage.word(),
        "--only",
        check,
        "--marker",
        marker,
        "--subject",
        &path,
        "--called",
        &subject.name,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// An outcome as the check's process prints it.
pub(crate) fn told(outcome: &Outcome) -> Value {
    let short = |why: &str| why.chars().take(2000).collect::<String>();
    match outcome {
        Outcome::Passed => json!({}),
        Outcome::Failed(why) => json!({"failed": short(why)}),
        Outcome::Skipped(why) => json!({"skipped": short(why)}),
    }
}
