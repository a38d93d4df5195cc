//! Reads an OCI configuration and plans every step of a container's life, as data.
//!
//! Pure: no files, no clock, no environment. What is true of the host comes in as [`host::Host`], what the caller asks for as
//! [`create::Request`], and what comes out is a [`plan::Plan`]: two columns of steps that `tare-engine` walks.

mod cgroup;
mod cgroup_mounts;
pub mod create;
mod devices;
mod draft;
pub mod exec;
pub mod features;
mod gvariant;
pub mod host;
mod id_maps;
mod labels;
mod mounts;
mod namespaces;
pub mod options;
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
pub mod update;

pub use cgroup::path as cgroup_path;
pub use cgroup::unit_of;
pub use options::is_bind;
