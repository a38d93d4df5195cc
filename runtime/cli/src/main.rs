//! The program `tare`.
fn main() {}
