//! The device rules as properties of the container's unit (systemd.resource-control(5), `DeviceAllow=` and
//! `DevicePolicy=`).

use super::devices::ALWAYS;
use crate::context::{Context, is_root};
use crate::spec::{DeviceRule, Verdict};
use crate::step::{Property, Value};

/// Returns the device rules. systemd takes only a list of allowed devices. If a later rule denies some of
/// them, the list allows more than the rules, and the runtime's own rules decide: the kernel checks both.
pub(super) fn device_properties(context: &Context<'_>) -> Vec<Property> {
    if !is_root(context.host) || context.host.in_user_namespace {
        return Vec::new();
    }
    let rules = &context.spec.linux.resources.devices;
    let overridden = rules.iter().rposition(|rule| is_everything(rule) && rule.allow == Verdict::Deny);
    let left = rules.get(overridden.map_or(0, |last| last + 1)..).unwrap_or_default();
    let allowed = left.iter().filter(|rule| rule.allow == Verdict::Allow);
    if allowed.clone().any(is_everything) {
        return vec![Property::new("DevicePolicy", Value::Text("auto".to_owned()))];
    }
    let configured = allowed.map(|rule| (name(rule), access(rule)));
    let always = ALWAYS.iter().filter_map(|line| parse(line));
    let mut list: Vec<(String, String)> = Vec::new();
    for entry in configured.chain(always).filter(|(_, access)| !access.is_empty()) {
        if !list.contains(&entry) {
            list.push(entry);
        }
    }
    let text = |text: String| Value::Text(text);
    let items =
        list.into_iter().map(|(name, access)| Value::Struct(vec![text(name), text(access)])).collect();
    vec![
        Property::new("DevicePolicy", Value::Text("strict".to_owned())),
        Property::new("DeviceAllow", Value::Array { of: "(ss)".to_owned(), items }),
    ]
}

/// Whether a rule matches every device.
fn is_everything(rule: &DeviceRule) -> bool {
    matches!(rule.kind.as_deref(), None | Some("" | "a"))
}

/// Returns systemd's name for the devices of a rule. It has none for one minor number of every major number,
/// so that rule becomes all devices of the type.
fn name(rule: &DeviceRule) -> String {
    let kind = if rule.kind.as_deref() == Some("b") { "block" } else { "char" };
    match (rule.major.filter(|number| *number >= 0), rule.minor.filter(|number| *number >= 0)) {
        (Some(major), Some(minor)) => format!("/dev/{kind}/{major}:{minor}"),
        (Some(major), None) => format!("{kind}-{major}"),
        (None, _) => format!("{kind}-*"),
    }
}

/// The access letters of a rule, in the order of systemd.
fn access(rule: &DeviceRule) -> String {
    let given = rule.access.as_deref().unwrap_or("rwm");
    "rwm".chars().filter(|way| given.contains(*way)).collect()
}

/// Parses a line such as `c 1:3 rwm` to systemd's name and access letters.
fn parse(line: &str) -> Option<(String, String)> {
    let mut words = line.split(' ');
    let (kind, numbers, access) = (words.next()?, words.next()?, words.next()?);
    let (major, minor) = numbers.split_once(':')?;
    let rule = DeviceRule {
        allow: Verdict::Allow,
        kind: Some(kind.to_owned()),
        major: major.parse().ok(),
        minor: minor.parse().ok(),
        access: None,
    };
    Some((name(&rule), access.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_lines_become_device_names_of_systemd() {
        assert_eq!(parse("c 136:* rwm"), Some(("char-136".to_owned(), "rwm".to_owned())));
        assert_eq!(parse("b *:* m"), Some(("block-*".to_owned(), "m".to_owned())));
        assert_eq!(parse("c 1:3 rwm"), Some(("/dev/char/1:3".to_owned(), "rwm".to_owned())));
    }
}
