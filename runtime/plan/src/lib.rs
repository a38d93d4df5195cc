//! Reads an OCI configuration and plans every step of a container's life, as data.
//!
//! Pure: no files, no clock, no environment. Facts about the host come in as [`host::Host`], the caller's
//! request as [`context::Request`]. The result is a [`plan::Plan`]: two columns of steps that `tare-engine`
//! carries out.
//!
//! The floors. A module uses modules of lower floors, and of its own floor without a cycle; never one of a
//! higher floor (`tests/floors.rs` checks it):
//!
//! ```text
//! verb features print     create, exec, restore, start, update; the text of a plan; the tables of `tare features`
//! topics                  cgroup devices hooks labels mounts namespaces process resctrl root scheduling,
//!                         with mappings and gvariant below them, criu and footprint above
//! context draft           what the topics read, and what they write
//! plan                    the two columns
//! step                    what the parent and init can do
//! host seccomp            facts about the host; the compiled filter
//! spec                    the configuration, parsed and checked
//! tables place            the names of the kernel; places in the configuration
//! ```

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
