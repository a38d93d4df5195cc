//! The verbs: one file each, from arguments to the engine and back to an exit code.

pub(crate) mod check;
pub(crate) mod checkpoint;
pub(crate) mod completion;
pub(crate) mod create;
pub(crate) mod debug;
pub(crate) mod delete;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod features;
pub(crate) mod kill;
pub(crate) mod list;
pub(crate) mod pause;
pub(crate) mod plan;
pub(crate) mod ps;
pub(crate) mod run;
pub(crate) mod spec;
pub(crate) mod start;
pub(crate) mod state;
pub(crate) mod stats;
pub(crate) mod update;

use crate::arguments::Arguments;
use tare_engine::store::Store;

/// The store that the options name: for root `/run/tare`, for others a directory of their session. Root of a user namespace
/// is one of the others, unless it calls itself root: that is what Podman makes of a user, and who lives in a container.
pub(crate) fn store(arguments: &Arguments) -> Store {
    if let Some(root) = arguments.global("root") {
        return Store::new(root);
    }
    let session = std::env::var("XDG_RUNTIME_DIR").ok().filter(|path| !path.is_empty());
    match session {
        Some(path) if !is_root() => Store::new(format!("{path}/tare")),
        _ => Store::new("/run/tare"),
    }
}

fn is_root() -> bool {
    let called_root = || std::env::var("USER").is_ok_and(|name| name == "root");
    rustix::process::geteuid().is_root() && (called_root() || !tare_engine::probe::in_user_namespace())
}
