//! Engines with our runtime and our plugins: what their users do, with traffic that is really sent and received.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "all of it is test code"
)]

mod buildah;
mod checkpoint;
mod containerd;
mod cri;
mod docker;
mod documentation;
mod networks;
mod podman;
mod swarm;
