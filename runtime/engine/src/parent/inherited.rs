//! The descriptors that the caller has handed on, counted before this program has opened any of its own.

use crate::error::{Error, Result};
use std::sync::OnceLock;

/// How many there are from number 3 on without a gap.
static COUNT: OnceLock<u32> = OnceLock::new();

/// Counts them. It has to be called first of all: what is opened later takes the next free number, and would pass for the
/// caller's.
pub fn note() {
    COUNT.get_or_init(|| {
        (3..1 << 20).take_while(|number| tare_sys::descriptors::is_open(*number)).count() as u32
    });
}

/// Makes sure that the caller has handed on as many as the container is to get. A number that is not the caller's would be one
/// of this program's own, which leads to the host (CVE-2024-21626).
///
/// # Errors
/// The first that is missing, in the words of runc.
pub(crate) fn check(wanted: u32) -> Result<()> {
    let there = COUNT.get().copied().unwrap_or(0);
    if wanted <= there {
        return Ok(());
    }
    let missing = there.saturating_add(3);
    Err(Error::Usage(format!("unable to stat preserved-fd {missing} (of {wanted}): bad file descriptor")))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_was_not_counted_is_not_the_callers() {
        assert!(check(0).is_ok());
        assert!(check(u32::MAX).unwrap_err().to_string().contains("preserved-fd"));
    }
}
