//! A plan in words: one line per step, first the parent's column, then init's.
//!
//! An error uses the words of the step that failed: `cannot mount devpts at /dev/pts: …`.

mod init;
mod parent;
mod parts;

use crate::plan::Plan;
use crate::step::Planned;
use serde_json::{Value, json};
use std::fmt;

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "     parent")?;
        for (index, planned) in self.parent.iter().enumerate() {
            write_line(out, index, planned)?;
        }
        writeln!(out, "\n     init")?;
        for (index, planned) in self.init.iter().enumerate() {
            write_line(out, index, planned)?;
        }
        Ok(())
    }
}

fn write_line<Step: fmt::Display>(
    out: &mut fmt::Formatter<'_>,
    index: usize,
    planned: &Planned<Step>,
) -> fmt::Result {
    let act = planned.step.to_string();
    if planned.because.is_named() {
        writeln!(out, "{index:3}  {act:<74}  {}", planned.because)
    } else {
        writeln!(out, "{index:3}  {act}")
    }
}

impl Plan {
    /// The plan as JSON: a list of steps for each column, each with its words and its place in the
    /// configuration.
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
