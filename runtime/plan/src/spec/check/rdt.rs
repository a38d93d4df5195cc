//! Checks of resctrl and of the memory policy.

use super::{each, lists};
use crate::spec::mistake::{Place, Report};
use crate::spec::{IntelRdt, Linux, MemoryPolicy, MemoryPolicyFlag, MemoryPolicyMode};

pub(super) fn check(linux: &Linux, at: &Place<'_>, report: &mut Report) {
    if let Some(rdt) = &linux.intel_rdt {
        intel_rdt(rdt, &at.key("intelRdt"), report);
    }
    if let Some(policy) = &linux.memory_policy {
        memory_policy(policy, &at.key("memoryPolicy"), report);
    }
}

/// config-linux.md, IntelRdt. closID becomes the name of a directory, so it must not lead elsewhere.
fn intel_rdt(rdt: &IntelRdt, at: &Place<'_>, report: &mut Report) {
    if let Some(class) = rdt.clos_id.as_deref()
        && class != "/"
        && (class.contains('/') || matches!(class, "." | ".."))
    {
        report.wrong(&at.key("closID"), format!("closID {class:?} must be a directory name or \"/\""));
    }
    each(&rdt.schemata, &at.key("schemata"), |line, place| one_line(line, place, report));
    if let Some(schema) = &rdt.l3_cache_schema {
        // "SHOULD NOT" in the specification, which also defines what a second line, about bandwidth, does.
        if schema.contains('\n') {
            report.warn(&at.key("l3CacheSchema"), "schema should not have a newline");
        }
    }
    if let Some(schema) = &rdt.mem_bw_schema {
        one_line(schema, &at.key("memBwSchema"), report);
        if !schema.starts_with("MB:") {
            report.wrong(
                &at.key("memBwSchema"),
                format!("memory bandwidth schema {schema:?} must start with \"MB:\""),
            );
        }
    }
}

/// A newline would add a line to the schemata file.
fn one_line(text: &str, at: &Place<'_>, report: &mut Report) {
    if text.contains('\n') {
        report.wrong(at, "schema must not have a newline");
    }
}

/// config-linux.md, Memory policy. set_mempolicy(2) defines which modes take nodes and which flags exclude
/// each other.
fn memory_policy(policy: &MemoryPolicy, at: &Place<'_>, report: &mut Report) {
    use MemoryPolicyMode::{Bind, Default, Interleave, Local, PreferredMany, WeightedInterleave};

    let nodes = policy.nodes.as_deref().unwrap_or("").trim();
    let place = at.key("nodes");
    if !lists::is_list(nodes) {
        report.wrong(&place, format!("invalid memory node list {nodes:?}: expected such as \"0-3,7\""));
    }
    match policy.mode {
        Default | Local if !nodes.is_empty() => {
            report.wrong(&place, format!("memory policy {} takes no nodes", policy.mode));
        }
        Bind | Interleave | WeightedInterleave | PreferredMany if nodes.is_empty() => {
            report.wrong(&place, format!("memory policy {} needs nodes", policy.mode));
        }
        _ => {}
    }
    let both = [MemoryPolicyFlag::StaticNodes, MemoryPolicyFlag::RelativeNodes];
    if both.iter().all(|flag| policy.flags.contains(flag)) {
        report.wrong(
            &at.key("flags"),
            format!("memory policy flags {} and {} exclude each other", both[0], both[1]),
        );
    }
}
