//! What is left of a container's plan when `start` is called: the steps of init after it has waited.

use crate::plan::Plan;
use crate::step::{InitStep, InitSync, Planned};

/// The steps of init that follow its wait for `start`. Init counts from the first of them when it reports a failure to `start`.
pub fn steps(plan: &Plan) -> &[Planned<InitStep>] {
    let waits =
        |planned: &Planned<InitStep>| matches!(planned.step, InitStep::Sync(InitSync::WaitForStart(_)));
    let after = plan.init.iter().position(waits).map_or(plan.init.len(), |at| at + 1);
    plan.init.get(after..).unwrap_or_default()
}
