//! Units of systemd's that are containers' cgroups: made, changed, and let go of.

use crate::error::{Error, Result};
use crate::systemd::bus::{Bus, Refusal};
use rustix::process::Pid;
use tare_plan::host::Manager;
use tare_plan::host::Systemd;
use tare_plan::place::Place;
use tare_plan::step::{ChangeUnit, Members, Property, StartUnit, Unit, Value};

/// What has to be known of systemd before a unit can be planned.
///
/// # Errors
/// When there is none, or it does not answer.
pub(crate) fn facts(manager: Manager) -> Result<Systemd> {
    let ask = || {
        let mut bus = Bus::connect(manager)?;
        Ok((bus.property("Version")?, bus.property("ControlGroup")?))
    };
    let (version, cgroup) = ask().map_err(|refusal| error("ask systemd for its version", refusal))?;
    // What a distribution calls its own follows the number, and some put a letter before it.
    let digits = version.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    let version = digits.get(..end).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    Ok(Systemd { manager, version, cgroup: cgroup.trim_end_matches('/').to_owned() })
}

fn error(act: &str, refusal: Refusal) -> Error {
    let (fault, text) = refusal.told();
    Error::acted(act, fault, text, Place::DEFAULT)
}

/// The error of a verb that systemd has not done.
pub(crate) fn refused(verb: &str, unit: &Unit, refusal: Refusal, because: Place) -> Error {
    let (fault, text) = refusal.told();
    Error::acted(format!("{verb} the unit {}", unit.name), fault, text, because)
}

/// Makes a unit with init in it, and waits until it is there.
///
/// A unit of the same name that has failed is forgotten first; one that lives is somebody else's.
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
        Err(refusal) if refusal.is(".UnitExists") && step.members == Members::None => Ok(()),
        Err(refusal) if refusal.is(".UnitExists") => {
            // What is there may be no more than the memory of a failure.
            let _ = bus.call("ResetFailedUnit", &[name(&step.unit)]);
            bus.job("StartTransientUnit", &arguments)
        }
        answer => answer,
    }
}

/// Tells systemd of other properties, until the unit is gone.
pub(crate) fn change(step: &ChangeUnit) -> std::result::Result<(), Refusal> {
    let mut bus = Bus::connect(step.unit.manager)?;
    let runtime = Value::Bool(true);
    bus.call("SetUnitProperties", &[name(&step.unit), runtime, list(step.properties.clone())]).map(drop)
}

/// Lets go of a unit, whose processes are gone, and forgets that it may have failed.
pub(crate) fn stop(unit: &Unit) -> std::result::Result<(), Refusal> {
    let mut bus = Bus::connect(unit.manager)?;
    bus.watch_jobs()?;
    match bus.job("StopUnit", &[name(unit), text("replace")]) {
        // systemd has noticed by itself.
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
