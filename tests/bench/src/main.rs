//! Measures runtimes and plugins side by side.
fn main() {}
