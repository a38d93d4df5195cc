//! The container's limits as properties of its unit (systemd.resource-control(5)). systemd may rewrite the
//! cgroup files at any time, so it must have the same values. A limit without a property is only in the
//! cgroup files.

use super::{cpu, memory};
use crate::draft::Draft;
use crate::gvariant;
use crate::host::{Host, Systemd};
use crate::place::Place;
use crate::scheduling::cpu_set;
use crate::spec::{Cpu, Memory, Resources};
use crate::step::{Property, Value};
use std::collections::BTreeMap;

/// The prefix of annotations that name properties of the unit.
const PREFIX: &str = "org.systemd.property.";

/// The first version of systemd with `CPUQuotaPeriodUSec`.
const HAS_PERIOD: u32 = 242;
/// The first version with `AllowedCPUs` and `AllowedMemoryNodes`.
const HAS_SETS: u32 = 244;
/// The first version in which a `CPUWeight` of 0 is idle.
const HAS_IDLE: u32 = 252;

/// Adds properties, in place of those of the same name.
pub(super) fn put_all(properties: &mut Vec<Property>, more: Vec<Property>) {
    for property in more {
        properties.retain(|known| known.name != property.name);
        properties.push(property);
    }
}

/// Returns the properties that count the use of each resource, limited or not.
pub(super) fn accounting(host: &Host) -> Vec<Property> {
    let disks = if host.is_unified() { "IOAccounting" } else { "BlockIOAccounting" };
    let names = ["CPUAccounting", disks, "MemoryAccounting", "TasksAccounting"];
    names.map(|name| Property::new(name, Value::Bool(true))).into()
}

/// Returns the limits as properties.
pub(crate) fn limits(
    draft: &mut Draft,
    host: &Host,
    systemd: &Systemd,
    resources: &Resources,
) -> Vec<Property> {
    let unified = host.is_unified();
    let mut all = if unified { memory_v2(&resources.memory) } else { memory_v1(&resources.memory) };
    all.extend(weight(draft, &resources.cpu, host, systemd));
    all.extend(bandwidth(resources.cpu.quota.unwrap_or(0), resources.cpu.period.unwrap_or(0), systemd));
    for (name, list) in [("AllowedCPUs", &resources.cpu.cpus), ("AllowedMemoryNodes", &resources.cpu.mems)] {
        all.extend(list.as_deref().and_then(|list| set(name, list, systemd)));
    }
    // A limit of 0 becomes 1, as in the cgroup file: no container could start with 0.
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

/// Returns a number as a property. A negative one means no limit.
fn number(name: &str, value: i64) -> Property {
    Property::new(name, Value::Uint64(u64::try_from(value).unwrap_or(u64::MAX)))
}

/// The memory limits on v2. systemd has no property for memory+swap, so the swap limit is computed as for the
/// file.
fn memory_v2(memory: &Memory) -> Vec<Property> {
    let limit = memory.limit.unwrap_or(0);
    let swap = memory.swap.filter(|swap| *swap != 0).map(|both| memory::swap_alone(limit, both));
    let swap = swap.and_then(|text| bytes("MemorySwapMax", &text));
    let table = [("MemoryMax", memory.limit), ("MemoryLow", memory.reservation)];
    let set =
        table.into_iter().filter_map(|(name, value)| Some(number(name, value.filter(|value| *value != 0)?)));
    set.chain(swap).collect()
}

/// The memory limit on v1. systemd has no properties for the other ones.
fn memory_v1(memory: &Memory) -> Vec<Property> {
    memory.limit.filter(|limit| *limit != 0).map(|limit| number("MemoryLimit", limit)).into_iter().collect()
}

/// Returns the CPU shares. systemd has one property for the shares and for idle, so idle overrides the
/// shares.
fn weight(draft: &mut Draft, cpu: &Cpu, host: &Host, systemd: &Systemd) -> Option<Property> {
    let unified = host.is_unified();
    let shares = cpu.shares.filter(|shares| *shares != 0);
    if unified && cpu.idle == Some(1) && systemd.version >= HAS_IDLE {
        if shares.is_some() {
            let what = "cannot set both the shares and idle: systemd has one property for both";
            draft.warn(Place::of("linux.resources.cpu.idle"), what);
        }
        return Some(Property::new("CPUWeight", Value::Uint64(0)));
    }
    shares.map(|shares| match unified {
        true => Property::new("CPUWeight", Value::Uint64(cpu::weight_of(shares))),
        false => Property::new("CPUShares", Value::Uint64(shares)),
    })
}

/// Converts a quota in microseconds per period to microseconds per second. systemd keeps whole percents (10
/// ms per second), so the value is rounded up: the container gets at least its quota.
fn bandwidth(quota: i64, period: u64, systemd: &Systemd) -> Vec<Property> {
    const PERCENT: u64 = 10_000;
    let mut all = Vec::new();
    if period != 0 && systemd.version >= HAS_PERIOD {
        all.push(Property::new("CPUQuotaPeriodUSec", Value::Uint64(period)));
    }
    if quota != 0 {
        let period = if period == 0 { cpu::DEFAULT_PERIOD } else { period };
        // A negative quota is no limit: infinity is the largest number on the bus.
        let each_second = u64::try_from(quota).ok().and_then(|quota| quota.checked_mul(1_000_000));
        let each_second = each_second.map_or(u64::MAX, |all| (all / period).div_ceil(PERCENT) * PERCENT);
        all.push(Property::new("CPUQuotaPerSecUSec", Value::Uint64(each_second)));
    }
    all
}

/// Returns CPUs or memory nodes as a byte array, one bit per number, the lowest first.
fn set(name: &str, list: &str, systemd: &Systemd) -> Option<Property> {
    if list.is_empty() || systemd.version < HAS_SETS {
        return None;
    }
    // A number that is out of range makes the write to the cgroup file fail, with its place.
    let mut bytes: Vec<u8> = cpu_set(list)?.bits.iter().flat_map(|word| word.to_le_bytes()).collect();
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(used);
    let items = bytes.into_iter().map(Value::Byte).collect();
    Some(Property::new(name, Value::Array { of: "y".to_owned(), items }))
}

/// Parses a value of a v2 file: a number, or `max`.
fn bytes(name: &str, text: &str) -> Option<Property> {
    let value = if text.trim() == "max" { u64::MAX } else { text.trim().parse().ok()? };
    Some(Property::new(name, Value::Uint64(value)))
}

/// Returns the properties for a file of `linux.resources.unified`. A value with another syntax gets none: the
/// kernel accepts or refuses it when the runtime writes the file.
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

/// Returns the properties of annotations. Their values are GVariants in text form, as runc and crun read
/// them.
pub(super) fn annotated(draft: &mut Draft, annotations: &BTreeMap<String, String>) -> Vec<Property> {
    let named = annotations.iter().filter_map(|(key, value)| Some((key, key.strip_prefix(PREFIX)?, value)));
    let mut all = Vec::new();
    for (key, name, text) in named {
        match property(name, text) {
            Ok(property) => all.push(property),
            Err(what) => draft.refuse(Place::keyed("annotations#", key), what),
        }
    }
    all
}

/// Parses a property. A name such as `TimeoutStopSec` is in seconds, as in a unit file. On the bus it is
/// `TimeoutStopUSec`, in microseconds (runc's docs/systemd.md).
fn property(name: &str, text: &str) -> Result<Property, String> {
    if name.len() < 3 || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(format!("{name:?} is not a property name"));
    }
    let value = gvariant::parse(text)?;
    match name.strip_suffix("Sec").filter(|stem| !stem.ends_with('U')) {
        Some(stem) => Ok(Property::new(&format!("{stem}USec"), microseconds(&value)?)),
        None => Ok(Property::new(name, value)),
    }
}

/// Converts a number of seconds of any type.
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
        Err("a time cannot be negative".to_owned())
    } else {
        Ok(Value::Uint64((seconds * 1e6) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{CgroupVersion, Hierarchy, Manager};
    use crate::spec::load_resources;

    fn systemd(version: u32) -> Systemd {
        Systemd { manager: Manager::System, version, cgroup: String::new() }
    }

    fn texts(properties: Vec<Property>) -> Vec<String> {
        properties.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_quota_is_rounded_up_to_whole_percents() {
        assert_eq!(
            texts(bandwidth(20_000, 100_000, &systemd(252))),
            ["CPUQuotaPeriodUSec=100000", "CPUQuotaPerSecUSec=200000"]
        );
        assert_eq!(texts(bandwidth(333, 1000, &systemd(241))), ["CPUQuotaPerSecUSec=340000"]);
        assert_eq!(texts(bandwidth(-1, 0, &systemd(252))), ["CPUQuotaPerSecUSec=infinity"]);
    }

    #[test]
    fn the_lowest_cpu_is_the_lowest_bit_of_the_first_byte() {
        let of = |list| set("AllowedCPUs", list, &systemd(252)).map(|property| property.to_string());
        assert_eq!(of("0").as_deref(), Some("AllowedCPUs=0x01"));
        assert_eq!(of("1,3,8-9").as_deref(), Some("AllowedCPUs=0x0a 0x03"));
        assert_eq!(of("17").as_deref(), Some("AllowedCPUs=0x00 0x00 0x02"));
        assert_eq!(set("AllowedCPUs", "0", &systemd(243)), None);
    }

    #[test]
    fn files_of_v2_become_properties() {
        let of = |file, value| texts(file_as_properties(file, value, &systemd(252)));
        assert_eq!(of("memory.max", "max"), ["MemoryMax=infinity"]);
        assert_eq!(of("pids.max", "42"), ["TasksMax=42"]);
        assert_eq!(of("cpu.max", "max 50000"), ["CPUQuotaPeriodUSec=50000", "CPUQuotaPerSecUSec=infinity"]);
        assert_eq!(of("cpu.idle", "1"), ["CPUWeight=0"]);
        assert_eq!(of("io.weight", "default 300"), ["IOWeight=300"]);
        assert_eq!(of("cpuset.cpus", "0-1"), ["AllowedCPUs=0x03"]);
        assert!(of("memory.oom.group", "1").is_empty() && of("memory.max", "lots").is_empty());
    }

    #[test]
    fn times_in_seconds_become_microseconds() {
        let of = |name, text| property(name, text).unwrap();
        assert_eq!(
            of("TimeoutStopUSec", "uint64 1234"),
            Property::new("TimeoutStopUSec", Value::Uint64(1234))
        );
        assert_eq!(of("TimeoutStopSec", "1.5"), Property::new("TimeoutStopUSec", Value::Uint64(1_500_000)));
        assert!(property("TimeoutStopSec", "'soon'").unwrap_err().contains("seconds"));
        assert!(property("a-b", "1").is_err() && property("ab", "1").is_err());
    }

    fn host(version: CgroupVersion) -> Host {
        let (mount, controllers) = ("/sys/fs/cgroup".to_owned(), Vec::new());
        Host { hierarchies: vec![Hierarchy { mount, version, controllers }], ..Host::default() }
    }

    fn limits_of(resources: &str, host: &Host, version: u32) -> Vec<String> {
        let resources = load_resources(resources.as_bytes()).unwrap();
        let mut draft = Draft::default();
        let properties = texts(limits(&mut draft, host, &systemd(version), &resources));
        properties.into_iter().chain(draft.warnings.iter().map(|warning| warning.what.clone())).collect()
    }

    // systemd.resource-control(5), CPUWeight=: "idle" since version 252, 0 on the bus.
    #[test]
    fn an_idle_cgroup_has_weight_0_since_systemd_252() {
        let (v1, v2) = (host(CgroupVersion::V1), host(CgroupVersion::V2));
        let idle = r#"{"cpu": {"idle": 1}}"#;
        assert_eq!(limits_of(idle, &v2, 252), ["CPUWeight=0"]);
        assert!(limits_of(idle, &v2, 251).is_empty() && limits_of(idle, &v1, 252).is_empty());
        assert!(limits_of(r#"{"cpu": {"idle": 0}}"#, &v2, 252).is_empty());
        let both = limits_of(r#"{"cpu": {"idle": 1, "shares": 1024}}"#, &v2, 252);
        assert_eq!(
            both,
            ["CPUWeight=0", "cannot set both the shares and idle: systemd has one property for both"]
        );
        assert_eq!(limits_of(r#"{"cpu": {"idle": 0, "shares": 1024}}"#, &v2, 252), ["CPUWeight=100"]);
        assert_eq!(limits_of(r#"{"cpu": {"idle": 1, "shares": 1024}}"#, &v1, 252), ["CPUShares=1024"]);
    }

    // config-linux.md, "Memory" and "PIDs": -1 is no limit. 0 is unset for memory, and 1 for pids, as with
    // runc.
    #[test]
    fn no_limit_is_infinity_and_zero_is_unset() {
        let (v1, v2) = (host(CgroupVersion::V1), host(CgroupVersion::V2));
        let none = r#"{"memory": {"limit": -1, "reservation": -1, "swap": -1}, "pids": {"limit": -1}}"#;
        let infinite =
            ["MemoryMax=infinity", "MemoryLow=infinity", "MemorySwapMax=infinity", "TasksMax=infinity"];
        assert_eq!(limits_of(none, &v2, 252), infinite);
        assert_eq!(limits_of(none, &v1, 252), ["MemoryLimit=infinity", "TasksMax=infinity"]);
        let zero = r#"{"memory": {"limit": 0, "reservation": 0, "swap": 0}, "cpu": {"shares": 0, "quota": 0, "period": 0},
            "blockIO": {"weight": 0}, "pids": {"limit": 0}}"#;
        assert_eq!(limits_of(zero, &v2, 252), ["TasksMax=1"]);
        assert_eq!(limits_of(zero, &v1, 252), ["TasksMax=1"]);
    }

    #[test]
    fn a_property_replaces_one_of_the_same_name() {
        let mut all = vec![Property::new("A", Value::Byte(1)), Property::new("B", Value::Byte(2))];
        put_all(&mut all, vec![Property::new("A", Value::Byte(3))]);
        assert_eq!(texts(all), ["B=0x02", "A=0x03"]);
    }

    #[test]
    fn times_in_seconds_may_have_any_number_type_but_no_sign() {
        let of = |text: &str| microseconds(&gvariant::parse(text).unwrap());
        for text in ["byte 2", "int16 2", "uint16 2", "2", "uint32 2", "int64 2", "uint64 2", "2.0"] {
            assert_eq!(of(text), Ok(Value::Uint64(2_000_000)), "{text}");
        }
        assert_eq!(of("0"), Ok(Value::Uint64(0)));
        assert_eq!(of("-1"), Err("a time cannot be negative".to_owned()));
    }
}
