//! User and group ids. 4294967295 is none: chown(2) and setresuid(2) read it as "leave unchanged".

use std::fmt;

use super::decode::{Decode, Parsed, Scalar};
use super::mistake::{Place, Report};
use super::values::Integers;

/// The highest id. The number above it is -1 in the kernel's types: "leave unchanged".
const HIGHEST: u32 = u32::MAX - 1;

macro_rules! id {
    ($(#[$about:meta])* $id:ident $noun:literal) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $id(u32);

        impl $id {
            /// The id of root, which is also the default of a process (`User` in the Go package of the
            /// specification).
            pub const ROOT: Self = Self(0);

            /// Makes an id; `None` for 4294967295.
            pub const fn new(number: u32) -> Option<Self> {
                if number <= HIGHEST { Some(Self(number)) } else { None }
            }

            /// Returns the number, 0 to 4294967294.
            pub const fn get(self) -> u32 {
                self.0
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl serde::Serialize for $id {
            fn serialize<S: serde::Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
                writer.serialize_u32(self.0)
            }
        }

        impl Decode for $id {
            const EXPECTED: &'static str = concat!("a ", $noun);

            fn absent() -> Option<Self> {
                Some(Self::ROOT)
            }

            fn scalar(value: Scalar<'_>, at: &Place<'_>, report: &mut Report) -> Parsed<Self> {
                let range = 0..=i128::from(HIGHEST);
                Integers { noun: $noun, expected: Self::EXPECTED, range }.read(value, at, report).map(Self)
            }
        }
    };
}

id! {
    /// A user id in the container's user namespace.
    Uid "uid"
}

id! {
    /// A group id in the container's user namespace.
    Gid "gid"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_for_leave_unchanged_is_refused() {
        assert_eq!(Uid::new(u32::MAX), None);
        assert_eq!(Gid::new(u32::MAX - 1).map(Gid::get), Some(4_294_967_294));
    }
}
