//! `tare ps`

use crate::arguments::Arguments;
use crate::{output, state_directory};
use std::process::Command;
use tare_engine::{Error, PATH, Result};

/// Lists the processes of a container: as pids, or in the format of ps(1).
pub(crate) fn ps(arguments: &Arguments) -> Result<u8> {
    let form = arguments.value("format").unwrap_or("table");
    if !matches!(form, "table" | "json") {
        return Err(Error::Usage(format!("invalid format option: {form:?}, it is table or json")));
    }
    let pids = tare_engine::processes::processes(&state_directory::open(arguments), arguments.id())?;
    let text = match form {
        // An empty list is `null`, as Go writes it and callers expect it.
        "json" => output::json(&Some(&pids).filter(|pids| !pids.is_empty())),
        _ => table(&pids, arguments.operands.get(1..).unwrap_or_default())?,
    };
    output::print(&text);
    Ok(0)
}

/// The lines of ps(1) about these processes.
fn table(pids: &[i32], options: &[String]) -> Result<String> {
    let all = ["-ef".to_owned()];
    let options = if options.is_empty() { &all } else { options };
    let path = std::env::var("PATH").ok().filter(|path| !path.is_empty());
    let output = Command::new("ps").args(options).env("PATH", path.as_deref().unwrap_or(PATH)).output();
    let output = output.map_err(|error| Error::Usage(format!("cannot run ps: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error::Usage(format!("ps: {}: {}", output.status, said.trim())));
    }
    select(&String::from_utf8_lossy(&output.stdout), pids)
}

/// The title, and the lines with one of `pids` in the column `PID`.
fn select(text: &str, pids: &[i32]) -> Result<String> {
    let title = text.lines().next().unwrap_or_default();
    let column = title.split_whitespace().position(|name| name == "PID");
    let column = column.ok_or_else(|| Error::Usage("couldn't find PID field in ps output".to_owned()))?;
    let pid = |line: &&str| line.split_whitespace().nth(column).and_then(|text| text.parse().ok());
    let ours = |line: &&str| pid(line).is_some_and(|pid| pids.contains(&pid));
    let lines = std::iter::once(title).chain(text.lines().skip(1).filter(ours));
    Ok(lines.map(|line| format!("{line}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::select;

    #[test]
    fn lines_are_found_by_the_column_of_the_pid() {
        let text = "UID  PID PPID CMD\nroot 1 0 init\nroot 17 1 sh 1\n";
        assert_eq!(select(text, &[17]).unwrap(), "UID  PID PPID CMD\nroot 17 1 sh 1\n");
        assert!(select("CMD\nsh\n", &[1]).unwrap_err().to_string().contains("PID field"));
    }
}
