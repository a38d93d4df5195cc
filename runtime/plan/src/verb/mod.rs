//! The plans of the verbs: one file each, from the first step to the last.
//!
//! The top floor: it may use every other module of this crate, and none of them uses it.

pub mod create;
pub mod exec;
pub mod restore;
pub mod start;
pub mod update;
