//! Pressure stall information (PSI): the share of time in which tasks waited for a resource (psi.rst of the kernel).

use super::omit::is_none;
use crate::cgroup::values::Values;
use serde::Serialize;

/// The pressure on one resource.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Pressure {
    /// Time in which at least one task waited.
    #[serde(skip_serializing_if = "is_none")]
    pub some: Option<Waits>,
    /// Time in which all tasks waited.
    #[serde(skip_serializing_if = "is_none")]
    pub full: Option<Waits>,
}

/// The time waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Waits {
    /// Percent of the last 10 seconds.
    pub avg10: f64,
    /// Percent of the last 60 seconds.
    pub avg60: f64,
    /// Percent of the last 300 seconds.
    pub avg300: f64,
    /// Microseconds in all.
    pub total: u64,
}

impl Pressure {
    /// Reads a file such as `cpu.pressure`. Only cgroup v2 has such files.
    pub(super) fn read(values: &Values, controller: &str, file: &str) -> Option<Self> {
        values.text(controller, file).map(|text| Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let line = |kind: &str| text.lines().find_map(|line| line.strip_prefix(kind)).map(Waits::parse);
        Self { some: line("some "), full: line("full ") }
    }
}

impl Waits {
    fn parse(line: &str) -> Self {
        let mut waits = Self::default();
        for (key, value) in line.split_ascii_whitespace().filter_map(|word| word.split_once('=')) {
            match key {
                "avg10" => waits.avg10 = value.parse().unwrap_or(0.0),
                "avg60" => waits.avg60 = value.parse().unwrap_or(0.0),
                "avg300" => waits.avg300 = value.parse().unwrap_or(0.0),
                "total" => waits.total = value.parse().unwrap_or(0),
                // A newer kernel may have more keys.
                _ => {}
            }
        }
        waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_is_read_by_kind() {
        let some = "some avg10=1.50 avg60=0.00 avg300=0.25 total=77\n";
        let full = "full avg10=0.00 avg60=0.00 avg300=0.00 total=5\n";
        let pressure = Pressure::parse(&format!("{some}{full}"));
        assert_eq!(pressure.some, Some(Waits { avg10: 1.5, avg60: 0.0, avg300: 0.25, total: 77 }));
        assert_eq!(pressure.full.unwrap().total, 5);
        assert!(Pressure::parse(some).full.is_none());
    }
}
