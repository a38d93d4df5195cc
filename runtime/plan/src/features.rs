//! The features of this runtime (features.md, features-linux.md). They come from the tables that reading and
//! planning use.

use serde_json::{Value, json};

use crate::mounts::options::OPTIONS;
use crate::seccomp;
use crate::spec::{
    Action, Arch, Hooks, MemoryPolicyFlag, MemoryPolicyMode, NamespaceKind, Operator, SeccompFlag,
};
use crate::tables::Vocabulary;
use crate::tables::capabilities::Capability;

/// The oldest and the newest supported version of the specification.
pub const VERSIONS: (&str, &str) = ("1.0.0", "1.3.0");

/// Returns the features structure (features.md). It depends on this build alone, not on the host.
pub fn features() -> Value {
    json!({
        "ociVersionMin": VERSIONS.0,
        "ociVersionMax": VERSIONS.1,
        "hooks": Hooks::NAMES,
        "mountOptions": mount_options(),
        "linux": linux(),
        "annotations": {},
        "potentiallyUnsafeConfigAnnotations": [],
    })
}

fn mount_options() -> Vec<&'static str> {
    OPTIONS.iter().map(|(name, _)| *name).collect()
}

fn linux() -> Value {
    json!({
        "namespaces": words::<NamespaceKind>(|_| true),
        "capabilities": words::<Capability>(|_| true),
        "cgroup": { "v1": true, "v2": true, "systemd": true, "systemdUser": true, "rdma": true },
        "seccomp": seccomp_features(),
        "apparmor": { "enabled": true },
        "selinux": { "enabled": true },
        "memoryPolicy": memory_policy(),
        "intelRdt": { "enabled": true, "schemata": true, "monitoring": true },
        "mountExtensions": { "idmap": { "enabled": true } },
        "netDevices": { "enabled": true },
    })
}

fn seccomp_features() -> Value {
    json!({
        "enabled": seccomp::native().is_some(),
        "actions": words::<Action>(seccomp::is_supported),
        "operators": words::<Operator>(|_| true),
        "archs": words::<Arch>(|arch| seccomp::abi(arch).is_some()),
        "knownFlags": words::<SeccompFlag>(|_| true),
        "supportedFlags": words::<SeccompFlag>(|flag| seccomp::flag(flag).is_some()),
    })
}

fn memory_policy() -> Value {
    json!({
        "modes": words::<MemoryPolicyMode>(|_| true),
        "flags": words::<MemoryPolicyFlag>(|_| true),
    })
}

/// Returns the supported words.
fn words<T: Vocabulary>(is_supported: impl Fn(T) -> bool) -> Vec<&'static str> {
    T::WORDS.iter().copied().filter(|word| is_supported(*word)).map(Vocabulary::word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_come_from_the_tables() {
        let features = features();
        assert_eq!(features["ociVersionMax"], "1.3.0");
        assert_eq!(features["linux"]["capabilities"].as_array().unwrap().len(), 41);
        assert_eq!(features["linux"]["namespaces"].as_array().unwrap().len(), 8);
        let actions = features["linux"]["seccomp"]["actions"].as_array().unwrap();
        assert!(actions.contains(&json!("SCMP_ACT_ERRNO")) && !actions.contains(&json!("SCMP_ACT_NOTIFY")));
        assert!(features["mountOptions"].as_array().unwrap().contains(&json!("rbind")));
    }
}
