//! Carries out plans: the only crate that changes the machine.
