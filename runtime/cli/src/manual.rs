//! Manual pages, in troff, from the table of the command line.

use crate::table::{Flag, GLOBAL, VERBS, Verb};
use std::fmt::Write;

/// The page of the program, `tare(8)`.
pub(crate) fn program() -> String {
    let mut text = head("TARE", "tare \\- OCI container runtime");
    text.push_str(".SH SYNOPSIS\n.B tare\n[\\fIOPTIONS\\fR] \\fIVERB\\fR [\\fIOPTIONS\\fR] [\\fIID\\fR]\n");
    text.push_str(
        ".SH DESCRIPTION\nMakes containers from OCI bundles and drives them through their lives.\n",
    );
    text.push_str(".SH OPTIONS\n");
    flags(&mut text, GLOBAL);
    text.push_str(".SH VERBS\n");
    for verb in VERBS {
        let _ = writeln!(text, ".TP\n.B {}\n{}.", verb.name, escaped(verb.summary));
    }
    text.push_str(".SH FILES\n.TP\n.I /run/tare\nwhere containers are recorded, a directory for each\n");
    text.push_str(".SH SEE ALSO\n");
    let pages: Vec<String> = VERBS.iter().map(|verb| format!(".BR tare\\-{} (8)", verb.name)).collect();
    text.push_str(&pages.join(",\n"));
    text.push('\n');
    text
}

/// The page of one verb, `tare-VERB(8)`.
pub(crate) fn verb(verb: &Verb) -> String {
    let name = verb.name;
    let mut text = head(
        &format!("TARE-{}", name.to_ascii_uppercase()),
        &format!("tare\\-{name} \\- {}", escaped(verb.summary)),
    );
    let options = if verb.flags.is_empty() { "" } else { "[\\fIOPTIONS\\fR] " };
    let _ = writeln!(text, ".SH SYNOPSIS\n.B tare {name}\n{options}\\fI{}\\fR", escaped(verb.operands));
    if !verb.flags.is_empty() {
        text.push_str(".SH OPTIONS\n");
        flags(&mut text, verb.flags);
    }
    let _ = writeln!(text, ".SH EXAMPLE\n.nf\n{}\n.fi", escaped(verb.example));
    text.push_str(".SH SEE ALSO\n.BR tare (8)\n");
    text
}

fn head(title: &str, name: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(".TH {title} 8 \"\" \"tare {version}\"\n.SH NAME\n{name}\n")
}

fn flags(text: &mut String, flags: &[Flag]) {
    for flag in flags {
        let short = flag.short.map(|short| format!("\\fB\\-{short}\\fR, ")).unwrap_or_default();
        let value = flag.value.map(|value| format!(" \\fI{}\\fR", escaped(value))).unwrap_or_default();
        let _ =
            writeln!(text, ".TP\n{short}\\fB\\-\\-{}\\fR{value}\n{}", escaped(flag.long), escaped(flag.help));
    }
}

/// A text in which nothing is a request of troff's: dashes stay dashes, and no line begins with a point.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('…', "...")
}
