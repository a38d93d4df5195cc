//! Steps on units of systemd.

use crate::host::Manager;
use std::fmt;

/// A unit: the cgroup that systemd makes and keeps for a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its name with its type, such as `web.scope`.
    pub name: String,
    /// The systemd instance that owns it.
    pub manager: Manager,
}

/// A transient unit to start.
#[derive(Debug)]
pub struct StartUnit {
    /// The unit.
    pub unit: Unit,
    /// The processes that are in it from the start.
    pub members: Members,
    /// Its properties.
    pub properties: Vec<Property>,
}

/// The processes of a new unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Members {
    /// Init: systemd moves it there. A scope must have a process.
    Init,
    /// None: systemd puts no process into a slice. A slice that exists already is used.
    None,
}

/// New properties of an existing unit.
#[derive(Debug)]
pub struct ChangeUnit {
    /// The unit.
    pub unit: Unit,
    /// The properties that change.
    pub properties: Vec<Property>,
}

/// A property of a unit (systemd.resource-control(5), org.freedesktop.systemd1(5)).
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// Its name on the bus.
    pub name: String,
    /// Its value.
    pub value: Value,
}

impl Property {
    /// A property.
    pub fn new(name: &str, value: Value) -> Self {
        Self { name: name.to_owned(), value }
    }
}

/// A value with a D-Bus type (D-Bus specification, "Type system").
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names are those of the specification")]
pub enum Value {
    Bool(bool),
    Byte(u8),
    Int16(i16),
    Uint16(u16),
    Int32(i32),
    Uint32(u32),
    Int64(i64),
    Uint64(u64),
    Double(f64),
    Text(String),
    ObjectPath(String),
    Signature(String),
    /// Items of one type. `of` is the signature of the type, for empty arrays.
    Array {
        of: String,
        items: Vec<Value>,
    },
    Struct(Vec<Value>),
    Variant(Box<Value>),
}

impl Value {
    /// An array of strings.
    pub fn texts<Item: Into<String>>(items: impl IntoIterator<Item = Item>) -> Self {
        let items = items.into_iter().map(|item| Self::Text(item.into())).collect();
        Self::Array { of: "s".to_owned(), items }
    }

    /// Its type signature.
    pub fn signature(&self) -> String {
        let letter = match self {
            Self::Bool(_) => "b",
            Self::Byte(_) => "y",
            Self::Int16(_) => "n",
            Self::Uint16(_) => "q",
            Self::Int32(_) => "i",
            Self::Uint32(_) => "u",
            Self::Int64(_) => "x",
            Self::Uint64(_) => "t",
            Self::Double(_) => "d",
            Self::Text(_) => "s",
            Self::ObjectPath(_) => "o",
            Self::Signature(_) => "g",
            Self::Variant(_) => "v",
            Self::Array { of, .. } => return format!("a{of}"),
            Self::Struct(items) => {
                let items: String = items.iter().map(Self::signature).collect();
                return format!("({items})");
            }
        };
        letter.to_owned()
    }
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |out: &mut fmt::Formatter<'_>, items: &[Self]| {
            items
                .iter()
                .enumerate()
                .try_for_each(|(at, item)| write!(out, "{}{item}", if at == 0 { "" } else { " " }))
        };
        match self {
            Self::Bool(value) => out.write_str(if *value { "yes" } else { "no" }),
            Self::Byte(value) => write!(out, "{value:#04x}"),
            Self::Int16(value) => write!(out, "{value}"),
            Self::Uint16(value) => write!(out, "{value}"),
            Self::Int32(value) => write!(out, "{value}"),
            Self::Uint32(value) => write!(out, "{value}"),
            Self::Int64(value) => write!(out, "{value}"),
            Self::Uint64(u64::MAX) => out.write_str("infinity"),
            Self::Uint64(value) => write!(out, "{value}"),
            Self::Double(value) => write!(out, "{value}"),
            Self::Text(text) | Self::ObjectPath(text) | Self::Signature(text) => out.write_str(text),
            Self::Array { items, .. } => list(out, items),
            Self::Struct(items) => {
                out.write_str("(")?;
                list(out, items)?;
                out.write_str(")")
            }
            Self::Variant(value) => value.fmt(out),
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}={}", self.name, self.value)
    }
}
