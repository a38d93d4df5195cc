//! Reads an OCI configuration and plans every step of a container's life, as data.
//!
//! Pure: no files, no clock, no environment. What is true of the host comes in as [`host::Host`], what the caller asks for as
//! [`create::Request`], and what comes out is a [`plan::Plan`]: two columns of steps that `tare-engine` walks.

mod cgroup;
pub mod context;
pub mod criu;
mod devices;
mod draft;
pub mod features;
pub mod footprint;
mod gvariant;
pub mod hooks;
pub mod host;
mod labels;
mod mappings;
pub mod mounts;
mod namespaces;
pub mod place;
pub mod plan;
pub mod print;
mod process;
pub mod resctrl;
mod root;
mod scheduling;
pub mod seccomp;
pub mod spec;
pub mod step;
pub mod tables;
pub mod verb;

pub use mounts::options::{self, is_bind};
pub use verb::{create, exec, restore, start, update};
