//! The port by which a container is connected to a bridge: the host's end of its veth pair, when it is opened.

use crate::error::{Code, Error, Result};
use crate::host::{Host, Side};

/// Sets the host's end of the pair up, if there is one on this host, and waits until frames pass between the bridge and
/// `interface`, if that is up.
///
/// It is the last thing of an attachment. A port that is up before the other end is opened, closed and opened again,
/// each time with a walk through all ports of the bridge; and what the container sends by itself, it sends when it can
/// be heard.
///
/// # Errors
/// The kernel's; code 11: an end is not operational after some seconds.
pub(super) fn open(host: &mut Host, interface: Option<&str>) -> Result<()> {
    let Some(name) = host.host_end.clone() else { return Ok(()) };
    let port = host.link(Side::Host, &name)?.index;
    let Some(interface) = interface else { return host.route(Side::Host)?.set_up(port) };
    let inside = host.link(Side::Container, interface)?.index;
    // The container's first frames go to all others.
    host.close_sysctls();
    let mut monitor = host.monitor(Side::Container)?;
    host.route(Side::Host)?.set_up(port)?;
    // The kernel notes in a task of its own that the ends are connected, both at once, and drops what is sent before. Of
    // the container's it tells in the container alone, where nobody else has anything to tell.
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
