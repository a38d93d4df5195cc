//! Help and the version, from the table of the command line.

use crate::table::{Flag, GLOBAL, VERBS, Verb};
use std::fmt::Write;

/// The version of runtime-spec whose configurations are read.
const SPEC: &str = "1.3.0";

/// What `--version` prints: engines read the word after `version`, and the lines `commit` and `spec`.
pub(crate) fn version() -> String {
    let commit = option_env!("TARE_COMMIT").unwrap_or("unknown");
    format!("tare version {}\ncommit: {commit}\nspec: {SPEC}\n", env!("CARGO_PKG_VERSION"))
}

/// The program's own help.
pub(crate) fn program() -> String {
    let mut text = "NAME:\n   tare - Open Container Initiative runtime\n\n".to_owned();
    text.push_str("USAGE:\n   tare [OPTIONS] VERB [OPTIONS] [ID]\n\nVERBS:\n");
    for verb in VERBS {
        // Writing to a string can't fail.
        let _ = writeln!(text, "   {:<10} {}", verb.name, verb.summary);
    }
    text.push_str("\nOPTIONS:\n");
    flags(&mut text, GLOBAL);
    text
}

/// The help of one verb.
pub(crate) fn verb(verb: &Verb) -> String {
    let mut text = format!("NAME:\n   tare {} - {}\n\n", verb.name, verb.summary);
    let options = if verb.flags.is_empty() { "" } else { " [OPTIONS]" };
    let _ = writeln!(text, "USAGE:\n   tare {}{options} {}", verb.name, verb.operands);
    if !verb.flags.is_empty() {
        text.push_str("\nOPTIONS:\n");
        flags(&mut text, verb.flags);
    }
    let _ = writeln!(text, "\nEXAMPLE:\n   {}", verb.example);
    text
}

fn flags(text: &mut String, flags: &[Flag]) {
    for flag in flags {
        let short = flag.short.map(|short| format!("-{short}, ")).unwrap_or_default();
        let value = flag.value.map(|value| format!(" {value}")).unwrap_or_default();
        let name = format!("{short}--{}{value}", flag.long);
        let _ = writeln!(text, "   {name:<34} {}", flag.help);
    }
}
