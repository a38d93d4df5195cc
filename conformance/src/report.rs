//! The report: what the checks came to, as a table, in the Test Anything Protocol, or as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::check::Outcome;
use crate::known::Known;
use crate::runner::{Part, Row};
use crate::sentences;

/// A table: one line a check, one column a subject; then the failures in full, and the sums.
pub(crate) fn table(parts: &[Part], known: &Known) -> String {
    let mut text = String::new();
    for part in parts {
        // Writing to a String cannot fail.
        let _ = table_of(&mut text, part, known);
    }
    text
}

fn table_of(text: &mut String, part: &Part, known: &Known) -> std::fmt::Result {
    let width = part.rows.iter().map(|row| row.check.name.len()).max().unwrap_or_default();
    writeln!(text, "{}\n", part.suite.title)?;
    write!(text, "{:width$}", "")?;
    for subject in &part.subjects {
        write!(text, "  {:>5}", subject.name)?;
    }
    let mut place = "";
    for row in &part.rows {
        if row.check.place != place {
            place = row.check.place;
            write!(text, "\n{place}")?;
        }
        write!(text, "\n{:width$}", row.check.name)?;
        for (subject, outcome) in part.subjects.iter().zip(&row.outcomes) {
            let word = word(outcome, known.reason(&subject.name, row.check.name));
            write!(text, "  {word:>space$}", space = subject.name.len().max(5))?;
        }
        write!(text, "{}", if part.is_suspect(row) { "  suspect" } else { "" })?;
    }
    writeln!(text)?;
    for row in &part.rows {
        explain(text, part, row, known)?;
    }
    sums(text, part)
}

fn word(outcome: &Outcome, known: Option<&str>) -> &'static str {
    match outcome {
        Outcome::Passed => "ok",
        Outcome::Failed(_) if known.is_some() => "known",
        Outcome::Failed(_) => "FAIL",
        Outcome::Skipped(_) => "skip",
    }
}

/// The row's failures and skips, below its sentence.
fn explain(text: &mut String, part: &Part, row: &Row, known: &Known) -> std::fmt::Result {
    if row.outcomes.iter().all(|outcome| *outcome == Outcome::Passed) {
        return Ok(());
    }
    writeln!(text, "\n{} ({})\n  {}", row.check.name, row.check.place, row.check.sentence)?;
    if part.is_suspect(row) {
        writeln!(text, "  suspect: {} all fail it", part.suite.peers.join(", "))?;
    }
    for (subject, outcome) in part.subjects.iter().zip(&row.outcomes) {
        match outcome {
            Outcome::Passed => {}
            Outcome::Failed(why) => writeln!(text, "  {}: {why}", subject.name)?,
            Outcome::Skipped(why) => writeln!(text, "  {}: skipped: {why}", subject.name)?,
        }
        if let Some(reason) = known.reason(&subject.name, row.check.name) {
            writeln!(text, "    known: {reason}")?;
        }
    }
    Ok(())
}

fn sums(text: &mut String, part: &Part) -> std::fmt::Result {
    writeln!(text)?;
    for (number, subject) in part.subjects.iter().enumerate() {
        let count = |wanted: fn(&Outcome) -> bool| {
            part.rows.iter().filter_map(|row| row.outcomes.get(number)).filter(|one| wanted(one)).count()
        };
        writeln!(
            text,
            "{}: {} passed, {} failed, {} skipped",
            subject.name,
            count(|one| *one == Outcome::Passed),
            count(|one| matches!(one, Outcome::Failed(_))),
            count(|one| matches!(one, Outcome::Skipped(_))),
        )?;
    }
    let suspects = part.rows.iter().filter(|row| part.is_suspect(row)).count();
    let listed = sentences::read(part.suite.sentences);
    let reasons = listed.iter().filter(|one| one.reason.is_some()).count();
    writeln!(text, "{suspects} suspect; of {} sentences {reasons} have a reason and no check", listed.len())
}

/// The Test Anything Protocol, version 13: one point for each check and subject.
pub(crate) fn tap(parts: &[Part], known: &Known) -> String {
    let points: usize = parts.iter().map(|part| part.rows.len() * part.subjects.len()).sum();
    let mut text = format!("TAP version 13\n1..{points}\n");
    let mut number = 0;
    for part in parts {
        for row in &part.rows {
            for (subject, outcome) in part.subjects.iter().zip(&row.outcomes) {
                number += 1;
                let reason = known.reason(&subject.name, row.check.name);
                let name = format!("{number} - {} {}", subject.name, row.check.name);
                let _ = point(&mut text, &name, outcome, reason);
                let _ = writeln!(text, "# {}: {}", row.check.place, row.check.sentence);
                if part.is_suspect(row) {
                    let _ = writeln!(text, "# suspect: {} all fail it", part.suite.peers.join(", "));
                }
            }
        }
    }
    text
}

fn point(text: &mut String, name: &str, outcome: &Outcome, known: Option<&str>) -> std::fmt::Result {
    let line = |why: &str| why.replace('\n', " ").replace('#', "no. ");
    let directive = known.map(|reason| format!(" # TODO {}", line(reason))).unwrap_or_default();
    match outcome {
        Outcome::Passed => writeln!(text, "ok {name}{directive}"),
        Outcome::Skipped(why) => writeln!(text, "ok {name} # SKIP {}", line(why)),
        Outcome::Failed(why) => writeln!(text, "not ok {name}{directive}\n# {}", why.replace('\n', "\n# ")),
    }
}

/// One JSON object: the suites, their checks, and what each subject came to.
pub(crate) fn json(parts: &[Part], known: &Known) -> String {
    let all: Vec<Value> = parts.iter().map(|part| json_of(part, known)).collect();
    format!("{:#}\n", json!({"suites": all}))
}

fn json_of(part: &Part, known: &Known) -> Value {
    let checks: Vec<Value> = part
        .rows
        .iter()
        .map(|row| {
            let outcomes: serde_json::Map<String, Value> = part
                .subjects
                .iter()
                .zip(&row.outcomes)
                .map(|(subject, outcome)| {
                    (subject.name.clone(), outcome_json(outcome, known.reason(&subject.name, row.check.name)))
                })
                .collect();
            json!({
                "name": row.check.name, "place": row.check.place, "sentence": row.check.sentence,
                "suspect": part.is_suspect(row), "outcomes": outcomes,
            })
        })
        .collect();
    let reasons: Vec<Value> = sentences::read(part.suite.sentences)
        .into_iter()
        .filter_map(|one| {
            one.reason.map(|reason| json!({"place": one.place, "sentence": one.text, "reason": reason}))
        })
        .collect();
    json!({"title": part.suite.title, "checks": checks, "without check": reasons})
}

fn outcome_json(outcome: &Outcome, known: Option<&str>) -> Value {
    let (word, why) = match outcome {
        Outcome::Passed => ("passed", None),
        Outcome::Failed(why) => ("failed", Some(why)),
        Outcome::Skipped(why) => ("skipped", Some(why)),
    };
    json!({"outcome": word, "why": why, "known": known})
}
