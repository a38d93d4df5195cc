//! The verbs of the command line, one file each: they look containers up, plan, and let the floors below act.
//!
//! May use every other module of this crate. Nothing but `tare` itself calls a verb.

pub mod checkpoint;
pub mod create;
pub mod debug;
pub mod delete;
pub mod events;
pub mod exec;
pub mod kill;
pub mod list;
pub mod pause;
pub mod processes;
pub mod restore;
pub mod run;
pub mod start;
pub mod state;
pub mod stats;
pub mod update;
