//! Which devices may be used (config-linux.md, "Allowed Device list").

use super::{device_program, has, write};
use crate::context::{Context, is_root};
use crate::draft::Draft;
use crate::host::CgroupVersion;
use crate::place::Place;
use crate::spec::{DeviceRule, Resources, Verdict};
use crate::step::{CgroupStep, DeviceProgram, Slot};

/// What every container may use besides what its configuration allows: nodes of any device may be made, and the default
/// devices and terminals used, as runc has it.
pub(super) const ALWAYS: &[&str] = &[
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:8 rwm",
    "c 1:7 rwm",
    "c 5:0 rwm",
    "c 1:5 rwm",
    "c 1:9 rwm",
    "c 136:* rwm",
    "c 5:2 rwm",
];

/// Plans the rules, in their order, from a state in which nothing is allowed.
pub(super) fn plan(draft: &mut Draft, context: &Context<'_>) {
    let resources = &context.spec.linux.resources;
    let place = Place::of("linux.resources.devices");
    if !is_root(context.host) || context.host.in_user_namespace {
        if !context.cgroups.is_empty() && !resources.devices.is_empty() {
            draft.warn(place, "device rules are not enforced: only the host's root may set them");
        }
        return;
    }
    let v1 = context.cgroups.iter().find(|(_, hierarchy)| has(hierarchy, "devices"));
    if let Some((slot, _)) = v1.filter(|(_, hierarchy)| hierarchy.version == CgroupVersion::V1) {
        return write_rules(draft, *slot, resources);
    }
    if let Some(cgroup) = super::unified(context) {
        let instructions = device_program::compile(&resources.devices, ALWAYS);
        draft.group(CgroupStep::DeviceProgram(DeviceProgram { cgroup, instructions }), place);
    }
}

/// v1 takes rules one by one.
fn write_rules(draft: &mut Draft, slot: Slot, resources: &Resources) {
    let rules = shortest(resources);
    let everything = matches!(rules.last(), Some((Verdict::Allow, rule, _)) if rule == "a");
    write(draft, slot, (file(Verdict::Deny), "a"), Place::of("linux.resources.devices"));
    for (verdict, rule, place) in &rules {
        write(draft, slot, (file(*verdict), rule), *place);
    }
    for rule in ALWAYS.iter().filter(|_| !everything) {
        if !is_said(&rules, rule) {
            write(draft, slot, (file(Verdict::Allow), rule), Place::DEFAULT);
        }
    }
}

/// Whether the rules allow just this already, since engines list what is always allowed. On v1 a later denial takes something
/// away from the very same device or pattern alone.
fn is_said(rules: &[(Verdict, String, Place)], wanted: &str) -> bool {
    let device = |rule: &str| rule.rsplit_once(' ').map_or(String::new(), |(device, _)| device.to_owned());
    let last = rules.iter().rfind(|(_, rule, _)| device(rule) == device(wanted));
    last.is_some_and(|(verdict, rule, _)| *verdict == Verdict::Allow && rule == wanted)
}

/// The kernel's file for rules with that verdict.
fn file(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "devices.allow",
        Verdict::Deny => "devices.deny",
    }
}

/// The rules without those that a later rule about every device makes void.
fn shortest(resources: &Resources) -> Vec<(Verdict, String, Place)> {
    let mut rules: Vec<(Verdict, String, Place)> = Vec::new();
    for (index, rule) in resources.devices.iter().enumerate() {
        let line = line_of(rule);
        if line == "a" {
            rules.clear();
            if rule.allow == Verdict::Deny {
                continue;
            }
        }
        rules.push((rule.allow, line, Place::at("linux.resources.devices[#]", index)));
    }
    rules
}

/// A rule as the kernel takes it; one about all devices is `a` alone.
fn line_of(rule: &DeviceRule) -> String {
    let kind = rule.kind.as_deref().filter(|kind| !kind.is_empty()).unwrap_or("a");
    let given = rule.access.as_deref().unwrap_or("rwm");
    let access: String = "rwm".chars().filter(|way| given.contains(*way)).collect();
    let number = |number: Option<i64>| match number {
        Some(number) if number >= 0 => number.to_string(),
        _ => "*".to_owned(),
    };
    if kind == "a" {
        "a".to_owned()
    } else {
        format!("{kind} {}:{} {access}", number(rule.major), number(rule.minor))
    }
}
