//! A container's limits as properties of a unit, so that systemd, which writes them again whenever it likes, writes the same
//! (systemd.resource-control(5)). What it has no property for is in the files of the cgroup alone.

use super::{cpu, memory};
use crate::context::{Context, is_root};
use crate::draft::Draft;
use crate::gvariant;
use crate::host::{Host, Systemd};
use crate::place::Place;
use crate::scheduling::processors;
use crate::spec::{Cpu, DeviceRule, Memory, Resources, Verdict};
use crate::step::{Property, Value};
use std::collections::BTreeMap;

/// The annotations that name properties of the unit.
const ASKED: &str = "org.systemd.property.";

/// The systemd that first has `CPUQuotaPeriodUSec`.
const HAS_PERIOD: u32 = 242;
/// The one that first has `AllowedCPUs` and `AllowedMemoryNodes`.
const HAS_SETS: u32 = 244;
/// The one that first takes a weight of 0 for idle.
const HAS_IDLE: u32 = 252;

/// Adds properties; those of the same name that are there already give way.
pub(super) fn put_all(properties: &mut Vec<Property>, more: Vec<Property>) {
    for property in more {
        properties.retain(|known| known.name != property.name);
        properties.push(property);
    }
}

/// What is used is counted, whether it is limited or not.
pub(super) fn accounting(host: &Host) -> Vec<Property> {
    let disks = if host.is_unified() { "IOAccounting" } else { "BlockIOAccounting" };
    let names = ["CPUAccounting", disks, "MemoryAccounting", "TasksAccounting"];
    names.map(|name| Property::new(name, Value::Bool(true))).into()
}

/// Limits as properties.
pub(crate) fn limits(
    draft: &mut Draft,
    host: &Host,
    systemd: &Systemd,
    resources: &Resources,
) -> Vec<Property> {
    let unified = host.is_unified();
    let mut all = if unified { memory_v2(&resources.memory) } else { memory_v1(&resources.memory) };
    all.extend(weight(draft, &resources.cpu, (unified, systemd)));
    all.extend(bandwidth(resources.cpu.quota.unwrap_or(0), resources.cpu.period.unwrap_or(0), systemd));
    for (name, list) in [("AllowedCPUs", &resources.cpu.cpus), ("AllowedMemoryNodes", &resources.cpu.mems)] {
        all.extend(list.as_deref().and_then(|list| set(name, list, systemd)));
    }
    if let Some(limit) = resources.pids.limit {
        all.push(number("TasksMax", if limit == 0 { 1 } else { limit }));
    }
    if let Some(weight) = resources.block_io.weight.filter(|weight| *weight != 0) {
        all.push(match unified {
            true => Property::new("IOWeight", Value::Uint64(super::block_io::io_weight(weight))),
            false => Property::new("BlockIOWeight", Value::Uint64(weight.into())),
        });
    }
    if unified {
        let named =
            resources.unified.iter().flat_map(|(file, value)| file_as_properties(file, value, systemd));
        put_all(&mut all, named.collect());
    }
    all
}

/// A number, less than nothing meaning no limit.
fn number(name: &str, value: i64) -> Property {
    Property::new(name, Value::Uint64(u64::try_from(value).unwrap_or(u64::MAX)))
}

fn memory_v2(memory: &Memory) -> Vec<Property> {
    let limit = memory.limit.unwrap_or(0);
    let swap = memory.swap.filter(|swap| *swap != 0).map(|both| memory::swap_alone(limit, both));
    let swap = swap.and_then(|text| bytes("MemorySwapMax", &text));
    let table = [("MemoryMax", memory.limit), ("MemoryLow", memory.reservation)];
    let set =
        table.into_iter().filter_map(|(name, value)| Some(number(name, value.filter(|value| *value != 0)?)));
    set.chain(swap).collect()
}

fn memory_v1(memory: &Memory) -> Vec<Property> {
    memory.limit.filter(|limit| *limit != 0).map(|limit| number("MemoryLimit", limit)).into_iter().collect()
}

/// Shares of processor time. One that is idle has none, whatever else it is given.
fn weight(draft: &mut Draft, cpu: &Cpu, (unified, systemd): (bool, &Systemd)) -> Option<Property> {
    let shares = cpu.shares.filter(|shares| *shares != 0);
    if unified && cpu.idle == Some(1) && systemd.version >= HAS_IDLE {
        if shares.is_some() {
            let what =
                "unable to apply both the shares and the idle policy: systemd has one property for both";
            draft.warn(Place::of("linux.resources.cpu.idle"), what);
        }
        return Some(Property::new("CPUWeight", Value::Uint64(0)));
    }
    shares.map(|shares| match unified {
        true => Property::new("CPUWeight", Value::Uint64(cpu::weight_of(shares))),
        false => Property::new("CPUShares", Value::Uint64(shares)),
    })
}

/// A quota, in microseconds of each period, as microseconds of each second. systemd keeps whole percents, and the next above does
/// not take away what was granted.
fn bandwidth(quota: i64, period: u64, systemd: &Systemd) -> Vec<Property> {
    const PERCENT: u64 = 10_000;
    let mut all = Vec::new();
    if period != 0 && systemd.version >= HAS_PERIOD {
        all.push(Property::new("CPUQuotaPeriodUSec", Value::Uint64(period)));
    }
    if quota != 0 {
        let period = if period == 0 { cpu::DEFAULT_PERIOD } else { period };
        let each_second = u64::try_from(quota).ok().and_then(|quota| quota.checked_mul(1_000_000));
        let each_second = each_second.map_or(u64::MAX, |all| (all / period).div_ceil(PERCENT) * PERCENT);
        all.push(Property::new("CPUQuotaPerSecUSec", Value::Uint64(each_second)));
    }
    all
}

/// CpuSet or memory nodes, a bit for each, the lowest in the first byte.
fn set(name: &str, list: &str, systemd: &Systemd) -> Option<Property> {
    if list.is_empty() || systemd.version < HAS_SETS {
        return None;
    }
    // What is out of range the kernel refuses, with the place.
    let mut bytes: Vec<u8> = processors(list)?.bits.iter().flat_map(|word| word.to_le_bytes()).collect();
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(used);
    let items = bytes.into_iter().map(Value::Byte).collect();
    Some(Property::new(name, Value::Array { of: "y".to_owned(), items }))
}

/// Bytes as a file of v2 has them: a number, or `max`.
fn bytes(name: &str, text: &str) -> Option<Property> {
    let value = if text.trim() == "max" { u64::MAX } else { text.trim().parse().ok()? };
    Some(Property::new(name, Value::Uint64(value)))
}

/// What systemd calls a file of v2. A value that it does not understand the kernel judges.
fn file_as_properties(file: &str, value: &str, systemd: &Systemd) -> Vec<Property> {
    let one = |property: Option<Property>| property.into_iter().collect();
    match file {
        "memory.max" => one(bytes("MemoryMax", value)),
        "memory.high" => one(bytes("MemoryHigh", value)),
        "memory.low" => one(bytes("MemoryLow", value)),
        "memory.min" => one(bytes("MemoryMin", value)),
        "memory.swap.max" => one(bytes("MemorySwapMax", value)),
        "pids.max" => one(bytes("TasksMax", value)),
        "cpu.weight" => one(bytes("CPUWeight", value)),
        "cpu.idle" if value.trim() == "1" && systemd.version >= HAS_IDLE => {
            vec![Property::new("CPUWeight", Value::Uint64(0))]
        }
        "cpuset.cpus" => one(set("AllowedCPUs", value, systemd)),
        "cpuset.mems" => one(set("AllowedMemoryNodes", value, systemd)),
        "io.weight" => one(value.trim().strip_prefix("default ").and_then(|value| bytes("IOWeight", value))),
        "cpu.max" => {
            let mut words = value.split_ascii_whitespace();
            let quota = words.next().and_then(|word| word.parse().ok()).unwrap_or(-1);
            bandwidth(quota, words.next().and_then(|word| word.parse().ok()).unwrap_or(0), systemd)
        }
        _ => Vec::new(),
    }
}

/// The devices that may be used. systemd only takes a list of what is allowed: where the rules take something of that away again,
/// its list has more than they grant, and what the runtime sets itself decides.
pub(super) fn devices(context: &Context<'_>) -> Vec<Property> {
    if !is_root(context.host) || context.host.in_user_namespace {
        return Vec::new();
    }
    let rules = &context.spec.linux.resources.devices;
    let void = rules.iter().rposition(|rule| is_everything(rule) && rule.allow == Verdict::Deny);
    let left = rules.get(void.map_or(0, |last| last + 1)..).unwrap_or_default();
    let allowed = left.iter().filter(|rule| rule.allow == Verdict::Allow);
    if allowed.clone().any(is_everything) {
        return vec![Property::new("DevicePolicy", Value::Text("auto".to_owned()))];
    }
    let asked = allowed.map(|rule| (name(rule), access(rule)));
    let always = super::devices::ALWAYS.iter().filter_map(|line| parse(line));
    let mut list: Vec<(String, String)> = Vec::new();
    for entry in asked.chain(always).filter(|(_, access)| !access.is_empty()) {
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

fn is_everything(rule: &DeviceRule) -> bool {
    matches!(rule.kind.as_deref(), None | Some("" | "a"))
}

/// What systemd calls the devices of a rule. It has no word for one minor number of every major one.
fn name(rule: &DeviceRule) -> String {
    let kind = if rule.kind.as_deref() == Some("b") { "block" } else { "char" };
    match (rule.major.filter(|number| *number >= 0), rule.minor.filter(|number| *number >= 0)) {
        (Some(major), Some(minor)) => format!("/dev/{kind}/{major}:{minor}"),
        (Some(major), None) => format!("{kind}-{major}"),
        (None, _) => format!("{kind}-*"),
    }
}

fn access(rule: &DeviceRule) -> String {
    let given = rule.access.as_deref().unwrap_or("rwm");
    "rwm".chars().filter(|way| given.contains(*way)).collect()
}

/// A rule as v1 writes it.
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

/// Properties that annotations ask for, each a GVariant in its text form, as runc and crun read them.
pub(super) fn asked(draft: &mut Draft, annotations: &BTreeMap<String, String>) -> Vec<Property> {
    let named = annotations.iter().filter_map(|(key, value)| Some((key, key.strip_prefix(ASKED)?, value)));
    let mut all = Vec::new();
    for (key, name, text) in named {
        match property(name, text) {
            Ok(property) => all.push(property),
            Err(what) => draft.refuse(Place::keyed("annotations#", key), what),
        }
    }
    all
}

/// A property by its name. Times are microseconds on the bus: a name such as `TimeoutStopSec` is read as one of seconds.
fn property(name: &str, text: &str) -> Result<Property, String> {
    if name.len() < 3 || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(format!("{name:?} is no name of a property"));
    }
    let value = gvariant::parse(text)?;
    match name.strip_suffix("Sec").filter(|stem| !stem.ends_with('U')) {
        Some(stem) => Ok(Property::new(&format!("{stem}USec"), microseconds(&value)?)),
        None => Ok(Property::new(name, value)),
    }
}

fn microseconds(value: &Value) -> Result<Value, String> {
    let seconds = match value {
        Value::Byte(value) => f64::from(*value),
        Value::Int16(value) => f64::from(*value),
        Value::Uint16(value) => f64::from(*value),
        Value::Int32(value) => f64::from(*value),
        Value::Uint32(value) => f64::from(*value),
        Value::Int64(value) => *value as f64,
        Value::Uint64(value) => *value as f64,
        Value::Double(value) => *value,
        _ => return Err("expected a number of seconds".to_owned()),
    };
    if seconds < 0.0 {
        Err("a time can't be less than nothing".to_owned())
    } else {
        Ok(Value::Uint64((seconds * 1e6) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Manager;

    fn systemd(version: u32) -> Systemd {
        Systemd { manager: Manager::System, version, cgroup: String::new() }
    }

    fn told(properties: Vec<Property>) -> Vec<String> {
        properties.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_quota_is_rounded_up_to_whole_percents_of_a_second() {
        assert_eq!(
            told(bandwidth(20_000, 100_000, &systemd(252))),
            ["CPUQuotaPeriodUSec=100000", "CPUQuotaPerSecUSec=200000"]
        );
        assert_eq!(told(bandwidth(333, 1000, &systemd(241))), ["CPUQuotaPerSecUSec=340000"]);
        assert_eq!(told(bandwidth(-1, 0, &systemd(252))), ["CPUQuotaPerSecUSec=infinity"]);
    }

    #[test]
    fn the_lowest_processor_is_the_lowest_bit_of_the_first_byte() {
        let of = |list| set("AllowedCPUs", list, &systemd(252)).map(|property| property.to_string());
        assert_eq!(of("0").as_deref(), Some("AllowedCPUs=0x01"));
        assert_eq!(of("1,3,8-9").as_deref(), Some("AllowedCPUs=0x0a 0x03"));
        assert_eq!(of("17").as_deref(), Some("AllowedCPUs=0x00 0x00 0x02"));
        assert_eq!(set("AllowedCPUs", "0", &systemd(243)), None);
    }

    #[test]
    fn files_of_v2_have_properties_of_their_own_names() {
        let of = |file, value| told(file_as_properties(file, value, &systemd(252)));
        assert_eq!(of("memory.max", "max"), ["MemoryMax=infinity"]);
        assert_eq!(of("pids.max", "42"), ["TasksMax=42"]);
        assert_eq!(of("cpu.max", "max 50000"), ["CPUQuotaPeriodUSec=50000", "CPUQuotaPerSecUSec=infinity"]);
        assert_eq!(of("cpu.idle", "1"), ["CPUWeight=0"]);
        assert_eq!(of("io.weight", "default 300"), ["IOWeight=300"]);
        assert_eq!(of("cpuset.cpus", "0-1"), ["AllowedCPUs=0x03"]);
        assert!(of("memory.oom.group", "1").is_empty() && of("memory.max", "lots").is_empty());
    }

    #[test]
    fn times_are_microseconds_whatever_they_are_called() {
        let of = |name, text| property(name, text).unwrap();
        assert_eq!(
            of("TimeoutStopUSec", "uint64 1234"),
            Property::new("TimeoutStopUSec", Value::Uint64(1234))
        );
        assert_eq!(of("TimeoutStopSec", "1.5"), Property::new("TimeoutStopUSec", Value::Uint64(1_500_000)));
        assert!(property("TimeoutStopSec", "'soon'").unwrap_err().contains("seconds"));
        assert!(property("a-b", "1").is_err() && property("ab", "1").is_err());
    }

    #[test]
    fn always_allowed_devices_are_named_for_systemd() {
        assert_eq!(parse("c 136:* rwm"), Some(("char-136".to_owned(), "rwm".to_owned())));
        assert_eq!(parse("b *:* m"), Some(("block-*".to_owned(), "m".to_owned())));
        assert_eq!(parse("c 1:3 rwm"), Some(("/dev/char/1:3".to_owned(), "rwm".to_owned())));
    }
}
