//! The device rules: which devices the container may use (config-linux.md, "Allowed Device list").

use super::limit::Line;
use super::{device_program, has, write};
use crate::context::{Context, is_root};
use crate::draft::Draft;
use crate::host::CgroupVersion;
use crate::place::Place;
use crate::spec::{DeviceRule, Resources, Verdict};
use crate::step::{CgroupStep, DeviceProgram, Slot};

/// What every container may do in addition to its rules, the same as in runc: make nodes of any device, and
/// use the default devices and terminals.
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

/// Plans the rules in their order. Without any rule no device is allowed.
pub(super) fn plan(draft: &mut Draft, context: &Context<'_>) {
    let resources = &context.spec.linux.resources;
    let place = Place::of("linux.resources.devices");
    // The kernel accepts device rules only with capabilities in the initial user namespace, on both versions.
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
        draft.cgroup(CgroupStep::DeviceProgram(DeviceProgram { cgroup, instructions }), place);
    }
}

/// Plans the writes to `devices.deny` and `devices.allow` of v1, which take one rule at a time
/// (Documentation/admin-guide/cgroup-v1/devices.rst). A new cgroup inherits its parent's rules, so the first
/// write denies all.
fn write_rules(draft: &mut Draft, slot: Slot, resources: &Resources) {
    let rules = effective_rules(resources);
    // With every device allowed, the lines of ALWAYS would add nothing.
    let everything = matches!(rules.last(), Some((Verdict::Allow, rule, _)) if rule == "a");
    write(draft, slot, Line::new(file(Verdict::Deny), "a"), Place::of("linux.resources.devices"));
    for (verdict, rule, place) in &rules {
        write(draft, slot, Line::new(file(*verdict), rule), *place);
    }
    for rule in ALWAYS.iter().filter(|_| !everything) {
        if !is_allowed(&rules, rule) {
            write(draft, slot, Line::new(file(Verdict::Allow), rule), Place::DEFAULT);
        }
    }
}

/// Whether the rules already allow exactly this: engines list the default devices too. The last rule of the
/// same device or pattern decides, since on v1 a denial only changes the exception of that device or pattern.
fn is_allowed(rules: &[(Verdict, String, Place)], expected: &str) -> bool {
    let device = |rule: &str| rule.rsplit_once(' ').map_or(String::new(), |(device, _)| device.to_owned());
    let last = rules.iter().rfind(|(_, rule, _)| device(rule) == device(expected));
    last.is_some_and(|(verdict, rule, _)| *verdict == Verdict::Allow && rule == expected)
}

/// The file of v1 for rules with this verdict.
fn file(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "devices.allow",
        Verdict::Deny => "devices.deny",
    }
}

/// Returns the rules from the last one about all devices on: it overrides those before it.
fn effective_rules(resources: &Resources) -> Vec<(Verdict, String, Place)> {
    let mut rules: Vec<(Verdict, String, Place)> = Vec::new();
    for (index, rule) in resources.devices.iter().enumerate() {
        let line = rule_line(rule);
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

/// Returns a rule in the syntax of v1. A rule about all devices is `a` alone: the kernel ignores the rest of
/// such a line.
fn rule_line(rule: &DeviceRule) -> String {
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
