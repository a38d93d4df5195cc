//! Switches of the host's kernel that attachments share, such as forwarding; never turned back.

use crate::declaration::{Resource, Undo};
use crate::error::Result;
use crate::host::{Host, Side, Sysctl};

/// Sysctls of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctls(pub Vec<Sysctl>);

impl Resource for Sysctls {
    fn add(&self, host: &mut Host) -> Result<Undo> {
        host.set_sysctls(Side::Host, &self.0).map(|()| Undo::Nothing)
    }

    fn check(&self, host: &mut Host) -> Result<()> {
        host.check_sysctls(&self.0)
    }
}
