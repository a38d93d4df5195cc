//! The system calls that rustix does not give safely; the only crate with unsafe code.
