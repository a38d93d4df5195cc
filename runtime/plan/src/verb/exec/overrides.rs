//! The process of `exec`, from its options or from a process.json.

use crate::spec::{Capabilities, Gid, Process, Uid};
use crate::tables::capabilities::CapabilitySet;

/// The options of `exec` about the process. Everything else is inherited from the container's `process`.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The program and its arguments.
    pub args: Vec<String>,
    /// The working directory.
    pub cwd: Option<String>,
    /// Environment variables in addition to the container's.
    pub env: Vec<String>,
    /// The user.
    pub user: Option<Uid>,
    /// The group.
    pub group: Option<Gid>,
    /// Supplementary groups in addition to the container's.
    pub additional_gids: Vec<Gid>,
    /// Whether it has a terminal.
    pub terminal: bool,
    /// no_new_privs.
    pub no_new_privileges: Option<bool>,
    /// The AppArmor profile.
    pub apparmor_profile: Option<String>,
    /// The SELinux context.
    pub selinux_label: Option<String>,
    /// Capabilities in addition to the container's.
    pub capabilities: CapabilitySet,
}

impl Overrides {
    /// Returns the container's process with these changes.
    pub fn apply(self, container: &Process) -> Process {
        let mut process = container.clone();
        process.args = self.args;
        process.terminal = self.terminal;
        process.env.extend(self.env);
        process.cwd = self.cwd.unwrap_or(process.cwd);
        process.user.uid = self.user.unwrap_or(process.user.uid);
        process.user.gid = self.group.unwrap_or(process.user.gid);
        process.user.additional_gids.extend(self.additional_gids);
        process.no_new_privileges = self.no_new_privileges.unwrap_or(process.no_new_privileges);
        process.apparmor_profile = self.apparmor_profile.or(process.apparmor_profile);
        process.selinux_label = self.selinux_label.or(process.selinux_label);
        if !self.capabilities.is_empty() {
            process.capabilities = Some(add(process.capabilities.unwrap_or_default(), self.capabilities));
        }
        process
    }
}

/// Adds capabilities to the sets. Only a container with inheritable capabilities gets them as inheritable and
/// ambient ones, as with runc: others should not keep them across an execve(2) by a user without privileges.
fn add(mut sets: Capabilities, more: CapabilitySet) -> Capabilities {
    let with = |set: CapabilitySet| CapabilitySet::from_bits(set.bits() | more.bits());
    sets.bounding = with(sets.bounding);
    sets.effective = with(sets.effective);
    sets.permitted = with(sets.permitted);
    if !sets.inheritable.is_empty() {
        sets.inheritable = with(sets.inheritable);
        sets.ambient = with(sets.ambient);
    }
    sets
}

/// Returns the process of a process.json. Missing properties are inherited from the container's process,
/// except the environment and the user.
pub fn inherit(mut process: Process, container: &Process) -> Process {
    let from = container.clone();
    process.capabilities = process.capabilities.or(from.capabilities);
    if process.rlimits.is_empty() {
        process.rlimits = from.rlimits;
    }
    process.apparmor_profile = process.apparmor_profile.or(from.apparmor_profile);
    process.selinux_label = process.selinux_label.or(from.selinux_label);
    process.oom_score_adj = process.oom_score_adj.or(from.oom_score_adj);
    process.scheduler = process.scheduler.or(from.scheduler);
    process.io_priority = process.io_priority.or(from.io_priority);
    process.exec_cpu_affinity = process.exec_cpu_affinity.or(from.exec_cpu_affinity);
    process
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::load_process;
    use crate::tables::capabilities::Capability;

    fn container(capabilities: &str) -> Process {
        let text = format!(
            r#"{{"cwd": "/", "args": ["sh"], "env": ["A=1"], "user": {{"uid": 7, "gid": 8}},
                "capabilities": {{{capabilities}}}}}"#
        );
        load_process(text.as_bytes()).unwrap().process
    }

    #[test]
    fn an_added_capability_is_ambient_only_if_the_container_has_inheritable_ones() {
        let added: CapabilitySet = [Capability::Kill].into_iter().collect();
        let given = |container: &Process| {
            let overrides = Overrides { capabilities: added, ..Overrides::default() };
            overrides.apply(container).capabilities.unwrap()
        };
        let sets = given(&container(""));
        assert_eq!((sets.bounding, sets.effective, sets.permitted), (added, added, added));
        assert!(sets.inheritable.is_empty() && sets.ambient.is_empty());
        assert_eq!(given(&container(r#""inheritable": ["CAP_CHOWN"]"#)).ambient, added);
    }

    #[test]
    fn variables_are_added_and_other_properties_stay() {
        let overrides =
            Overrides { env: vec!["B=2".to_owned()], user: Some(Uid::ROOT), ..Overrides::default() };
        let process = overrides.apply(&container(""));
        assert_eq!((process.env, process.cwd), (vec!["A=1".to_owned(), "B=2".to_owned()], "/".to_owned()));
        assert_eq!((process.user.uid.get(), process.user.gid.get()), (0, 8));
    }

    #[test]
    fn a_process_document_inherits_all_but_the_environment_and_the_user() {
        let given = load_process(br#"{"cwd": "/tmp", "args": ["id"]}"#).unwrap().process;
        let process = inherit(given, &container(r#""bounding": ["CAP_CHOWN"]"#));
        assert!(process.env.is_empty() && process.user.uid.get() == 0);
        assert!(process.capabilities.unwrap().bounding.contains(Capability::Chown));
    }
}
