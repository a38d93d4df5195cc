//! Shares of caches and of memory bandwidth: groups of resctrl (config-linux.md, "IntelRdt").

use crate::context::Context;
use crate::draft::Draft;
use crate::host::Host;
use crate::place::Place;
use crate::spec::{IntelRdt, Mistake, Spec};
use crate::step::{MakeResctrlGroup, Presence, ResctrlStep};
use std::collections::BTreeMap;

/// Where groups that only monitor are found in one that allocates.
const MONITORING: &str = "mon_groups";

/// Plans the groups, and how init comes into them: into the class first, since a group that monitors takes only its members.
pub(crate) fn plan(draft: &mut Draft, context: &Context<'_>) {
    let Some(rdt) = &context.spec.linux.intel_rdt else { return };
    let place = Place::of("linux.intelRdt");
    let Some(mount) = &context.host.resctrl else {
        return draft.refuse(place, "intelRdt is specified in config, but no resctrl file system is mounted");
    };
    let class = class_of(rdt, context.request.id);
    let group = Group { path: class.to_owned(), ..class_group(rdt) };
    make(draft, (mount, group), Place::of("linux.intelRdt.closID"));
    if rdt.enable_monitoring {
        let group = Group { path: monitoring_group(class, context.request.id), ..Group::default() };
        make(draft, (mount, group), Place::of("linux.intelRdt.enableMonitoring"));
    }
}

/// Plans how one more process comes into the groups that the container is in.
pub(crate) fn join(draft: &mut Draft, context: &Context<'_>) {
    let Some((rdt, mount)) = context.spec.linux.intel_rdt.as_ref().zip(context.host.resctrl.as_ref()) else {
        return;
    };
    let class = class_of(rdt, context.request.id);
    let monitoring = rdt.enable_monitoring.then(|| monitoring_group(class, context.request.id));
    for path in std::iter::once(class.to_owned()).chain(monitoring) {
        let group = Group { path, presence: Presence::Required, ..Group::default() };
        make(draft, (mount, group), Place::of("linux.intelRdt"));
    }
}

/// The directories that go with the container, in the order in which they are removed. A class that the configuration names may
/// serve other containers: it stays.
pub fn own_groups(spec: &Spec, host: &Host, id: &str) -> Vec<String> {
    let Some((rdt, mount)) = spec.linux.intel_rdt.as_ref().zip(host.resctrl.as_ref()) else {
        return Vec::new();
    };
    let class = class_of(rdt, id);
    let monitoring = rdt.enable_monitoring.then(|| monitoring_group(class, id));
    let named = given(rdt.clos_id.as_deref()).is_some();
    let own = (!named).then(|| class.to_owned());
    monitoring.into_iter().chain(own).map(|path| format!("{mount}/{path}")).collect()
}

/// Other shares for a container that exists, as the properties `l3CacheSchema` and `memBwSchema` have them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shares<'text> {
    /// Of the cache.
    pub l3_cache: Option<&'text str>,
    /// Of the memory bandwidth.
    pub memory_bandwidth: Option<&'text str>,
}

/// Plans other shares: what is written to the class that the container is in. Nothing is planned where none is given.
///
/// # Errors
/// When the container is in no class of its own, or the host has none.
pub fn update(
    spec: &Spec,
    host: &Host,
    id: &str,
    shares: Shares<'_>,
) -> Result<Option<MakeResctrlGroup>, Vec<Mistake>> {
    let owned = |text: Option<&str>| given(text).map(str::to_owned);
    let (l3_cache_schema, mem_bw_schema) = (owned(shares.l3_cache), owned(shares.memory_bandwidth));
    if l3_cache_schema.is_none() && mem_bw_schema.is_none() {
        return Ok(None);
    }
    let mut draft = Draft::default();
    let place = Place::of("linux.intelRdt");
    let (Some(rdt), Some(mount)) = (&spec.linux.intel_rdt, &host.resctrl) else {
        draft.refuse(place, "the container is in no class of resctrl, so that its shares can't be changed");
        return Err(draft.mistakes);
    };
    let written = older_lines(&IntelRdt { l3_cache_schema, mem_bw_schema, ..rdt.clone() });
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

/// The directory of the class, relative to the mount.
fn class_of<'text>(rdt: &'text IntelRdt, id: &'text str) -> &'text str {
    given(rdt.clos_id.as_deref()).unwrap_or(id).trim_matches('/')
}

fn monitoring_group(class: &str, id: &str) -> String {
    if class.is_empty() { format!("{MONITORING}/{id}") } else { format!("{class}/{MONITORING}/{id}") }
}

/// A group that is being planned.
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

/// What of the class is written, what compared. One that the configuration names and says nothing else of must be there already.
fn class_group(rdt: &IntelRdt) -> Group {
    let (older, newer) = (older_lines(rdt), lines(rdt.schemata.iter().map(String::as_str)));
    if given(rdt.clos_id.as_deref()).is_none() {
        return Group { written: older + &newer, ..Group::default() };
    }
    let silent = older.is_empty() && newer.is_empty();
    let presence = if silent { Presence::Required } else { Presence::Optional };
    Group { presence, expected: older, written: newer, ..Group::default() }
}

/// Both older properties as one: a line about bandwidth in the first counts only where there is no second.
fn older_lines(rdt: &IntelRdt) -> String {
    let cache = rdt.l3_cache_schema.as_deref().unwrap_or("");
    let bandwidth = given(rdt.mem_bw_schema.as_deref());
    let kept = cache.lines().filter(|line| bandwidth.is_none() || !line.starts_with("MB:"));
    lines(kept.chain(bandwidth))
}

fn lines<'text>(lines: impl Iterator<Item = &'text str>) -> String {
    lines.filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
}

fn make(draft: &mut Draft, (mount, group): (&str, Group), place: Place) {
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

/// The first of the `expected` lines that the kernel's `schemata` contradicts.
///
/// The kernel pads numbers, writes masks in hexadecimal and names every cache, where a configuration may name some.
pub fn contradicted<'text>(expected: &'text str, schemata: &str) -> Option<&'text str> {
    let there: BTreeMap<&str, BTreeMap<&str, String>> = schemata.lines().filter_map(resource).collect();
    expected.lines().find(|line| {
        let Some((name, domains)) = resource(line) else { return true };
        let Some(known) = there.get(name) else { return true };
        domains.iter().any(|(domain, value)| known.get(domain) != Some(value))
    })
}

/// A line such as `L3:0=7f0;1=1f`: the resource, and what each cache has of it.
fn resource(line: &str) -> Option<(&str, BTreeMap<&str, String>)> {
    let (name, domains) = line.split_once(':')?;
    let pairs = domains.split(';').filter_map(|domain| domain.split_once('='));
    let number = |value: &str| value.trim().trim_start_matches('0').to_lowercase();
    Some((name.trim(), pairs.map(|(domain, value)| (domain.trim(), number(value))).collect()))
}

/// Go writes the empty string for none.
fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::contradicted;

    #[test]
    fn what_the_kernel_pads_is_the_same() {
        let kernel = "    MB:0= 20;1=100\n    L3:0=007f0;1=0001f\n";
        assert_eq!(contradicted("L3:0=7F0\nMB:1=100\n", kernel), None);
        assert_eq!(contradicted("L3:0=7f0;1=3f\n", kernel), Some("L3:0=7f0;1=3f"));
        assert_eq!(contradicted("L2:0=f\n", kernel), Some("L2:0=f"));
        assert_eq!(contradicted("", kernel), None);
    }
}
