//! `host-device`: moves an interface of the host into a container.

use crate::address::Cidr;
use crate::declaration::{Declaration, Plugin};
use crate::dns::Dns;
use crate::error::{Code, Error, Result};
use crate::host::Side;
use crate::ipam::Ipam;
use crate::json::Section;
use crate::request::{Command, Request};
use crate::resource::{ContainerInterface, Device, DuplicateDetection, MovedDevice};
use crate::result::AddResult;
use crate::rtnetlink::parse_mac;
use std::cell::Cell;
use std::path::{Component, Path, PathBuf};

/// The plugin.
#[derive(Clone, Copy, Debug)]
pub struct HostDevice;

/// The checked configuration.
#[derive(Clone, Debug, Default)]
pub struct Config {
    device: Option<Device>,
    dns: Dns,
}

impl Plugin for HostDevice {
    const NAME: &'static str = "host-device";
    type Config = Config;

    fn read(request: &Request) -> Result<Config> {
        let root = request.root()?;
        Ok(Config { device: Some(read_device(&root)?), dns: Dns::read(&root.section("dns")?)? })
    }

    fn unreadable() -> Config {
        Config::default()
    }

    fn ipam(request: &Request) -> Result<Ipam> {
        Ipam::of(request)
    }

    fn declare(config: &Config, request: &Request, mut outcome: AddResult) -> Result<Declaration> {
        let name = request.attachment.interface.clone();
        let reported =
            outcome.interfaces.iter().find(|listed| listed.name == name && !listed.sandbox.is_empty());
        let moved = MovedDevice {
            device: config.device.clone(),
            interface: name.clone(),
            reported: reported.map(|listed| listed.mac.clone()),
            was_up: Cell::new(false),
        };
        request.keep_own(&mut outcome);
        outcome.ips.iter_mut().for_each(|ip| ip.interface = Some(0));
        if request.command == Command::Add {
            outcome.dns = config.dns.clone();
        }
        let addresses: Vec<Cidr> = outcome.ips.iter().map(|ip| ip.address).collect();
        let interface = ContainerInterface {
            name: name.clone(),
            addresses,
            routes: outcome.routes_with_gateways(),
            detection: DuplicateDetection::AsSet,
            up: true,
        };
        Ok(Declaration::resulting_in(outcome).with(moved).with(interface).listing(Side::Container, name))
    }
}

const PCI: &str = "/sys/bus/pci/devices";
const AUXILIARY: &str = "/sys/bus/auxiliary/devices";
/// Drivers of user space programs. A device with one of them has no network interface to move.
const USERSPACE_DRIVERS: [&str; 3] = ["vfio-pci", "uio_pci_generic", "igb_uio"];

/// Reads the first key with a value. The runtime's device is another PCI address.
fn read_device(root: &Section<'_>) -> Result<Device> {
    let [name, hwaddr, kernelpath] = [root.text("device")?, root.text("hwaddr")?, root.text("kernelpath")?];
    let (given, pci) = (root.section("runtimeConfig")?.text("deviceID")?, root.text("pciBusID")?);
    match () {
        () if !name.is_empty() => Ok(Device::Name(name.to_owned())),
        () if !hwaddr.is_empty() => read_mac(hwaddr),
        () if !kernelpath.is_empty() => read_kernel_path(kernelpath),
        () if !given.is_empty() => find_given(given),
        () if !pci.is_empty() => find_pci(pci),
        () => {
            let msg = "specify either \"device\", \"hwaddr\", \"kernelpath\" or \"pciBusID\"";
            Err(Error::config(msg).about("device"))
        }
    }
}

fn read_mac(text: &str) -> Result<Device> {
    let invalid = || Error::config(format!("failed to parse MAC address \"{text}\"")).about("hwaddr");
    parse_mac(text).map(|mac| Device::Mac(mac.to_vec())).ok_or_else(invalid)
}

fn read_kernel_path(text: &str) -> Result<Device> {
    let path = Path::new(text);
    let climbs = path.components().any(|part| part == Component::ParentDir);
    match path.starts_with("/sys/devices") && path != Path::new("/sys/devices") && !climbs {
        true => Ok(Device::Sysfs(path.to_owned())),
        false => {
            let msg = format!("kernel device path \"{text}\" must be absolute and begin with /sys/devices/");
            Err(Error::config(msg).about("kernelpath"))
        }
    }
}

/// Finds `runtimeConfig.deviceID`: a PCI device or a device of the auxiliary bus.
fn find_given(id: &str) -> Result<Device> {
    if let Some(directory) = device_directory(PCI, id) {
        return refuse_userspace(&directory, id, "runtimeConfig.deviceID");
    }
    let missing = || {
        let msg = format!("runtime config DeviceID {id} not found or unsupported");
        Error::config(msg).about("runtimeConfig.deviceID")
    };
    device_directory(AUXILIARY, id).map(Device::Sysfs).ok_or_else(missing)
}

fn find_pci(id: &str) -> Result<Device> {
    let missing =
        || Error::config(format!("error with host device: there is no PCI device {id}")).about("pciBusID");
    refuse_userspace(&device_directory(PCI, id).ok_or_else(missing)?, id, "pciBusID")
}

/// Returns the sysfs directory of a device. The ID must be a plain name.
fn device_directory(bus: &str, id: &str) -> Option<PathBuf> {
    let plain = !id.contains('/') && id != "." && id != "..";
    Some(Path::new(bus).join(id)).filter(|path| plain && path.exists())
}

fn refuse_userspace(directory: &Path, id: &str, key: &str) -> Result<Device> {
    let driver = std::fs::read_link(directory.join("driver")).unwrap_or_default();
    let name = driver.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match USERSPACE_DRIVERS.contains(&name) {
        false => Ok(Device::Sysfs(directory.to_owned())),
        true => {
            let msg =
                format!("device {id} is bound to {name} for user space (DPDK): it has no interface to move");
            Err(Error::new(Code::Unsupported, msg).about(key))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_path_stays_below_sys_devices() {
        assert!(read_kernel_path("/sys/devices/pci0000:00/0000:00:03.0").is_ok());
        for bad in
            ["", "devices/x", "/sys/devices", "/sys/devices/", "/sys/devicesx/y", "/sys/devices/../../etc"]
        {
            assert!(read_kernel_path(bad).unwrap_err().msg.contains("must be absolute"), "{bad}");
        }
    }

    #[test]
    fn a_device_id_contains_no_path() {
        for bad in ["..", ".", "../devices", "no/such"] {
            assert_eq!(device_directory(PCI, bad), None, "{bad}");
        }
        let error = find_given("no-such").unwrap_err();
        assert_eq!(error.msg, "runtime config DeviceID no-such not found or unsupported");
    }
}
