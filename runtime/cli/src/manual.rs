//! Man pages in troff (man(7)), from the table of the command line.

use crate::table::{Entry, Exit, Flag, GLOBAL, STATE_FILES, STATE_VARIABLES, VERBS, Verb};
use std::fmt::Write;

/// The page of the program, `tare(8)`.
pub(crate) fn program() -> String {
    let mut text = head("TARE", "tare \\- Open Container Initiative runtime");
    text.push_str(
        ".SH SYNOPSIS\n.B tare\n[\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIOPTIONS\\fR] [\\fIID\\fR]\n",
    );
    text.push_str(".SH DESCRIPTION\n");
    paragraphs(&mut text, DESCRIPTION);
    text.push_str(".SH OPTIONS\nThese options come before the command.\n");
    flags(&mut text, GLOBAL);
    text.push_str(".SH COMMANDS\n");
    for verb in VERBS {
        term(
            &mut text,
            &format!("\\fB{}\\fR", verb.name),
            &format!("{}. See \\fBtare\\-{}\\fR(8).", escaped(verb.summary), verb.name),
        );
    }
    exit_status(&mut text, Exit::Plain);
    entries(&mut text, "ENVIRONMENT", STATE_VARIABLES);
    entries(&mut text, "FILES", STATE_FILES);
    examples(&mut text, PROGRAM_EXAMPLES);
    let names: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
    see_also(&mut text, &names, &[".BR tare\\-bundle (1)", ".BR conformance (1)"]);
    text
}

const DESCRIPTION: &[&str] = &[
    "tare runs containers as the OCI runtime specification describes them, with the command line, exit codes and JSON of runc. containerd, Docker, Podman and Kubernetes can call it in place of runc.",
    "A container starts from a bundle: a directory with a config.json and a root file system. tare first turns config.json into a plan, a list of steps, and then carries the plan out. tare plan prints it, tare check reports every mistake in a config.json.",
    "Options may be written with one dash or two, and values after = or as the next word.",
];

const PROGRAM_EXAMPLES: &[Entry] = &[
    Entry { name: "tare run --bundle ./web web1", text: "Run a container and wait for it to end." },
    Entry { name: "tare --root /run/mine list", text: "List the containers in another state directory." },
];

/// The page of one verb, `tare-VERB(8)`.
pub(crate) fn verb(verb: &Verb) -> String {
    let name = verb.name;
    let mut text = head(
        &format!("TARE-{}", name.to_ascii_uppercase()),
        &format!("tare\\-{name} \\- {}", escaped(verb.summary)),
    );
    let options = if verb.flags.is_empty() { "" } else { "[\\fIOPTIONS\\fR] " };
    let operands =
        if verb.operands.is_empty() { String::new() } else { format!("\\fI{}\\fR", escaped(verb.operands)) };
    let _ =
        writeln!(text, ".SH SYNOPSIS\n.B tare\n[\\fIGLOBAL OPTIONS\\fR] \\fB{name}\\fR {options}{operands}");
    text.push_str(".SH DESCRIPTION\n");
    paragraphs(&mut text, verb.description);
    text.push_str(".SH OPTIONS\n");
    flags(&mut text, verb.flags);
    term(&mut text, "\\fB\\-h\\fR, \\fB\\-\\-help\\fR", "Print help.");
    text.push_str(".PP\nOptions before the command are described in\n.BR tare (8).\n");
    exit_status(&mut text, verb.exit);
    entries(&mut text, "ENVIRONMENT", verb.environment);
    entries(&mut text, "FILES", verb.files);
    examples(&mut text, verb.examples);
    see_also(&mut text, verb.also, &[".BR tare (8)"]);
    text
}

/// The date on the pages: that of their last change.
const DATE: &str = "2026-11-28";

fn head(title: &str, name: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(".TH {title} 8 \"{DATE}\" \"tare {version}\" \"Tare\"\n.SH NAME\n{name}\n")
}

fn paragraphs(text: &mut String, paragraphs: &[&str]) {
    for (index, paragraph) in paragraphs.iter().enumerate() {
        let start = if index == 0 { "" } else { ".PP\n" };
        let _ = writeln!(text, "{start}{}", escaped(paragraph));
    }
}

/// A term and its text below it. Both are escaped already.
fn term(text: &mut String, term: &str, meaning: &str) {
    let _ = writeln!(text, ".TP\n{term}\n{meaning}");
}

fn flags(text: &mut String, flags: &[Flag]) {
    for flag in flags {
        let short = flag.short.map(|short| format!("\\fB\\-{short}\\fR, ")).unwrap_or_default();
        let value = flag.value.map(|value| format!(" \\fI{}\\fR", escaped(value))).unwrap_or_default();
        let name = format!("{short}\\fB\\-\\-{}\\fR{value}", escaped(flag.long));
        term(text, &name, &format!("{}.", escaped(&flag.help())));
    }
}

fn exit_status(text: &mut String, exit: Exit) {
    let codes: &[(&str, &str)] = match exit {
        Exit::Plain => &[("0", "Success."), ("1", "The runtime failed. It has printed the reason.")],
        Exit::Findings => &[
            ("0", "No mistakes. There may be warnings."),
            ("1", "There are mistakes, or the bundle cannot be read."),
        ],
        Exit::Container => &[
            ("0", "With --detach, success."),
            ("1", "The runtime failed. It has printed the reason."),
            (
                "other",
                "Without --detach, the exit code of the container's init, or 128 and the number of the signal that killed it.",
            ),
        ],
        Exit::Program => &[
            ("0", "With --detach, success."),
            ("255", "The runtime failed. It has printed the reason."),
            (
                "other",
                "Without --detach, the exit code of the program, or 128 and the number of the signal that killed it.",
            ),
        ],
    };
    text.push_str(".SH EXIT STATUS\n");
    for (code, meaning) in codes {
        term(text, &format!("\\fB{code}\\fR"), &escaped(meaning));
    }
}

/// A section of terms; one without any says so.
fn entries(text: &mut String, section: &str, entries: &[Entry]) {
    let _ = writeln!(text, ".SH {section}");
    if entries.is_empty() {
        text.push_str("None.\n");
    }
    for entry in entries {
        term(text, &format!("\\fB{}\\fR", escaped(entry.name)), &escaped(entry.text));
    }
}

fn examples(text: &mut String, examples: &[Entry]) {
    text.push_str(".SH EXAMPLES\n");
    for (index, example) in examples.iter().enumerate() {
        let start = if index == 0 { "" } else { ".PP\n" };
        let _ = writeln!(
            text,
            "{start}{}\n.PP\n.RS 4\n.EX\n{}\n.EE\n.RE",
            escaped(example.text),
            escaped(example.name)
        );
    }
}

fn see_also(text: &mut String, verbs: &[&str], pages: &[&str]) {
    let verbs = verbs.iter().map(|name| format!(".BR tare\\-{name} (8)"));
    let pages: Vec<String> = verbs.chain(pages.iter().map(|page| (*page).to_owned())).collect();
    let _ = writeln!(text, ".SH SEE ALSO\n{}", pages.join(",\n"));
}

/// A text without troff requests: dashes stay dashes, and no line begins with a dot or an apostrophe.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('…', "...");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sections of each page, in the order of man-pages(7).
    const SECTIONS: &[&str] = &[
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "EXIT STATUS",
        "ENVIRONMENT",
        "FILES",
        "EXAMPLES",
        "SEE ALSO",
    ];

    fn sections(page: &str) -> Vec<&str> {
        page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect()
    }

    #[test]
    fn each_page_has_all_sections() {
        for page in VERBS.iter().map(verb) {
            assert_eq!(sections(&page), SECTIONS, "{page}");
        }
        let program = program();
        let own: Vec<&str> = sections(&program).into_iter().filter(|name| *name != "COMMANDS").collect();
        assert_eq!(own, SECTIONS);
    }

    #[test]
    fn each_option_is_in_the_page_of_its_verb() {
        for one in VERBS {
            let page = verb(one);
            for flag in one.flags {
                let name = format!("\\fB\\-\\-{}\\fR", escaped(flag.long));
                assert!(page.contains(&name) && page.contains(&escaped(flag.help)), "{}: {name}", one.name);
            }
        }
    }

    #[test]
    fn each_verb_has_paragraphs_and_an_example_of_itself() {
        for verb in VERBS {
            assert!(!verb.description.is_empty() && !verb.examples.is_empty(), "{}", verb.name);
            assert!(verb.examples.iter().all(|example| example.name.contains(verb.name)), "{}", verb.name);
        }
    }
}
