//! The state directory of the caller.

use crate::arguments::Arguments;
use tare_engine::store::Store;

/// The store that `--root` names. Default: `/run/tare` for root, `$XDG_RUNTIME_DIR/tare` for a rootless user.
///
/// Root of a user namespace counts as rootless, since Podman calls the runtime so for a rootless user. A container's own root is
/// different: its `USER` is `root`.
pub(crate) fn open(arguments: &Arguments) -> Store {
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
