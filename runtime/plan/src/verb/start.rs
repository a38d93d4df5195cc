//! The rest of a container's plan at `start`: the steps of init after its wait.

use crate::plan::Plan;
use crate::step::{InitStep, InitSync, Planned};

/// Returns the steps of init after its wait for `start`. When init reports a failure to `start`, it counts
/// from the first of them.
pub fn steps(plan: &Plan) -> &[Planned<InitStep>] {
    let waits =
        |planned: &Planned<InitStep>| matches!(planned.step, InitStep::Sync(InitSync::WaitForStart(_)));
    let after = plan.init.iter().position(waits).map_or(plan.init.len(), |at| at + 1);
    plan.init.get(after..).unwrap_or_default()
}
