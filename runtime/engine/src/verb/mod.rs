//! The verbs of the command line, one file each. A verb finds the container, plans, and calls the floors below.
//!
//! Only `tare` itself may use this folder. It may use every other module of this crate.

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
