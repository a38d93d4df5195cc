//! The unit of systemd's that a container's cgroup is, where systemd makes it: its name, its slice, its place in the hierarchy.

use super::properties;
use crate::context::Context;
use crate::draft::Draft;
use crate::host::Manager;
use crate::host::{Host, Systemd};
use crate::place::Place;
use crate::spec::Spec;
use crate::step::{Members, Property, StartUnit, Unit, Value};

/// The part of a name that says who made the unit, where the configuration does not.
const PREFIX: &str = "tare";

/// The longest name of a unit (`UNIT_NAME_MAX`).
const NAME_MAX: usize = 255;

/// A unit and where it is.
pub(super) struct Located {
    /// Its name.
    pub(super) name: String,
    /// The slice above it.
    slice: String,
    /// Its directory, relative to the mount of each hierarchy.
    pub(super) path: String,
    /// Whether it is a scope, or a slice itself.
    pub(super) kind: Kind,
}

/// A kind of unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Processes that somebody else has started.
    Scope,
    /// A group of units, which holds processes only because a container is put there.
    Slice,
}

/// Finds the unit that `cgroupsPath` means: `SLICE:PREFIX:NAME`. Without one it is called after the container.
pub(super) fn locate(spec: &Spec, host: &Host, systemd: &Systemd, id: &str) -> Result<Located, String> {
    let given = spec.linux.cgroups_path.as_deref().filter(|path| !path.is_empty());
    let parts: Vec<&str> = given.map_or_else(|| vec!["", PREFIX, id], |path| path.split(':').collect());
    let &[slice, prefix, name] = parts.as_slice() else {
        let given = given.unwrap_or_default();
        return Err(format!(
            "expected \"slice:prefix:name\" for a cgroup of systemd's, got {given:?} instead"
        ));
    };
    let slice = match slice {
        "" if systemd.manager == Manager::User && host.is_unified() => "user.slice",
        "" => "system.slice",
        "-" => "-.slice",
        slice => slice,
    };
    let above = expand(slice).ok_or_else(|| format!("invalid slice name {slice:?}"))?;
    let (name, kind) = if name.ends_with(".slice") {
        (name.to_owned(), Kind::Slice)
    } else {
        (format!("{prefix}-{name}.scope"), Kind::Scope)
    };
    check_name(&name)?;
    let below = match kind {
        Kind::Scope => format!("{above}{name}"),
        Kind::Slice => {
            let path = expand(&name).filter(|path| !path.is_empty());
            path.ok_or_else(|| format!("invalid slice name {name:?}"))?.trim_end_matches('/').to_owned()
        }
    };
    let path = format!("{}/{below}", systemd.cgroup).trim_start_matches('/').to_owned();
    Ok(Located { name, slice: slice.to_owned(), path, kind })
}

/// The directories of a slice, each with a slash behind it: `a-b.slice` lies in `a.slice` (systemd.slice(5)).
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

/// A unit's name has letters, digits and `:-_.\@` (systemd.unit(5)).
fn check_name(name: &str) -> Result<(), String> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    match name.bytes().find(|byte| !known(*byte)) {
        Some(_) => Err(format!("{name:?} is no name of a unit: expected letters, digits and any of :-_.\\@")),
        None if name.len() > NAME_MAX => {
            Err(format!("the unit's name {name:?} is longer than {NAME_MAX} bytes"))
        }
        None => Ok(()),
    }
}

/// Plans the request to systemd.
pub(super) fn start(draft: &mut Draft, context: &Context<'_>, systemd: &Systemd, located: &Located) {
    let place = Place::of("linux.cgroupsPath");
    let text = |text: &str| Value::Text(text.to_owned());
    let mut properties = vec![
        Property::new("Description", Value::Text(format!("tare container {}", context.request.id))),
        match located.kind {
            Kind::Scope => Property::new("Slice", text(&located.slice)),
            Kind::Slice => Property::new("Wants", Value::texts([located.slice.as_str()])),
        },
    ];
    if located.kind == Kind::Scope {
        // Without this systemd would move the processes, and change the limits, as it sees fit.
        properties.push(Property::new("Delegate", Value::Bool(true)));
    }
    properties.push(Property::new("DefaultDependencies", Value::Bool(false)));
    properties.extend(properties::accounting(context.host));
    properties::put_all(&mut properties, properties::devices(context));
    properties::put_all(
        &mut properties,
        properties::limits(draft, context.host, systemd, &context.spec.linux.resources),
    );
    properties::put_all(&mut properties, properties::asked(draft, &context.spec.annotations));
    let members = if located.kind == Kind::Scope { Members::Init } else { Members::None };
    let unit = Unit { name: located.name.clone(), manager: systemd.manager };
    draft.group(StartUnit { unit, members, properties }, place);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_lies_in_those_that_its_name_begins_with() {
        assert_eq!(expand("a-b-c.slice").unwrap(), "a.slice/a-b.slice/a-b-c.slice/");
        assert_eq!(expand("user-1000.slice").unwrap(), "user.slice/user-1000.slice/");
        assert_eq!(expand("-.slice").unwrap(), "");
        for wrong in ["a", ".slice", "a/b.slice", "-a.slice", "a-.slice", "a--b.slice"] {
            assert_eq!(expand(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_are_those_of_units() {
        assert_eq!(check_name("tare-box.scope"), Ok(()));
        assert!(check_name("tare-a+b.scope").unwrap_err().contains("no name of a unit"));
        assert!(check_name(&format!("{}.scope", "a".repeat(250))).unwrap_err().contains("longer"));
    }
}
