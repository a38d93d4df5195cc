//! Networks of pods by our plugins, alone and together with the Go ones: real requests are sent and answered.

use std::path::PathBuf;

use serde_json::{Value, json};
use tests::engines::cri::message::{
    DnsConfig, ListPodSandboxRequest, ListPodSandboxResponse, PodSandboxConfig, PortMapping, Protocol,
};
use tests::engines::cri::{Pod, container};
use tests::engines::{Cri, Image};
use tests::{Host, eventually};

use crate::networks::{Outside, SERVER, fetches, is_clean, mixed};

/// What a node's network usually is: a bridge, and ports published when a pod asks for it.
pub(super) fn list(ranges: &Value) -> Value {
    json!({"cniVersion": "1.0.0", "name": "pods", "plugins": [
        {"type": "bridge", "bridge": "pods0", "isDefaultGateway": true, "ipMasq": true, "hairpinMode": true,
         "ipam": {"type": "host-local", "ranges": [[ranges]]}},
        {"type": "portmap", "capabilities": {"portMappings": true}},
    ]})
}

fn published(mut config: PodSandboxConfig) -> PodSandboxConfig {
    let port = |host_port: i32, host_ip: &str| PortMapping {
        protocol: Protocol::Tcp.into(),
        container_port: 80,
        host_port,
        host_ip: host_ip.to_string(),
    };
    config.port_mappings = vec![port(18082, ""), port(18083, "127.0.0.1")];
    config
}

fn address(cri: &Cri<'_>, pod: &Pod) -> String {
    cri.pod_status(pod).network.unwrap().ip
}

/// Pods that serve and ask, in all the ways that a node has, and their end.
fn serves(host: &Host, cri: &Cri<'_>) {
    cri.network(&list(&json!({"subnet": "10.84.0.0/24"})));
    let outside = Outside::of(host);
    outside.serve();
    let web = cri.run_pod(&published(cri.pod("web")));
    let _ = cri.run(&web, container("server", SERVER));
    let own = address(cri, &web);
    assert!(own.starts_with("10.84.0."), "{own}");
    eventually("the server answers", || fetches(&format!("{own}:80")));
    for at in ["127.0.0.1:18082", "192.0.2.1:18082", "10.84.0.1:18082", "127.0.0.1:18083"] {
        assert!(fetches(at), "{at}");
    }
    assert!(outside.fetches("192.0.2.1:18082") && !outside.fetches("192.0.2.1:18083"));
    let mut asks = cri.pod("asks");
    asks.dns_config = Some(DnsConfig {
        servers: vec!["192.0.2.53".to_string()],
        searches: vec!["cluster.local".to_string()],
        options: vec!["ndots:5".to_string()],
    });
    asks.linux.as_mut().unwrap().sysctls.insert("net.ipv4.ip_unprivileged_port_start".into(), "81".into());
    let asks = cri.run_pod(&asks);
    let id = cri.run(&asks, container("client", &["sleep", "100"]));
    for at in [format!("{own}:80"), "10.84.0.1:18082".to_string(), "192.0.2.1:18082".to_string()] {
        assert!(cri.exec(&id, &["wget", "-qO-", &format!("http://{at}/")]).contains("hello"), "{at}");
    }
    assert!(
        cri.exec(&id, &["nc", "192.0.2.2", "90"]).contains("from 192.0.2.1"),
        "what leaves has the host's address"
    );
    // Its own published port, from inside, goes out and comes back.
    let server = cri.run(&web, container("inside", &["sleep", "100"]));
    assert!(cri.exec(&server, &["wget", "-qO-", "http://10.84.0.1:18082/"]).contains("hello"));
    assert!(cri.exec(&server, &["wget", "-qO-", "http://127.0.0.1/"]).contains("hello"));
    assert_eq!(cri.exec(&id, &["hostname"]), "asks");
    let resolver = cri.exec(&id, &["cat", "/etc/resolv.conf"]);
    for line in ["nameserver 192.0.2.53", "search cluster.local", "options ndots:5"] {
        assert!(resolver.contains(line), "{resolver}");
    }
    assert_eq!(cri.exec(&id, &["cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"]), "81");
    cri.tell("StopPodSandbox", &web.id);
    assert!(!fetches("127.0.0.1:18082") && !fetches(&format!("{own}:80")));
    cri.tell("StopPodSandbox", &web.id);
    cri.tell("RemovePodSandbox", &web.id);
    cri.end_pod(&asks);
    outside.leave(host);
}

fn nothing_is_left(host: &Host) {
    std::fs::create_dir_all("/var/lib/cni/networks").unwrap();
    is_clean(host);
    let left: Vec<_> = std::fs::read_dir("/run/netns").into_iter().flatten().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn pods_reach_each_other_the_host_and_what_is_outside() {
    let host = Host::for_engines();
    let cri = Cri::start(&host, &tests::plugins()[0], &Image::make(&host));
    serves(&host, &cri);
    nothing_is_left(&host);
}

#[test]
fn pods_reach_each_other_by_a_mixture_of_plugins() {
    for ours in [&["bridge", "portmap"][..], &["host-local", "loopback"]] {
        let host = Host::for_engines();
        let plugins: Vec<PathBuf> = mixed(&host, ours);
        let cri = Cri::start(&host, &plugins[0], &Image::make(&host));
        serves(&host, &cri);
        let leases = host.tool(&["find", "/var/lib/cni/networks", "-name", "10.*"]).out;
        assert_eq!(leases, "", "{ours:?}");
        drop(cri);
        // The Go plugins leave a lock.
        let _ = std::fs::remove_file("/run/xtables.lock");
    }
}

#[test]
fn pods_of_the_host_have_its_network_and_its_name() {
    let host = Host::for_engines();
    let cri = Cri::start(&host, &tests::plugins()[0], &Image::make(&host));
    let pod = cri.run_pod(&cri.host_pod("on-host"));
    let id = cri.run(&pod, container("one", &["httpd", "-f", "-p", "18090", "-h", "/www"]));
    eventually("it answers at the host's address", || fetches("127.0.0.1:18090"));
    let here = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(cri.exec(&id, &["hostname"]), here.trim());
    // A pod that wants a network where there is none is refused. containerd keeps it, to be removed when there is one.
    let refused = cri.try_pod(&cri.pod("alone")).unwrap_err();
    assert!(refused.message.contains("network"), "{refused:?}");
    cri.network(&list(&json!({"subnet": "10.84.0.0/24"})));
    let kept: ListPodSandboxResponse = cri.ok("ListPodSandbox", &ListPodSandboxRequest::default());
    for pod in kept.items {
        cri.tell("StopPodSandbox", &pod.id);
        cri.tell("RemovePodSandbox", &pod.id);
    }
    nothing_is_left(&host);
}

#[test]
fn pods_with_networks_outlive_their_daemon() {
    let host = Host::for_engines();
    let mut cri = Cri::start(&host, &tests::plugins()[0], &Image::make(&host));
    cri.network(&list(&json!({"subnet": "10.85.0.0/24"})));
    let web = cri.run_pod(&published(cri.pod("web")));
    let _ = cri.run(&web, container("server", SERVER));
    let own = address(&cri, &web);
    eventually("the server answers", || fetches(&format!("{own}:80")));
    cri.daemon().crash();
    assert!(fetches("127.0.0.1:18082") && fetches(&format!("{own}:80")));
    cri.daemon().boot();
    eventually("the network is ready", || cri.is_ready("NetworkReady"));
    assert_eq!(address(&cri, &web), own);
    let second = cri.run_pod(&cri.pod("second"));
    assert_ne!(address(&cri, &second), own);
    for pod in [&second, &web] {
        cri.end_pod(pod);
    }
    assert!(!fetches("127.0.0.1:18082"));
    nothing_is_left(&host);
}
