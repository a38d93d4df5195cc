//! The JSON format of a record: its version, and the values that have no JSON format of their own.
//!
//! Older versions of tare have written these forms, and records outlive an update of the runtime. So the forms stay.

use serde::{Deserialize, Serialize};

/// A record with the version of its format in front.
#[derive(Serialize)]
pub(super) struct Document<Record> {
    pub(super) version: u64,
    #[serde(flatten)]
    pub(super) record: Record,
}

/// The version alone, which decides whether the rest can be read.
#[derive(Deserialize)]
pub(super) struct Version {
    #[serde(default)]
    pub(super) version: u64,
}

/// The pid namespace, as `true` for the container's own one.
pub(super) mod pid_namespace {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use tare_plan::footprint::PidNamespace;

    pub(in crate::container::record) fn serialize<S: Serializer>(
        namespace: &PidNamespace,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        (*namespace == PidNamespace::Own).serialize(to)
    }

    pub(in crate::container::record) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<PidNamespace, D::Error> {
        bool::deserialize(from).map(|own| if own { PidNamespace::Own } else { PidNamespace::Shared })
    }
}

/// Cgroups, each as a pair: the mount point of the hierarchy, and the path below it.
pub(super) mod cgroups {
    use crate::cgroup::Cgroup;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::container::record) fn serialize<S: Serializer>(
        cgroups: &[Cgroup],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let pairs: Vec<_> = cgroups.iter().map(|cgroup| (&cgroup.mount, &cgroup.path)).collect();
        pairs.serialize(to)
    }

    pub(in crate::container::record) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Cgroup>, D::Error> {
        let pairs = Vec::<(String, String)>::deserialize(from)?;
        Ok(pairs.into_iter().map(|(mount, path)| Cgroup { mount, path }).collect())
    }
}

/// The session keyring, as `true` for a new one.
pub(super) mod keyring {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use tare_plan::context::Keyring;

    pub(in crate::container::record) fn serialize<S: Serializer>(
        keyring: &Keyring,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        (*keyring == Keyring::New).serialize(to)
    }

    pub(in crate::container::record) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Keyring, D::Error> {
        bool::deserialize(from).map(|own| if own { Keyring::New } else { Keyring::Inherited })
    }
}

/// A systemd unit, as its name and `true` for a unit of the user manager.
pub(super) mod unit {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use tare_plan::host::Manager;
    use tare_plan::step::Unit;

    #[derive(Serialize, Deserialize)]
    struct Form {
        name: String,
        user: bool,
    }

    pub(in crate::container::record) fn serialize<S: Serializer>(
        unit: &Option<Unit>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let form = |unit: &Unit| Form { name: unit.name.clone(), user: unit.manager == Manager::User };
        unit.as_ref().map(form).serialize(to)
    }

    pub(in crate::container::record) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Unit>, D::Error> {
        let unit = |form: Form| {
            let manager = if form.user { Manager::User } else { Manager::System };
            Unit { name: form.name, manager }
        };
        Option::<Form>::deserialize(from).map(|form| form.map(unit))
    }
}
