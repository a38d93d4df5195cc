//! Conformance checks for any runtime and any plugin directory.
fn main() {}
