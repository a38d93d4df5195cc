//! What this runtime can do, as it tells its callers (features.md, features-linux.md), and what it can't yet.
//!
//! One table holds what is valid and not built: planning refuses it by place, and the answer to callers says so too.

use serde_json::{Value, json};

use crate::options::OPTIONS;
use crate::seccomp;
use crate::spec::{
    Action, Arch, Hooks, MemoryPolicyFlag, MemoryPolicyMode, Mistake, NamespaceKind, Operator, SeccompFlag,
    Spec,
};
use crate::tables::Vocabulary;
use crate::tables::capabilities::Capability;

/// The oldest and the newest version of the specification whose configs are understood.
pub const VERSIONS: (&str, &str) = ("1.0.0", "1.3.0");

/// A property that is valid and not built yet.
struct Unbuilt {
    place: &'static str,
    asked: fn(&Spec) -> bool,
    feature: Option<Feature>,
}

/// What callers can ask about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Feature {
    IntelRdt,
}

/// Everything that is valid and not built yet. Who builds it removes its row.
const UNBUILT: &[Unbuilt] = &[Unbuilt {
    place: "linux.intelRdt",
    asked: |spec| spec.linux.intel_rdt.is_some(),
    feature: Some(Feature::IntelRdt),
}];

/// What a description asks for that is not built yet, each with its place.
pub fn unbuilt(spec: &Spec) -> Vec<Mistake> {
    let asked = UNBUILT.iter().filter(|unbuilt| (unbuilt.asked)(spec));
    asked.map(|unbuilt| Mistake::new(unbuilt.place, "this property is not supported yet")).collect()
}

/// The features structure (features.md), as JSON; it depends on this build alone, not on the host.
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
        "cgroup": { "v1": true, "v2": true, "systemd": false, "systemdUser": false, "rdma": true },
        "seccomp": seccomp_features(),
        "apparmor": { "enabled": true },
        "selinux": { "enabled": true },
        "memoryPolicy": memory_policy(),
        "intelRdt": {
            "enabled": is_built(Feature::IntelRdt),
            "schemata": is_built(Feature::IntelRdt),
            "monitoring": is_built(Feature::IntelRdt),
        },
        "mountExtensions": { "idmap": { "enabled": true } },
        "netDevices": { "enabled": true },
    })
}

fn seccomp_features() -> Value {
    json!({
        "enabled": seccomp::native().is_some(),
        "actions": words::<Action>(seccomp::is_built),
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

fn is_built(feature: Feature) -> bool {
    UNBUILT.iter().all(|unbuilt| unbuilt.feature != Some(feature))
}

/// The words of a vocabulary that are built.
fn words<T: Vocabulary>(built: impl Fn(T) -> bool) -> Vec<&'static str> {
    T::WORDS.iter().copied().filter(|word| built(*word)).map(Vocabulary::word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::load;

    #[test]
    fn what_is_not_built_is_told_by_place_and_to_callers() {
        let config = br#"{"ociVersion": "1.3.0", "linux": {"intelRdt": {}}}"#;
        let places: Vec<_> =
            unbuilt(&load(config).unwrap().spec).into_iter().map(|mistake| mistake.place).collect();
        assert_eq!(places, ["linux.intelRdt"]);
        assert_eq!(features()["linux"]["intelRdt"]["enabled"], false);
    }

    #[test]
    fn nothing_is_asked_of_a_plain_config() {
        let plain = crate::spec::default_config(crate::spec::Owner::Root);
        assert_eq!(unbuilt(&load(plain.as_bytes()).unwrap().spec), []);
    }

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
