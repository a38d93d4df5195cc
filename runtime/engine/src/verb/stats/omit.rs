//! Conditions for fields that the JSON leaves out, as in runc (`omitempty` of Go).

/// Whether a number is 0.
pub(super) fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Whether a value is missing.
pub(super) fn is_none<T>(value: &Option<T>) -> bool {
    value.is_none()
}
