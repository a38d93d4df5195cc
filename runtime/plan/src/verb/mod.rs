//! The plans of the verbs: one file each, from the first step to the last.
//!
//! May use every other module of this crate.

pub mod create;
pub mod exec;
pub mod restore;
pub mod start;
pub mod update;
