//! The program inside the example bundles.
fn main() {}
