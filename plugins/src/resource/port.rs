//! The opening of a bridge port: the host end of a container's veth pair is set up.

use crate::error::{Code, Error, Result};
use crate::host::{Host, Side};

/// Sets the host end of the pair up, if it exists, and waits until frames pass between the bridge and `interface`, if
/// that is up.
///
/// This is the last step of an attachment. If the port were up before the other end, the kernel would open, close and
/// reopen it, each time with a walk through all ports of the bridge, and would drop the first packets of the container.
///
/// # Errors
/// The kernel's error; code 11: an end is not operational after some seconds.
pub(super) fn open(host: &mut Host, interface: Option<&str>) -> Result<()> {
    let Some(name) = host.host_end.clone() else { return Ok(()) };
    let port = host.link(Side::Host, &name)?.index;
    let Some(interface) = interface else { return host.route(Side::Host)?.set_up(port) };
    let inside = host.link(Side::Container, interface)?.index;
    // Before the container's first frames are flooded to all ports.
    host.close_sysctls();
    let mut monitor = host.monitor(Side::Container)?;
    host.route(Side::Host)?.set_up(port)?;
    // The kernel handles the carrier of both ends in one work item, and drops frames before that. The notification
    // about the container's end arrives in the container's namespace, where there are no notifications about other
    // containers.
    if monitor.until_operational(inside)? {
        return Ok(());
    }
    for (side, name) in [(Side::Host, name.as_str()), (Side::Container, interface)] {
        if !host.look_up(side, name)?.is_some_and(|link| link.is_operational()) {
            return Err(Error::new(Code::TryAgain, format!("bridge port in error state: {name} is not up")));
        }
    }
    Ok(())
}
