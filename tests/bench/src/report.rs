//! The report: every figure of every program, with its ratio to the one all are compared with.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::stats::Samples;

/// One row: a quantity in one case, measured for several programs.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What was done, such as `run, plain`.
    pub(crate) case: String,
    /// What was measured, with its unit, such as `CPU ms`.
    pub(crate) quantity: String,
    /// Each program and its samples.
    pub(crate) programs: Vec<(String, Samples)>,
    /// The program that the others are compared with.
    pub(crate) base: String,
}

/// All rows.
pub(crate) struct Report {
    base: String,
    rows: Vec<Row>,
}

impl Row {
    /// A program's median and its ratio to the base's.
    pub(crate) fn figure(&self, program: &str) -> Option<(f64, Option<f64>)> {
        let of = |name: &str| {
            self.programs.iter().find(|(known, _)| known == name).and_then(|(_, all)| all.median())
        };
        let median = of(program)?;
        let base = of(&self.base).filter(|base| *base > 0.0);
        Some((median, base.map(|base| median / base)))
    }
}

impl Report {
    /// An empty one.
    pub(crate) fn new(base: &str) -> Self {
        Self { base: base.into(), rows: Vec::new() }
    }

    /// Adds a sample of a runtime.
    pub(crate) fn add(&mut self, place: (&str, &str), program: &str, value: f64) {
        let base = self.base.clone();
        self.sample(place, (program, &base), value);
    }

    /// Adds a sample of a program that is compared with another base than the runtimes are.
    pub(crate) fn sample(&mut self, place: (&str, &str), names: (&str, &str), value: f64) {
        let ((case, quantity), (program, base)) = (place, names);
        let position = self.rows.iter().position(|row| row.case == case && row.quantity == quantity);
        let index = position.unwrap_or_else(|| {
            let (case, quantity, base) = (case.to_string(), quantity.to_string(), base.to_string());
            self.rows.push(Row { case, quantity, programs: Vec::new(), base });
            self.rows.len() - 1
        });
        let Some(row) = self.rows.get_mut(index) else { return };
        match row.programs.iter_mut().find(|(known, _)| known == program) {
            Some((_, samples)) => samples.add(value),
            None => {
                let mut samples = Samples::default();
                samples.add(value);
                row.programs.push((program.into(), samples));
            }
        }
    }

    /// The rows in the order of their first sample.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The table for people: medians, and in brackets the ratio to the base.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        let widest = self.rows.iter().map(|row| row.case.len()).max().unwrap_or_default();
        for row in &self.rows {
            let figures: Vec<String> = row
                .programs
                .iter()
                .filter_map(|(name, _)| {
                    let (median, ratio) = row.figure(name)?;
                    let ratio = ratio.map_or_else(|| "    ".into(), |ratio| format!("{ratio:4.2}"));
                    Some(format!("{name:>8} {median:>9.2} ({ratio})"))
                })
                .collect();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{:widest$} {:16} {}", row.case, row.quantity, figures.join("  "));
        }
        let _ = write!(text, "medians; in brackets the ratio to {} (plugins: to the Go plugins)", self.base);
        text
    }

    /// The figures for programs.
    pub(crate) fn json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let figures: serde_json::Map<String, Value> = row
                    .programs
                    .iter()
                    .filter_map(|(name, samples)| {
                        let (median, ratio) = row.figure(name)?;
                        Some((
                            name.clone(),
                            json!({"median": median, "ratio": ratio, "samples": samples.len()}),
                        ))
                    })
                    .collect();
                json!({"case": row.case, "quantity": row.quantity, "base": row.base, "programs": figures})
            })
            .collect();
        json!({"rows": rows})
    }
}
