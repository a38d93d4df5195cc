//! User and group ids: numbers that can't be the kernel's "leave unchanged".

use std::fmt;

use super::decode::{Decode, Number, Slot};
use super::mistake::{Place, Report};
use super::values::whole;

/// The highest id: the one above it, all bits set, tells setresuid(2) and chown(2) to change nothing.
const HIGHEST: u32 = u32::MAX - 1;

macro_rules! id {
    ($(#[$about:meta])* $id:ident $noun:literal) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $id(u32);

        impl $id {
            /// The root id, which is also what an absent id of a process stands for.
            pub const ROOT: Self = Self(0);

            /// An id; `None` for 4294967295, with which the kernel's calls mean "unchanged".
            pub const fn new(number: u32) -> Option<Self> {
                if number <= HIGHEST { Some(Self(number)) } else { None }
            }

            /// The number, 0 to 4294967294.
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
            const WANTED: &'static str = concat!("a ", $noun);

            fn absent() -> Option<Self> {
                Some(Self::ROOT)
            }

            fn number(value: Number, at: &Place<'_>, report: &mut Report) -> Slot<Self> {
                whole(value, ($noun, 0, i128::from(HIGHEST)), at, report).map(Self)
            }
        }
    };
}

id! {
    /// A user id, as the document counts: in the container's user namespace, or on the host for mappings.
    Uid "uid"
}

id! {
    /// A group id, as the document counts: in the container's user namespace, or on the host for mappings.
    Gid "gid"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_that_means_unchanged_is_no_id() {
        assert_eq!(Uid::new(u32::MAX), None);
        assert_eq!(Gid::new(u32::MAX - 1).map(Gid::get), Some(4_294_967_294));
    }
}
