//! The program `tare`: speaks to callers; everything else is done by the engine.

mod arguments;
mod help;
mod log;
mod output;
mod table;
mod verbs;

use arguments::{Arguments, Invocation};
use log::Log;
use std::process::ExitCode;
use tare_engine::Result;

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    match arguments::parse(&words) {
        Ok(Invocation::Help(text)) => output::print(&text),
        Ok(Invocation::Verb { verb, arguments }) => run(verb, &arguments),
        Err(error) => Log::to_stderr().fail(&error),
    }
}

/// Carries out a verb; what it warns of is written down when it is over, what it fails of ends the program.
fn run(verb: &'static table::Verb, arguments: &Arguments) -> ExitCode {
    let mut log = match Log::open(arguments) {
        Ok(log) => log,
        Err(error) => return Log::to_stderr().fail(&error),
    };
    let done: Result<u8> = (verb.act)(arguments, &mut log);
    match done {
        Ok(code) => {
            log.finish();
            ExitCode::from(code)
        }
        Err(error) => log.fail(&error),
    }
}
