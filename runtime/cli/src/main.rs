//! The program `tare`: the command line of the runtime. The engine does everything else.

mod arguments;
mod command_line;
mod completion;
mod help;
mod log;
mod manual;
mod output;
mod state_directory;
mod table;
mod verbs;

use arguments::Arguments;
use command_line::Invocation;
use log::Log;
use std::process::ExitCode;
use table::{FAILED, Verb};
use tare_engine::Error;

fn main() -> ExitCode {
    tare_engine::inherited::note();
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    match command_line::parse(&words) {
        Ok(Invocation::Help(None)) => output::print(&help::program()),
        Ok(Invocation::Help(Some(verb))) => output::print(&help::verb(verb)),
        Ok(Invocation::Version) => output::print(&help::version()),
        Ok(Invocation::Verb { verb, arguments }) => run(verb, &arguments),
        Err(error) => fail(Log::to_stderr(), &error, FAILED),
    }
}

fn fail(log: Log, error: &Error, code: u8) -> ExitCode {
    log.fail(error);
    ExitCode::from(code)
}

/// Carries out a verb, and logs its warnings or its error.
fn run(verb: &Verb, arguments: &Arguments) -> ExitCode {
    let mut log = match Log::open(arguments) {
        Ok(log) => log,
        Err(error) => return fail(Log::to_stderr(), &error, verb.exit.failed()),
    };
    match verbs::carry_out(verb.action, arguments, &mut log) {
        Ok(code) => {
            log.finish();
            ExitCode::from(code)
        }
        Err(error) => fail(log, &error, verb.exit.failed()),
    }
}
