//! Standard output: texts, JSON and tables.

use serde::Serialize;
use std::io::Write;
use std::process::ExitCode;

/// Prints a text. A reader that is gone is not reported as an error, but the exit code shows it.
pub(crate) fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// JSON on one line.
pub(crate) fn json(value: &impl Serialize) -> String {
    // Keys are strings and numbers are finite: every value of ours has a form in JSON.
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

/// JSON with an indent of two.
pub(crate) fn pretty_json(value: &impl Serialize) -> String {
    // As above.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// Rows in columns at least 12 characters wide and three apart, the last column unpadded: as Go's tabwriter does for runc.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.max().unwrap_or(0).saturating_add(3).max(12)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (cell, width) in row.iter().zip(&widths).take(row.len().saturating_sub(1)) {
            text.push_str(&format!("{cell:<width$}"));
        }
        text.push_str(row.last().map_or("", String::as_str));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_three() {
        let rows =
            [vec!["ID".to_owned(), "PID".to_owned()], vec!["a-longer-name".to_owned(), "7".to_owned()]];
        assert_eq!(table(&rows), "ID              PID\na-longer-name   7\n");
    }
}
