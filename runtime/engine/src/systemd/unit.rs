//! The systemd unit of a container, a transient scope or slice: started, changed and stopped (org.freedesktop.systemd1(5)).

use crate::error::{Error, Result};
use crate::systemd::bus::{Bus, Described, Refusal};
use rustix::process::Pid;
use tare_plan::host::Manager;
use tare_plan::host::Systemd;
use tare_plan::place::Place;
use tare_plan::step::{ChangeUnit, Members, Property, StartUnit, Unit, Value};

/// Asks a systemd instance for its version and its own cgroup, which a plan needs for the properties of a unit.
///
/// # Errors
/// When no systemd can be reached, or it does not answer in time.
pub(crate) fn facts(manager: Manager) -> Result<Systemd> {
    let ask = || {
        let mut bus = Bus::connect(manager)?;
        Ok((bus.property("Version")?, bus.property("ControlGroup")?))
    };
    let (version, cgroup) = ask().map_err(|refusal| error("ask systemd for its version", refusal))?;
    // Debian writes `252.31-1~deb12u1`, others `v252`: the version is the first number.
    let digits = version.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    let version = digits.get(..end).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    Ok(Systemd { manager, version, cgroup: cgroup.trim_end_matches('/').to_owned() })
}

fn error(act: &str, refusal: Refusal) -> Error {
    let Described { fault, text } = refusal.describe();
    Error::acted(act, fault, text, Place::DEFAULT)
}

/// Returns the error of a method that systemd has refused for a unit.
pub(crate) fn refused(verb: &str, unit: &Unit, refusal: Refusal, because: Place) -> Error {
    let Described { fault, text } = refusal.describe();
    Error::acted(format!("{verb} the unit {}", unit.name), fault, text, because)
}

/// Starts a transient unit with init in it, and waits until systemd's job is done.
///
/// A failed unit stays loaded under its name (systemctl(1), `reset-failed`). Such a unit is reset and the start repeated once. A
/// second refusal means that a running unit has the name.
pub(crate) fn start(step: &StartUnit, init: Pid) -> std::result::Result<(), Refusal> {
    let mut bus = Bus::connect(step.unit.manager)?;
    bus.watch_jobs()?;
    let mut properties = step.properties.clone();
    if step.members == Members::Init {
        let items = vec![Value::Uint32(init.as_raw_nonzero().get().cast_unsigned())];
        properties.push(Property::new("PIDs", Value::Array { of: "u".to_owned(), items }));
    }
    let none = Value::Array { of: "(sa(sv))".to_owned(), items: Vec::new() };
    let arguments = [name(&step.unit), text("replace"), list(properties), none];
    match bus.job("StartTransientUnit", &arguments) {
        // Several containers share a slice, so the slice may exist.
        Err(refusal) if refusal.is(".UnitExists") && step.members == Members::None => Ok(()),
        Err(refusal) if refusal.is(".UnitExists") => {
            // A refusal is no error here: the unit may be running, and then the next call reports that.
            let _ = bus.call("ResetFailedUnit", &[name(&step.unit)]);
            bus.job("StartTransientUnit", &arguments)
        }
        answer => answer,
    }
}

/// Sets properties of a unit. They last until the unit is stopped (`--runtime`), so no file is written below `/etc`.
pub(crate) fn change(step: &ChangeUnit) -> std::result::Result<(), Refusal> {
    let mut bus = Bus::connect(step.unit.manager)?;
    let runtime = Value::Bool(true);
    bus.call("SetUnitProperties", &[name(&step.unit), runtime, list(step.properties.clone())]).map(drop)
}

/// Stops a unit without processes and resets its failed state, so that the name is free again.
pub(crate) fn stop(unit: &Unit) -> std::result::Result<(), Refusal> {
    let mut bus = Bus::connect(unit.manager)?;
    bus.watch_jobs()?;
    match bus.job("StopUnit", &[name(unit), text("replace")]) {
        // systemd has collected the unit: its cgroup was empty.
        Err(refusal) if refusal.is(".NoSuchUnit") => {}
        answer => answer?,
    }
    match bus.call("ResetFailedUnit", &[name(unit)]) {
        Ok(_) | Err(Refusal::Refused(..)) => Ok(()),
        Err(refusal) => Err(refusal),
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn name(unit: &Unit) -> Value {
    text(&unit.name)
}

fn list(properties: Vec<Property>) -> Value {
    let pair = |property: Property| {
        Value::Struct(vec![Value::Text(property.name), Value::Variant(Box::new(property.value))])
    };
    Value::Array { of: "(sv)".to_owned(), items: properties.into_iter().map(pair).collect() }
}
