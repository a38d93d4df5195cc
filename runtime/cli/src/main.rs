//! The program `tare`: speaks to callers; everything else is done by the engine.

mod arguments;
mod completion;
mod help;
mod log;
mod manual;
mod output;
mod table;
mod verbs;

use arguments::{Arguments, Invocation};
use log::Log;
use std::process::ExitCode;
use tare_engine::{Error, Result};

fn main() -> ExitCode {
    tare_engine::inherited::note();
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    match arguments::parse(&words) {
        Ok(Invocation::Help(text)) => output::print(&text),
        Ok(Invocation::Verb { verb, arguments }) => run(verb, &arguments),
        Err(error) => fail(Log::to_stderr(), &error, table::FAILED),
    }
}

fn fail(log: Log, error: &Error, code: u8) -> ExitCode {
    log.fail(error);
    ExitCode::from(code)
}

/// Carries out a verb; what it warns of is written down when it is over, what it fails of ends the program.
fn run(verb: &'static table::Verb, arguments: &Arguments) -> ExitCode {
    let mut log = match Log::open(arguments) {
        Ok(log) => log,
        Err(error) => return fail(Log::to_stderr(), &error, verb.failed),
    };
    let done: Result<u8> = (verb.act)(arguments, &mut log);
    match done {
        Ok(code) => {
            log.finish();
            ExitCode::from(code)
        }
        Err(error) => fail(log, &error, verb.failed),
    }
}
