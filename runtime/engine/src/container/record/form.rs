//! How a record is written: its version, and the values of the plan that are no text.

use super::{Pids, Record};
use crate::cgroup::Cgroup;
use serde::{Deserialize, Serialize};

/// A record with the version of its form in front.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    pub(super) version: u64,
    #[serde(flatten)]
    pub(super) record: &'a Record,
}

/// The version alone: it decides whether the rest can be read.
#[derive(Deserialize)]
pub(super) struct Version {
    #[serde(default)]
    pub(super) version: u64,
}

impl From<bool> for Pids {
    fn from(own: bool) -> Self {
        if own { Self::Own } else { Self::Shared }
    }
}

impl From<Pids> for bool {
    fn from(pids: Pids) -> Self {
        pids == Pids::Own
    }
}

/// A cgroup is a pair: the mount, and the path below it.
impl From<(String, String)> for Cgroup {
    fn from((mount, path): (String, String)) -> Self {
        Self { mount, path }
    }
}

impl From<Cgroup> for (String, String) {
    fn from(cgroup: Cgroup) -> Self {
        (cgroup.mount, cgroup.path)
    }
}

/// The session keyring as `true` for a new one.
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

/// A systemd unit as its name and whether the user's manager has it.
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
