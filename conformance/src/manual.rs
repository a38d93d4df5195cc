//! The man page `conformance(1)`: names and options from clap, the other sections from here.

use std::io::Write as _;

use anyhow::Result;
use clap::Command;
use clap_mangen::Man;

/// What clap does not know.
const SECTIONS: &str = r#".SH EXIT STATUS
.TP
\fB0\fR
Every check has passed, or its failure is in the file of known failures.
.TP
\fB1\fR
A check has failed, a known failure has passed, or the run itself has failed.
.TP
\fB2\fR
The command line is wrong.
.SH ENVIRONMENT
.TP
\fBPATH\fR
Where a runtime is looked up by its name, after the directory of this program.
.SH FILES
.TP
\fItare\-payload\fR
The program inside the containers of the checks, next to this program.
.SH EXAMPLES
Check two runtimes side by side.
.PP
.RS 4
.EX
conformance \-\-runtime tare \-\-runtime runc
.EE
.RE
.PP
Check a directory of CNI plugins, as TAP.
.PP
.RS 4
.EX
conformance \-\-cni /usr/lib/cni \-\-format tap
.EE
.RE
.SH SEE ALSO
.BR tare (8),
.BR tare\-bundle (1)
"#;

/// Prints the page in troff.
pub(crate) fn print(mut command: Command) -> Result<()> {
    command.build();
    let man = Man::new(command).date("2026-11-28").manual("Tare");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    page.extend(SECTIONS.bytes());
    Ok(std::io::stdout().write_all(&page)?)
}
