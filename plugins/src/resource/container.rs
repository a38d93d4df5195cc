//! The interface inside a container: sysctls, addresses and routes.

use super::{differs, port};
use crate::address::{Cidr, Family};
use crate::declaration::{Resource, Undo};
use crate::error::{Code, Error, Result};
use crate::host::{Host, Side};
use crate::result::Route;
use crate::rtnetlink::{Detection, InterfaceSetup, Link};
use crate::sysctl::{IfMissing, Sysctl};
use std::time::{Duration, Instant};

/// Whether the kernel runs duplicate address detection for the container's IPv6 addresses: `enabledad`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DuplicateDetection {
    /// Off: the addresses are leased, and usable at once.
    #[default]
    Off,
    /// On: the plugin waits for the end of the detection.
    On,
    /// As the kernel is configured, for networks beyond the host. The plugin waits for the end of the detection.
    AsSet,
}

/// The interface of an attachment. Its settings disappear together with the interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerInterface {
    /// The name inside the container.
    pub name: String,
    /// The addresses.
    pub addresses: Vec<Cidr>,
    /// The routes, with their gateways filled in.
    pub routes: Vec<Route>,
    /// The mode of duplicate address detection.
    pub detection: DuplicateDetection,
    /// Whether the interface is up.
    pub up: bool,
}

/// The time limit for duplicate address detection.
const DETECTED_WITHIN: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_micros(200);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

impl Resource for ContainerInterface {
    fn add(&self, host: &mut Host) -> Result<Undo> {
        let Some(link) = host.look_up(Side::Container, &self.name)? else {
            return Err(Error::new(Code::Io, format!("interface {} is not in the container", self.name)));
        };
        if !self.up {
            port::open(host, None)?;
            return Ok(Undo::Nothing);
        }
        let loopback =
            if self.has_v6() { host.link(Side::Container, super::LOOPBACK)? } else { Link::default() };
        let sysctls = self.sysctls(&link, &loopback);
        if !sysctls.is_empty() {
            host.set_sysctls(Side::Container, &sysctls)?;
        }
        // With accept_dad 0 the kernel would still delay each address until its detection work item runs.
        let detection = match self.detection {
            DuplicateDetection::Off => Detection::Skipped,
            DuplicateDetection::On | DuplicateDetection::AsSet => Detection::AsSet,
        };
        let (addresses, routes) = (&self.addresses, &self.routes);
        let setup = InterfaceSetup { index: link.index, addresses, detection, routes };
        host.route(Side::Container)?.set_up_interface(&setup)?;
        port::open(host, Some(&self.name))?;
        self.wait_for_detection(host, &link)?;
        Ok(Undo::Nothing)
    }

    fn check(&self, host: &mut Host) -> Result<()> {
        let link = host.link(Side::Container, &self.name)?;
        let present = host.route(Side::Container)?.addresses(link.index)?;
        let missing = |wanted: &&Cidr| !present.iter().any(|assigned| assigned.cidr == **wanted);
        if let Some(wanted) = self.addresses.iter().find(missing) {
            return Err(differs(format!("Failed to match addr {wanted} on interface {}", self.name)));
        }
        let connected = self.addresses.iter().map(|cidr| Route::new(cidr.network(), None));
        connected.chain(self.routes.iter().cloned()).try_for_each(|route| self.check_route(host, &route))
    }
}

impl ContainerInterface {
    fn has_v6(&self) -> bool {
        self.addresses.iter().any(|cidr| cidr.family() == Family::V6)
    }

    /// Set while the interface is down. The detection for the link-local address is off too: its solicitation would be
    /// flooded to all ports of the bridge.
    fn sysctls(&self, link: &Link, loopback: &Link) -> Vec<Sysctl> {
        let v6 = |interface: &str, key: &str| format!("net/ipv6/conf/{interface}/{key}");
        let detection: &[(&str, &'static str)] = match self.detection {
            DuplicateDetection::Off if !self.addresses.is_empty() => &[("accept_dad", "0")],
            DuplicateDetection::On if !self.addresses.is_empty() => {
                &[("enhanced_dad", "1"), ("accept_dad", "1")]
            }
            _ => &[],
        };
        let skipped =
            |(key, value): &(&str, &'static str)| Sysctl::new(v6(&self.name, key), value, IfMissing::Skip);
        let mut sysctls: Vec<Sysctl> = detection.iter().map(skipped).collect();
        if self.has_v6() {
            let disabled =
                [loopback, link].into_iter().filter(|link| link.inet6.is_some_and(|it| it.disable_ipv6 != 0));
            sysctls.extend(
                disabled.map(|link| Sysctl::new(v6(&link.name, "disable_ipv6"), "0", IfMissing::Skip)),
            );
            sysctls.push(Sysctl::new(v6(&self.name, "keep_addr_on_down"), "1", IfMissing::Refuse));
        }
        sysctls
    }

    fn wait_for_detection(&self, host: &mut Host, link: &Link) -> Result<()> {
        if !self.has_v6() || self.detection == DuplicateDetection::Off {
            return Ok(());
        }
        let error = || Error::new(Code::TryAgain, format!("the addresses of {} stay tentative", self.name));
        wait_until(error, || {
            let present = host.route(Side::Container)?.addresses(link.index)?;
            match present.iter().find(|assigned| assigned.is_taken()) {
                Some(taken) => Err(Error::new(
                    Code::TryAgain,
                    format!("address {} is in use by another host", taken.cidr),
                )),
                None => Ok(!present.iter().any(|assigned| assigned.is_tentative())),
            }
        })
    }

    /// Compares destination and gateway but not the interface, and of a default route only the destination: later
    /// plugins of the chain may move routes.
    fn check_route(&self, host: &mut Host, wanted: &Route) -> Result<()> {
        let any_gateway = wanted.dst.length == 0 || wanted.gw.is_none();
        let routes = host.route(Side::Container)?.routes(wanted.dst.family())?;
        match routes.iter().any(|found| found.dst == wanted.dst && (any_gateway || found.gw == wanted.gw)) {
            true => Ok(()),
            false => Err(differs(format!("Expected Route {} not found in routing table", wanted.dst))),
        }
    }
}

/// Polls with pauses that double, for some seconds at most.
fn wait_until(error: impl Fn() -> Error, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let (begin, mut pause) = (Instant::now(), FIRST_PAUSE);
    while !done()? {
        if begin.elapsed() > DETECTED_WITHIN {
            return Err(error());
        }
        std::thread::sleep(pause);
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
    Ok(())
}
