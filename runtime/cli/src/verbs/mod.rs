//! The verbs, one file each: from arguments to the engine, and back to an exit code.

mod check;
mod checkpoint;
mod completion;
mod create;
mod debug;
mod delete;
mod events;
mod exec;
mod features;
mod kill;
mod list;
mod pause;
mod plan;
mod ps;
mod run;
mod spec;
mod start;
mod state;
mod stats;
mod update;

use crate::arguments::Arguments;
use crate::log::Log;
use crate::table::Action;
use tare_engine::Result;

/// Carries out a verb. The number is the exit code.
///
/// # Errors
/// What the verb fails of.
pub(crate) fn carry_out(action: Action, arguments: &Arguments, log: &mut Log) -> Result<u8> {
    match action {
        Action::Check => check::check(arguments),
        Action::Checkpoint => checkpoint::checkpoint(arguments, log),
        Action::Completion => completion::completion(arguments),
        Action::Create => create::create(arguments, log),
        Action::Debug => debug::debug(arguments),
        Action::Delete => delete::delete(arguments, log),
        Action::Events => events::events(arguments),
        Action::Exec => exec::exec(arguments, log),
        Action::Features => features::features(),
        Action::Kill => kill::kill(arguments),
        Action::List => list::list(arguments),
        Action::Man => completion::man(arguments),
        Action::Pause => pause::pause(arguments),
        Action::Plan => plan::plan(arguments, log),
        Action::Ps => ps::ps(arguments),
        Action::Restore => checkpoint::restore(arguments, log),
        Action::Resume => pause::resume(arguments),
        Action::Run => run::run(arguments, log),
        Action::Spec => spec::spec(arguments),
        Action::Start => start::start(arguments),
        Action::State => state::state(arguments),
        Action::Stats => stats::stats(arguments),
        Action::Update => update::update(arguments, log),
    }
}
