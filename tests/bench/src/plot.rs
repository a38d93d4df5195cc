//! The plot: bars of the figures that matter most, each against the program it is compared with, as SVG.

use std::fmt::Write as _;

use crate::report::{Report, Row};

/// What is shown: case and quantity, as the rows name them. Cases that begin so are meant.
const SHOWN: &[(&str, &str)] = &[
    ("run, plain", "CPU ms"),
    ("run, Docker's profile", "CPU ms"),
    ("run, plain, after", "wall ms"),
    ("run, Docker's profile, after", "wall ms"),
    ("create+start+delete, plain", "CPU ms"),
    ("exec, plain", "CPU ms"),
    ("run, plain", "peak RSS KiB"),
    ("run, plain", "system calls"),
    ("bridge+host-local ADD", "CPU ms"),
    ("bridge+host-local, ipMasq by nftables ADD", "CPU ms"),
    ("bridge+host-local, ipMasq by iptables ADD", "CPU ms"),
    ("the whole chain: ipMasq and portmap by nftables ADD", "CPU ms"),
    ("the whole chain: ipMasq and portmap by iptables ADD", "CPU ms"),
    ("bridge+host-local, 1000 attached ADD", "CPU ms"),
];
/// The colours of ours and of all others.
const OURS: &str = "#2a6f97";
const OTHERS: &str = "#b8c4cc";

const WIDTH: f64 = 810.0;
const LEFT: f64 = 320.0;
const BAR: f64 = 14.0;
const LONGEST: f64 = 330.0;

/// The plot as the text of an SVG file.
pub(crate) fn draw(report: &Report) -> String {
    let mut body = String::new();
    let mut top = 40.0;
    for (case, quantity) in SHOWN {
        if let Some(row) = find(report, case, quantity) {
            top = group(&mut body, row, top);
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{top}\" viewBox=\"0 0 {WIDTH} {top}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"22\" font-size=\"14\" font-weight=\"bold\">Medians, shorter is better; in brackets the ratio \
         to crun, and of plugins to the Go plugins</text>\n{body}</svg>\n"
    )
}

fn find<'r>(report: &'r Report, case: &str, quantity: &str) -> Option<&'r Row> {
    let fits = |row: &&Row| {
        row.quantity == quantity
            && (row.case == case || (case.ends_with("after") && row.case.starts_with(case)))
    };
    report.rows().iter().find(fits)
}

/// Draws one group of bars; where the next one begins.
fn group(body: &mut String, row: &Row, top: f64) -> f64 {
    let largest = row.programs.iter().filter_map(|(_, all)| all.median()).fold(0.0, f64::max);
    let label = format!("{}: {}", row.case, row.quantity);
    // Writing to a string cannot fail.
    let _ = writeln!(body, "<text x=\"12\" y=\"{}\">{label}</text>", top + 11.0);
    let mut y = top;
    for (name, _) in &row.programs {
        let Some((median, ratio)) = row.figure(name) else { continue };
        let length = if largest > 0.0 { median / largest * LONGEST } else { 0.0 };
        let colour = if name == "tare" { OURS } else { OTHERS };
        let ratio = ratio.map(|ratio| format!(" ({ratio:.2})")).unwrap_or_default();
        let figure = if median < 100.0 { format!("{median:.2}") } else { format!("{median:.0}") };
        let _ = writeln!(
            body,
            "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\n\
             <text x=\"{:.1}\" y=\"{}\">{name} {figure}{ratio}</text>",
            LEFT + length + 6.0,
            y + 11.0
        );
        y += BAR + 3.0;
    }
    y + 12.0
}
