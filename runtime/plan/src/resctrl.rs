//! resctrl groups: the container's shares of caches and of memory bandwidth (config-linux.md, "IntelRdt";
//! Documentation/filesystems/resctrl.rst of the kernel).
//!
//! A topic: the verbs and `footprint` use it. A control group of resctrl is a class of service (CLOS), and
//! allocates. A monitoring group is below a class, and only counts.

use crate::context::Context;
use crate::draft::Draft;
use crate::host::Host;
use crate::place::Place;
use crate::spec::{IntelRdt, Mistake, Spec};
use crate::step::{MakeResctrlGroup, Presence, ResctrlStep};
use std::collections::BTreeMap;

/// The directory of the monitoring groups of a class.
const MONITORING: &str = "mon_groups";

/// Plans the groups, and how init joins them: the class first, since a monitoring group takes only members of
/// its class.
pub(crate) fn plan(draft: &mut Draft, context: &Context<'_>) {
    let Some(rdt) = &context.spec.linux.intel_rdt else { return };
    let place = Place::of("linux.intelRdt");
    let Some(mount) = &context.host.resctrl else {
        return draft.refuse(place, "intelRdt is specified in config, but no resctrl file system is mounted");
    };
    let class = class_of(rdt, context.request.id);
    let group = Group { path: class.to_owned(), ..class_group(rdt) };
    make(draft, mount, group, Place::of("linux.intelRdt.closID"));
    if rdt.enable_monitoring {
        let group = Group { path: monitoring_group(class, context.request.id), ..Group::default() };
        make(draft, mount, group, Place::of("linux.intelRdt.enableMonitoring"));
    }
}

/// Plans how a process of `exec` joins the groups of the container.
pub(crate) fn join(draft: &mut Draft, context: &Context<'_>) {
    let Some((rdt, mount)) = context.spec.linux.intel_rdt.as_ref().zip(context.host.resctrl.as_ref()) else {
        return;
    };
    let class = class_of(rdt, context.request.id);
    let monitoring = rdt.enable_monitoring.then(|| monitoring_group(class, context.request.id));
    for path in std::iter::once(class.to_owned()).chain(monitoring) {
        let group = Group { path, presence: Presence::Required, ..Group::default() };
        make(draft, mount, group, Place::of("linux.intelRdt"));
    }
}

/// Returns the directories that end with the container, in the order of their removal. A class that the
/// configuration names stays, since other containers may be in it.
pub fn own_groups(spec: &Spec, host: &Host, id: &str) -> Vec<String> {
    let Some((rdt, mount)) = spec.linux.intel_rdt.as_ref().zip(host.resctrl.as_ref()) else {
        return Vec::new();
    };
    let class = class_of(rdt, id);
    let monitoring = rdt.enable_monitoring.then(|| monitoring_group(class, id));
    let is_named = nonempty(rdt.clos_id.as_deref()).is_some();
    let own = (!is_named).then(|| class.to_owned());
    monitoring.into_iter().chain(own).map(|path| format!("{mount}/{path}")).collect()
}

/// New schemata for an existing container, in the syntax of the properties `l3CacheSchema` and `memBwSchema`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Schemata<'text> {
    /// For the L3 cache.
    pub l3_cache: Option<&'text str>,
    /// For the memory bandwidth.
    pub memory_bandwidth: Option<&'text str>,
}

/// Plans new schemata for the class that the container is in; `None` if none are given.
///
/// # Errors
/// If the container is in no class, or the host has no resctrl.
pub fn update(
    spec: &Spec,
    host: &Host,
    id: &str,
    schemata: Schemata<'_>,
) -> Result<Option<MakeResctrlGroup>, Vec<Mistake>> {
    let owned = |text: Option<&str>| nonempty(text).map(str::to_owned);
    let (l3_cache_schema, mem_bw_schema) = (owned(schemata.l3_cache), owned(schemata.memory_bandwidth));
    if l3_cache_schema.is_none() && mem_bw_schema.is_none() {
        return Ok(None);
    }
    let mut draft = Draft::default();
    let place = Place::of("linux.intelRdt");
    let (Some(rdt), Some(mount)) = (&spec.linux.intel_rdt, &host.resctrl) else {
        draft.refuse(place, "the container has no resctrl group, so its schemata cannot be changed");
        return Err(draft.mistakes);
    };
    let written = older_schemata(&IntelRdt { l3_cache_schema, mem_bw_schema, ..rdt.clone() });
    let step = MakeResctrlGroup {
        slot: draft.slot(),
        mount: draft.text(mount, place),
        path: draft.text(class_of(rdt, id), place),
        presence: Presence::Required,
        expected: String::new(),
        written,
    };
    if draft.mistakes.is_empty() { Ok(Some(step)) } else { Err(draft.mistakes) }
}

/// The directory of the class, relative to the mount. The default is the container ID. A `closID` of `/` is
/// the default class.
fn class_of<'text>(rdt: &'text IntelRdt, id: &'text str) -> &'text str {
    nonempty(rdt.clos_id.as_deref()).unwrap_or(id).trim_matches('/')
}

/// The directory of the container's monitoring group, relative to the mount.
fn monitoring_group(class: &str, id: &str) -> String {
    if class.is_empty() { format!("{MONITORING}/{id}") } else { format!("{class}/{MONITORING}/{id}") }
}

/// A group to plan.
struct Group {
    path: String,
    presence: Presence,
    expected: String,
    written: String,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            path: String::new(),
            presence: Presence::Optional,
            expected: String::new(),
            written: String::new(),
        }
    }
}

/// Returns the class. Its own class of a container takes all schemata. A class that the configuration names
/// may serve other containers: it must have `l3CacheSchema` and `memBwSchema` already, or is made with them,
/// and gets only `schemata` written. With none of them the class must exist (config-linux.md, "IntelRdt",
/// closID).
fn class_group(rdt: &IntelRdt) -> Group {
    let (older, newer) = (older_schemata(rdt), join_lines(rdt.schemata.iter().map(String::as_str)));
    if nonempty(rdt.clos_id.as_deref()).is_none() {
        return Group { written: older + &newer, ..Group::default() };
    }
    let has_schemata = !older.is_empty() || !newer.is_empty();
    let presence = if !has_schemata { Presence::Required } else { Presence::Optional };
    Group { presence, expected: older, written: newer, ..Group::default() }
}

/// Returns `l3CacheSchema` and `memBwSchema` as one text. `MB:` lines of the first are dropped if there is a
/// second (config-linux.md, "IntelRdt").
fn older_schemata(rdt: &IntelRdt) -> String {
    let cache = rdt.l3_cache_schema.as_deref().unwrap_or("");
    let bandwidth = nonempty(rdt.mem_bw_schema.as_deref());
    let kept = cache.lines().filter(|line| bandwidth.is_none() || !line.starts_with("MB:"));
    join_lines(kept.chain(bandwidth))
}

fn join_lines<'text>(lines: impl Iterator<Item = &'text str>) -> String {
    lines.filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
}

/// Plans that the parent makes a group, and moves init into it.
fn make(draft: &mut Draft, mount: &str, group: Group, place: Place) {
    let slot = draft.slot();
    let step = MakeResctrlGroup {
        slot,
        mount: draft.text(mount, place),
        path: draft.text(&group.path, place),
        presence: group.presence,
        expected: group.expected,
        written: group.written,
    };
    draft.before(ResctrlStep::Make(step), place);
    draft.after(ResctrlStep::Enter(slot), place);
}

/// Returns the first of the `expected` lines that differs from the kernel's `schemata`.
///
/// The kernel pads numbers, writes masks in hexadecimal and lists every cache, while a configuration may list
/// a few.
pub fn first_mismatch<'text>(expected: &'text str, schemata: &str) -> Option<&'text str> {
    let actual: BTreeMap<&str, BTreeMap<&str, String>> = schemata.lines().filter_map(resource).collect();
    expected.lines().find(|line| {
        let Some((name, domains)) = resource(line) else { return true };
        let Some(known) = actual.get(name) else { return true };
        domains.iter().any(|(domain, value)| known.get(domain) != Some(value))
    })
}

/// Parses a line such as `L3:0=7f0;1=1f`: the resource, and its value for each cache.
fn resource(line: &str) -> Option<(&str, BTreeMap<&str, String>)> {
    let (name, domains) = line.split_once(':')?;
    let pairs = domains.split(';').filter_map(|domain| domain.split_once('='));
    let number = |value: &str| value.trim().trim_start_matches('0').to_lowercase();
    Some((name.trim(), pairs.map(|(domain, value)| (domain.trim(), number(value))).collect()))
}

/// Go callers write an empty string for no value.
fn nonempty(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{first_mismatch, older_schemata, own_groups};
    use crate::host::Host;
    use crate::spec::{self, Spec};

    #[test]
    fn schemata_are_compared_by_value_and_not_by_text() {
        let kernel = "    MB:0= 20;1=100\n    L3:0=007f0;1=0001f\n";
        assert_eq!(first_mismatch("L3:0=7F0\nMB:1=100\n", kernel), None);
        assert_eq!(first_mismatch("L3:0=7f0;1=3f\n", kernel), Some("L3:0=7f0;1=3f"));
        assert_eq!(first_mismatch("L2:0=f\n", kernel), Some("L2:0=f"));
        assert_eq!(first_mismatch("", kernel), None);
    }

    /// config-linux.md, "IntelRdt": lines of l3CacheSchema that begin with MB: are ignored if memBwSchema is
    /// set.
    #[test]
    fn mem_bw_schema_replaces_the_bandwidth_of_l3_cache_schema() {
        let joined = |rdt: &str| older_schemata(&rdt_of(rdt).linux.intel_rdt.unwrap());
        let only = r#"{"l3CacheSchema": "L3:0=f\nMB:0=20"}"#;
        assert_eq!(joined(only), "L3:0=f\nMB:0=20\n");
        let both = r#"{"l3CacheSchema": "L3:0=f\nMB:0=20", "memBwSchema": "MB:0=50"}"#;
        assert_eq!(joined(both), "L3:0=f\nMB:0=50\n");
        assert_eq!(joined(r#"{"l3CacheSchema": "L3:0=f", "memBwSchema": ""}"#), "L3:0=f\n");
    }

    fn rdt_of(rdt: &str) -> Spec {
        let text = format!(r#"{{"ociVersion": "1.3.0", "linux": {{"intelRdt": {rdt}}}}}"#);
        spec::load(text.as_bytes()).unwrap().spec
    }

    /// config-linux.md, "IntelRdt", closID: a class of the configuration must not be removed with the
    /// container.
    #[test]
    fn only_groups_that_the_runtime_named_end_with_the_container() {
        let host = Host { resctrl: Some("/sys/fs/resctrl".to_owned()), ..Host::default() };
        let groups = |rdt: &str| own_groups(&rdt_of(rdt), &host, "c");
        assert_eq!(groups(r#"{"l3CacheSchema": "L3:0=f"}"#), ["/sys/fs/resctrl/c"]);
        assert!(groups(r#"{"closID": "gold"}"#).is_empty());
        let monitored = groups(r#"{"closID": "gold", "enableMonitoring": true}"#);
        assert_eq!(monitored, ["/sys/fs/resctrl/gold/mon_groups/c"]);
        let own = groups(r#"{"enableMonitoring": true}"#);
        assert_eq!(own, ["/sys/fs/resctrl/c/mon_groups/c", "/sys/fs/resctrl/c"]);
        assert_eq!(groups(r#"{"closID": "/", "enableMonitoring": true}"#), ["/sys/fs/resctrl/mon_groups/c"]);
    }
}
