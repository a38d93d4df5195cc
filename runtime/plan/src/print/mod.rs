//! A plan in words: each step as a sentence without its subject, and both columns side by side.
//!
//! The words of a step are also what an error says could not be done: `cannot mount devpts at /dev/pts: …`.

mod init;
mod parent;
mod parts;

use crate::plan::Plan;
use crate::step::Planned;
use serde_json::{Value, json};
use std::fmt;

impl fmt::Display for Plan {
    /// Both columns, init's to the right, in the order in which the two processes meet.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "     parent")?;
        for (index, planned) in self.parent.iter().enumerate() {
            write_line(out, (index, ""), planned)?;
        }
        writeln!(out, "\n     init")?;
        for (index, planned) in self.init.iter().enumerate() {
            write_line(out, (index, ""), planned)?;
        }
        Ok(())
    }
}

fn write_line<Step: fmt::Display>(
    out: &mut fmt::Formatter<'_>,
    (index, indent): (usize, &str),
    planned: &Planned<Step>,
) -> fmt::Result {
    let act = planned.step.to_string();
    if planned.because.is_named() {
        writeln!(out, "{index:3}  {indent}{act:<74}  {}", planned.because)
    } else {
        writeln!(out, "{index:3}  {indent}{act}")
    }
}

impl Plan {
    /// The plan for programs: a list of steps for each column, each with its words and its place in the configuration.
    pub fn to_json(&self) -> Value {
        json!({
            "parent": self.parent.iter().map(step_to_json).collect::<Vec<_>>(),
            "init": self.init.iter().map(step_to_json).collect::<Vec<_>>(),
            "warnings": self.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }
}

fn step_to_json<Step: fmt::Display>(planned: &Planned<Step>) -> Value {
    let because = planned.because.is_named().then(|| planned.because.to_string());
    json!({ "act": planned.step.to_string(), "because": because })
}
