//! Help and the version, from the table of the command line.

use crate::table::{Flag, GLOBAL, VERBS, Verb};
use std::fmt::Write;

/// The version of the OCI runtime specification that this runtime implements.
const SPEC: &str = "1.3.0";

/// The text of `--version`. Engines parse the word after `version` and the lines `commit` and `spec`.
pub(crate) fn version() -> String {
    let commit = option_env!("TARE_COMMIT").unwrap_or("unknown");
    format!("tare version {}\ncommit: {commit}\nspec: {SPEC}\n", env!("CARGO_PKG_VERSION"))
}

/// The help of the program.
pub(crate) fn program() -> String {
    let mut text = "NAME:\n   tare - Open Container Initiative runtime\n\n".to_owned();
    text.push_str("USAGE:\n   tare [OPTIONS] COMMAND [OPTIONS] [ID]\n\nCOMMANDS:\n");
    for verb in VERBS {
        // Writing to a string can't fail.
        let _ = writeln!(text, "   {:<10} {}", verb.name, verb.summary);
    }
    text.push_str("\nOPTIONS:\n");
    flags(&mut text, GLOBAL);
    text.push_str(
        "\n\"tare COMMAND --help\" prints the options of a command, \"tare man COMMAND\" its man page.\n",
    );
    text
}

/// The help of one verb.
pub(crate) fn verb(verb: &Verb) -> String {
    let mut text = format!("NAME:\n   tare {} - {}\n\n", verb.name, verb.summary);
    let options = if verb.flags.is_empty() { "" } else { " [OPTIONS]" };
    let _ =
        writeln!(text, "USAGE:\n   {}", format!("tare {}{options} {}", verb.name, verb.operands).trim_end());
    if !verb.flags.is_empty() {
        text.push_str("\nOPTIONS:\n");
        flags(&mut text, verb.flags);
    }
    if let Some(example) = verb.examples.first() {
        let _ = writeln!(text, "\nEXAMPLE:\n   {}", example.name);
    }
    text
}

/// One line for each option, in two columns.
fn flags(text: &mut String, flags: &[Flag]) {
    let names: Vec<String> = flags.iter().map(name).collect();
    let width = names.iter().map(String::len).max().unwrap_or(0);
    for (name, flag) in names.iter().zip(flags) {
        let _ = writeln!(text, "   {name:<width$}  {}", flag.help());
    }
}

/// An option with its letter and the name of its value.
fn name(flag: &Flag) -> String {
    let short = flag.short.map(|short| format!("-{short}, ")).unwrap_or_default();
    let value = flag.value.map(|value| format!(" {value}")).unwrap_or_default();
    format!("{short}--{}{value}", flag.long)
}
