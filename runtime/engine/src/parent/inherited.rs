//! The file descriptors that the caller passes to the container, counted before this program opens any of its own.

use crate::error::{Error, Result};
use std::sync::OnceLock;

/// The number of open file descriptors from 3 on, without a gap.
static COUNT: OnceLock<u32> = OnceLock::new();

/// Counts the file descriptors of the caller. It must run before this program opens a file: a file opened earlier takes the
/// next free number, and would be counted as the caller's.
pub fn note() {
    COUNT.get_or_init(|| {
        (3..1 << 20).take_while(|number| tare_sys::descriptors::is_open(*number)).count() as u32
    });
}

/// Checks that the caller has passed as many file descriptors as the container is to get. Any further number belongs to
/// this program and leads to the host (CVE-2024-21626).
///
/// # Errors
/// The first file descriptor that is missing, with runc's wording.
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
