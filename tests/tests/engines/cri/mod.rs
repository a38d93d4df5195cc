//! containerd's Container Runtime Interface on the runtime and the plugins under test: what a kubelet does.

mod confinement;
mod life;
mod network;
mod streaming;

use tests::engines::{Cri, Image};
use tests::{Host, plugins};

/// gRPC's code for it.
const NOT_FOUND: u32 = 5;

/// A server with our plugins, and no network.
fn start(host: &Host) -> Cri<'_> {
    Cri::start(host, &plugins()[0], &Image::make(host))
}
