//! Networks of engines by our plugins, by the Go ones, and by both in one chain: real requests are sent and answered.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tare_bundle::network::{inside, new_namespace};
use tests::engines::{Containerd, Engine, Image, Podman};
use tests::{Host, eventually};

/// Whose plugin is found first where both have one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whose {
    Ours,
    Go,
}
use Whose::{Go, Ours};

/// The plugins under test together with the Go ones, which also bring those that are not ours.
pub(crate) fn path(order: &[Whose]) -> Vec<PathBuf> {
    let of = |whose: &Whose| match whose {
        Ours => tests::plugins(),
        Go => vec![PathBuf::from("/usr/lib/cni")],
    };
    order.iter().flat_map(of).collect()
}

/// A directory in which the named plugins are ours and all others the Go ones.
pub(crate) fn mixed(host: &Host, ours: &[&str]) -> Vec<PathBuf> {
    let directory = host.files().join(format!("mixed-{}", ours.join("-")));
    std::fs::create_dir_all(&directory).unwrap();
    for entry in std::fs::read_dir("/usr/lib/cni").unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let program =
            if ours.contains(&name.as_str()) { tests::plugins()[0].join(&name) } else { entry.path() };
        std::os::unix::fs::symlink(program, directory.join(name)).unwrap();
    }
    vec![directory]
}

/// A machine outside, 192.0.2.2 to the host's 192.0.2.1.
pub(crate) struct Outside(File);

impl Outside {
    pub(crate) fn of(host: &Host) -> Self {
        let namespace = new_namespace().unwrap();
        let path = format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd());
        host.tool(&["ip", "link", "add", "out", "type", "veth", "peer", "name", "in", "netns", &path]);
        host.tool(&["ip", "addr", "add", "192.0.2.1/24", "dev", "out"]);
        host.tool(&["ip", "link", "set", "out", "up"]);
        inside(Some(&namespace), || {
            host.tool(&["ip", "addr", "add", "192.0.2.2/24", "dev", "in"]);
            host.tool(&["ip", "link", "set", "in", "up"]);
        })
        .unwrap();
        Self(namespace)
    }

    pub(crate) fn fetches(&self, address: &str) -> bool {
        inside(Some(&self.0), || fetches(address)).unwrap()
    }

    /// A server that answers each connection with the address that it came from; it ends with the test.
    pub(crate) fn serve(&self) {
        let listener =
            inside(Some(&self.0), || std::net::TcpListener::bind("192.0.2.2:90").unwrap()).unwrap();
        std::thread::spawn(move || {
            while let Ok((mut stream, peer)) = listener.accept() {
                let _ = writeln!(stream, "from {}", peer.ip());
            }
        });
    }

    pub(crate) fn leave(self, host: &Host) {
        host.tool(&["ip", "link", "delete", "out"]);
    }
}

/// Whether a web server of a container answers.
pub(crate) fn fetches(address: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let address: SocketAddr = address.parse().unwrap();
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(700))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.contains("hello from a container"))
}

pub(crate) const SERVER: &[&str] = &["httpd", "-f", "-p", "80", "-h", "/www"];

/// Whether nothing of any container is left in the tables of the kernel, nor a lease.
pub(crate) fn is_clean(host: &Host) {
    let rules = host.tool(&["nft", "list", "ruleset"]).out;
    assert!(!rules.contains("10.8") && !rules.contains("dport"), "{rules}");
    let leases = host.tool(&["find", "/var/lib/cni/networks", "-name", "10.*"]);
    assert_eq!(leases.out, "");
    assert_eq!(host.tool(&["ip", "-o", "link", "show", "type", "veth"]).out, "");
}

#[test]
fn podman_publishes_a_port_of_its_default_network() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    // 87-podman.conflist: bridge, portmap and host-local are ours, firewall and tuning the Go ones.
    let podman = Podman::start(&host, &path(&[Ours, Go]), &image);
    let outside = Outside::of(&host);
    outside.serve();
    podman.container(&["-d", "--name", "web", "-p", "8080:80", "-p", "127.0.0.1:8081:80/tcp"], SERVER).ok();
    let address = "{{.NetworkSettings.IPAddress}}";
    let address = podman.run(&["inspect", "--format", address, "web"]).ok().out.trim().to_owned();
    eventually("the server answers", || fetches(&format!("{address}:80")));
    for at in ["127.0.0.1:8080", "192.0.2.1:8080", "10.88.0.1:8080", "127.0.0.1:8081"] {
        assert!(fetches(at), "{at}");
    }
    assert!(outside.fetches("192.0.2.1:8080") && !outside.fetches("192.0.2.1:8081"));
    let other = |words: &[&str]| podman.container(&["--rm"], words).ok().out;
    assert!(other(&["wget", "-qO-", &format!("http://{address}/")]).contains("hello"));
    assert!(
        other(&["wget", "-qO-", "http://10.88.0.1:8080/"]).contains("hello"),
        "a neighbour by the host's port"
    );
    assert!(
        other(&["nc", "192.0.2.2", "90"]).contains("from 192.0.2.1"),
        "what leaves has the host's address"
    );
    podman.run(&["rm", "-f", "-t", "0", "web"]).ok();
    assert!(!fetches("127.0.0.1:8080"));
    outside.leave(&host);
    is_clean(&host);
}

#[test]
fn podman_makes_networks_with_subnets_gateways_and_addresses_of_choice() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let podman = Podman::start(&host, &path(&[Ours, Go]), &image);
    podman.run(&["network", "create", "--subnet", "10.81.0.0/24", "--gateway", "10.81.0.254", "first"]).ok();
    podman.run(&["network", "create", "--subnet", "10.82.0.0/24", "second"]).ok();
    let chosen = [
        "-d",
        "--name",
        "web",
        "--network",
        "first",
        "--ip",
        "10.81.0.77",
        "--mac-address",
        "02:11:22:33:44:55",
    ];
    podman.container(&chosen, SERVER).ok();
    eventually("the server answers", || fetches("10.81.0.77:80"));
    let shown = podman.run(&["exec", "web", "ip", "addr", "show", "eth0"]).ok().out;
    assert!(shown.contains("10.81.0.77/24") && shown.contains("02:11:22:33:44:55"), "{shown}");
    let route = podman.run(&["exec", "web", "ip", "route"]).ok().out;
    assert!(route.contains("default via 10.81.0.254"), "{route}");
    // One container on both, one on each.
    let both = podman.container(
        &["--rm", "--network", "first", "--network", "second"],
        &["sh", "-c", "ip -o -4 addr; wget -qO- http://10.81.0.77/"],
    );
    let both = both.ok().out;
    assert!(both.contains("10.81.0.") && both.contains("10.82.0.2/24") && both.contains("hello"), "{both}");
    podman.run(&["network", "connect", "second", "web"]).ok();
    eventually("the server answers on the second network", || {
        fetches("10.82.0.3:80") || fetches("10.82.0.2:80")
    });
    podman.run(&["network", "disconnect", "first", "web"]).ok();
    assert!(!fetches("10.81.0.77:80"));
    podman.run(&["rm", "-f", "-t", "0", "web"]).ok();
    for name in ["first", "second"] {
        podman.run(&["network", "rm", name]).ok();
    }
    is_clean(&host);
}

#[test]
fn either_bridge_and_portmap_work_with_either_host_local() {
    // The whole list by the Go plugins would leave rules of nftables; each of ours is one of the mixture in turn.
    for ours in
        [&["bridge", "portmap"][..], &["host-local"], &["bridge", "host-local", "loopback"], &["portmap"]]
    {
        let host = Host::for_engines();
        let image = Image::make(&host);
        let podman = Podman::start(&host, &mixed(&host, ours), &image);
        podman.container(&["-d", "--name", "web", "-p", "8080:80"], SERVER).ok();
        eventually("the server answers", || fetches("127.0.0.1:8080"));
        assert!(fetches("10.88.0.1:8080"), "{ours:?}");
        let neighbour = podman.container(&["--rm"], &["wget", "-qO-", "http://10.88.0.1:8080/"]).ok().out;
        assert!(neighbour.contains("hello"), "{ours:?}");
        podman.run(&["rm", "-f", "-t", "0", "web"]).ok();
        assert!(!fetches("127.0.0.1:8080"), "{ours:?}");
        let leases = host.tool(&["find", "/var/lib/cni/networks", "-name", "10.*"]).out;
        assert_eq!(leases, "", "{ours:?}");
        drop(podman);
        // The Go plugins leave a lock.
        let _ = std::fs::remove_file("/run/xtables.lock");
    }
}

fn list(plugins: &Value) -> Value {
    json!({"cniVersion": "1.0.0", "name": "ctr", "plugins": plugins})
}

#[test]
fn ctr_connects_a_container_and_disconnects_it() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    for order in [[Ours, Go], [Go, Ours]] {
        let containerd = Containerd::start(&host, &path(&order), &image);
        containerd.network(&list(&json!([
            {"type": "bridge", "bridge": "ctr0", "isDefaultGateway": true, "ipMasq": true, "hairpinMode": true,
             "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.83.0.0/24"}]]}},
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ])));
        let outside = Outside::of(&host);
        outside.serve();
        let id = host.id();
        let mut server = containerd.container(&id, &["--rm", "--cni"], SERVER).spawn();
        eventually("the server answers", || fetches("10.83.0.2:80"));
        let other = host.id();
        let fetched =
            containerd.container(&other, &["--rm", "--cni"], &["wget", "-qO-", "http://10.83.0.2/"]);
        assert!(fetched.run().ok().out.contains("hello"), "{order:?}");
        let third = host.id();
        let left = containerd.container(&third, &["--rm", "--cni"], &["nc", "192.0.2.2", "90"]).run().ok();
        assert!(left.out.contains("from 192.0.2.1"), "{order:?} {}", left.out);
        containerd.run(&["task", "kill", "-s", "SIGKILL", &id]).ok();
        assert_eq!(server.wait().code, 137);
        outside.leave(&host);
        if matches!(order, [Ours, _]) {
            is_clean(&host);
        }
        drop(containerd);
        std::fs::remove_dir_all("/var/lib/cni/networks").unwrap();
        let _ = std::fs::remove_file("/run/xtables.lock");
    }
}
