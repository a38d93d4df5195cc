//! The man page `tare-bundle(1)`: names and options from clap, the other sections from here.

use std::io::Write as _;

use anyhow::Result;
use clap::Command;
use clap_mangen::Man;

/// What clap does not know.
const SECTIONS: &str = r#".SH EXIT STATUS
.TP
\fB0\fR
Success.
.TP
\fB1\fR
An error. Its reason is on standard error.
.TP
\fB2\fR
The command line is wrong.
.SH ENVIRONMENT
.TP
\fBPATH\fR
Where the demo looks up ip(8) and nft(8).
.TP
\fBTMPDIR\fR
The directory of the demo's bundles. Default: /tmp.
.SH FILES
.TP
\fIDIRECTORY\fR/config.json
The configuration of a bundle.
.TP
\fIDIRECTORY\fR/rootfs
The root file system of an example; that of an overlay is empty, with its layers next to it.
.SH EXAMPLES
Make the bundle of an example, and run it.
.PP
.RS 4
.EX
tare\-bundle example limits /tmp/limits
tare run \-\-bundle /tmp/limits one
.EE
.RE
.PP
Make a bundle from a root file system.
.PP
.RS 4
.EX
tare\-bundle new \-\-root /srv/debian ./web \-\- /usr/bin/python3 \-m http.server
.EE
.RE
.SH SEE ALSO
.BR tare (8),
.BR tare\-run (8),
.BR tare\-spec (8)
"#;

/// Prints the page in troff.
pub(crate) fn print(mut command: Command) -> Result<()> {
    command.build();
    let man = Man::new(command.clone()).date("2026-11-28").manual("Tare");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    page.extend(b".SH COMMANDS\n");
    let shown = |verb: &&Command| !verb.is_hide_set() && verb.get_name() != "help";
    for verb in command.get_subcommands().filter(shown) {
        page.extend(subcommand(verb).bytes());
    }
    page.extend(SECTIONS.bytes());
    Ok(std::io::stdout().write_all(&page)?)
}

/// One subcommand: its name and operands, what it does, and its options.
fn subcommand(verb: &Command) -> String {
    let operands = verb.get_positionals().map(|operand| operand.to_string());
    let heading: Vec<String> = std::iter::once(verb.get_name().to_owned()).chain(operands).collect();
    let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
    let mut text = format!(".SS {}\n{}.\n", escaped(&heading.join(" ")), escaped(&about));
    for argument in verb.get_arguments().filter(|argument| argument.get_id() != "help") {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!(".TP\n\\fB{}\\fR\n{}.\n", escaped(&argument.to_string()), escaped(&help)));
    }
    text
}

/// Dashes stay dashes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}
