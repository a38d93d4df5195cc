//! Reads an OCI configuration and plans every step of a container's life, as data.

pub mod seccomp;
pub mod spec;
pub mod tables;
