//! Reads an OCI configuration and plans every step of a container's life, as data.
//!
//! Pure: no files, no clock, no environment. Facts about the host come in as [`host::Host`], the caller's request as
//! [`context::Request`]. The result is a [`plan::Plan`]: two columns of steps that `tare-engine` carries out.
//!
//! The floors. A module uses those of lower floors, and of its own floor; never one of a higher floor:
//!
//! ```text
//! verb                 create, exec, restore, start, update: a plan from its first step to its last
//! criu footprint       facts about a container that are no steps
//! topics               cgroup devices hooks labels mounts namespaces process resctrl root scheduling
//! context draft        what the topics read, and what they write; mappings, gvariant
//! print plan           the two columns, and their text
//! step                 what the parent and init can do
//! seccomp              the filter, compiled
//! host place spec      facts about the host, places in the configuration, the configuration; tables
//! ```
//!
//! `features` lists the tables for `tare features`.

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
