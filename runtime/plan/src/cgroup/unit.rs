//! The systemd unit of a container, with the systemd cgroup manager: its name, its slice, and its directory.

use super::device_properties::device_properties;
use super::properties;
use crate::context::Context;
use crate::draft::Draft;
use crate::host::{Host, Manager, Systemd};
use crate::place::Place;
use crate::spec::Spec;
use crate::step::{Members, Property, StartUnit, Unit, Value};

/// The default prefix of a scope's name, without `cgroupsPath`. It names the runtime.
const PREFIX: &str = "tare";

/// The longest name of a unit (`UNIT_NAME_MAX` of systemd).
const NAME_MAX: usize = 255;

/// A unit and its directory.
pub(super) struct UnitLocation {
    /// Its name.
    pub(super) name: String,
    /// Its slice.
    slice: String,
    /// Its directory, relative to the mount of each hierarchy.
    pub(super) path: String,
    /// Its kind.
    pub(super) kind: UnitKind,
}

/// A kind of unit (systemd.unit(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnitKind {
    /// A scope: systemd takes over processes that another program has started.
    Scope,
    /// A slice: systemd puts units into it, and no processes. The runtime does, if `cgroupsPath` names a
    /// slice.
    Slice,
}

/// Finds the unit that `cgroupsPath` names as `SLICE:PREFIX:NAME`. The default name is the container ID, with
/// the prefix.
pub(super) fn locate(spec: &Spec, host: &Host, systemd: &Systemd, id: &str) -> Result<UnitLocation, String> {
    let given = spec.linux.cgroups_path.as_deref().filter(|path| !path.is_empty());
    let parts: Vec<&str> = given.map_or_else(|| vec!["", PREFIX, id], |path| path.split(':').collect());
    let &[slice, prefix, name] = parts.as_slice() else {
        let given = given.unwrap_or_default();
        // runc's wording.
        return Err(format!(
            "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got {given:?} instead"
        ));
    };
    let slice = match slice {
        // The defaults of runc. The root slice is written `-`.
        "" if systemd.manager == Manager::User && host.is_unified() => "user.slice",
        "" => "system.slice",
        "-" => "-.slice",
        slice => slice,
    };
    // The slice of a scope is its parent directory. The slice of a slice follows from its own name.
    let above = expand(slice).ok_or_else(|| format!("invalid slice name {slice:?}"))?;
    let (name, kind) = if name.ends_with(".slice") {
        (name.to_owned(), UnitKind::Slice)
    } else {
        (format!("{prefix}-{name}.scope"), UnitKind::Scope)
    };
    check_name(&name)?;
    let below = match kind {
        UnitKind::Scope => format!("{above}{name}"),
        UnitKind::Slice => {
            let path = expand(&name).filter(|path| !path.is_empty());
            path.ok_or_else(|| format!("invalid slice name {name:?}"))?.trim_end_matches('/').to_owned()
        }
    };
    let path = format!("{}/{below}", systemd.cgroup).trim_start_matches('/').to_owned();
    Ok(UnitLocation { name, slice: slice.to_owned(), path, kind })
}

/// Returns the directories of a slice, each with a slash after it: `a-b.slice` is in `a.slice`
/// (systemd.slice(5)).
fn expand(slice: &str) -> Option<String> {
    if slice == "-.slice" {
        return Some(String::new());
    }
    let stem = slice.strip_suffix(".slice").filter(|stem| !stem.is_empty() && !stem.contains('/'))?;
    let mut path = String::new();
    let mut end = 0;
    for part in stem.split('-') {
        if part.is_empty() {
            return None;
        }
        end += part.len();
        path.push_str(stem.get(..end)?);
        path.push_str(".slice/");
        end += 1;
    }
    Some(path)
}

/// Checks the name of a unit: letters, digits and `:-_.\@` (systemd.unit(5)).
fn check_name(name: &str) -> Result<(), String> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    match name.bytes().find(|byte| !known(*byte)) {
        Some(_) => Err(format!("{name:?} is not a unit name: expected letters, digits and any of :-_.\\@")),
        None if name.len() > NAME_MAX => {
            Err(format!("the unit name {name:?} is longer than {NAME_MAX} bytes"))
        }
        None => Ok(()),
    }
}

/// Plans the request to systemd to start the unit. Properties of annotations come last and override the
/// others, as with runc.
pub(super) fn start(draft: &mut Draft, context: &Context<'_>, systemd: &Systemd, location: &UnitLocation) {
    let place = Place::of("linux.cgroupsPath");
    let text = |text: &str| Value::Text(text.to_owned());
    let mut properties = vec![
        Property::new("Description", Value::Text(format!("tare container {}", context.request.id))),
        match location.kind {
            UnitKind::Scope => Property::new("Slice", text(&location.slice)),
            UnitKind::Slice => Property::new("Wants", Value::texts([location.slice.as_str()])),
        },
    ];
    if location.kind == UnitKind::Scope {
        // Without Delegate=, systemd may move the processes and change the limits
        // (systemd.resource-control(5)).
        properties.push(Property::new("Delegate", Value::Bool(true)));
    }
    // With them the unit would conflict with shutdown.target (systemd.scope(5)). runc turns them off too.
    properties.push(Property::new("DefaultDependencies", Value::Bool(false)));
    properties.extend(properties::accounting(context.host));
    properties::put_all(&mut properties, device_properties(context));
    properties::put_all(
        &mut properties,
        properties::limits(draft, context.host, systemd, &context.spec.linux.resources),
    );
    properties::put_all(&mut properties, properties::annotated(draft, &context.spec.annotations));
    let members = if location.kind == UnitKind::Scope { Members::Init } else { Members::None };
    let unit = Unit { name: location.name.clone(), manager: systemd.manager };
    draft.cgroup(StartUnit { unit, members, properties }, place);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_in_the_slices_that_its_name_starts_with() {
        assert_eq!(expand("a-b-c.slice").unwrap(), "a.slice/a-b.slice/a-b-c.slice/");
        assert_eq!(expand("user-1000.slice").unwrap(), "user.slice/user-1000.slice/");
        assert_eq!(expand("-.slice").unwrap(), "");
        for wrong in ["a", ".slice", "a/b.slice", "-a.slice", "a-.slice", "a--b.slice"] {
            assert_eq!(expand(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn unit_names_have_known_characters_and_a_limited_length() {
        assert_eq!(check_name("tare-box.scope"), Ok(()));
        assert!(check_name("tare-a+b.scope").unwrap_err().contains("not a unit name"));
        assert_eq!(check_name(&"a".repeat(255)), Ok(()));
        assert!(check_name(&"a".repeat(256)).unwrap_err().contains("longer"));
    }
}
