//! The operations: state, create, start, kill and delete, by runtime.md.

use crate::check::Check;
use crate::runtime::stage::Stage;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "state-needs-an-id",
        place: "runtime.md#query-state",
        sentence: "This operation MUST generate an error if it is not provided the ID of a container.",
        run: |bed| Stage::new(bed)?.refuses(&["state"]),
    },
    Check {
        name: "state-of-nothing",
        place: "runtime.md#query-state",
        sentence: "Attempting to query a container that does not exist MUST generate an error.",
        run: |bed| Stage::new(bed)?.refuses(&["state", "no-such-container"]),
    },
    Check {
        name: "start-needs-an-id",
        place: "runtime.md#start",
        sentence: "This operation MUST generate an error if it is not provided the container ID.",
        run: |bed| Stage::new(bed)?.refuses(&["start"]),
    },
];
