//! A cluster: two Docker daemons on two machines of this one, joined to a swarm.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::AsRawFd as _;

use tare_bundle::network::{inside, new_namespace};
use tests::engines::{Docker, Engine, Image, NAME, Node};
use tests::{Call, Host, eventually, eventually_within};

/// How long a task may take to come up: each waits for a registry that is not there.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

fn tasks(manager: &Docker<'_>, service: &str) -> Vec<String> {
    let format = "{{.Node}} {{.CurrentState}}";
    let listed =
        manager.run(&["service", "ps", "--filter", "desired-state=running", "--format", format, service]).out;
    listed.lines().filter(|line| line.contains("Running")).map(str::to_string).collect()
}

fn runs(manager: &Docker<'_>, service: &str, count: usize) {
    eventually_within(PATIENCE, "all tasks run", || tasks(manager, service).len() == count);
}

/// The network namespace of another machine, 192.0.2.2 to the host's 192.0.2.1.
fn second_machine(host: &Host) -> File {
    let other = new_namespace().unwrap();
    let path = format!("/proc/{}/fd/{}", std::process::id(), other.as_raw_fd());
    host.tool(&["ip", "link", "add", "node0", "type", "veth", "peer", "name", "node1", "netns", &path]);
    host.tool(&["ip", "addr", "add", "192.0.2.1/24", "dev", "node0"]);
    host.tool(&["ip", "link", "set", "node0", "up"]);
    inside(Some(&other), || {
        host.tool(&["ip", "link", "set", "lo", "up"]);
        host.tool(&["ip", "addr", "add", "192.0.2.2/24", "dev", "node1"]);
        host.tool(&["ip", "link", "set", "node1", "up"]);
    })
    .unwrap();
    other
}

/// A name under an address that refuses at once: no test waits for a registry.
const LOCAL: &str = "127.0.0.1:5000/tare-test:1";

/// Joins the two to a swarm, whose nodes tell often that they live, so that it is soon seen when one does not.
fn join(manager: &Docker<'_>, worker: &Docker<'_>) {
    let own = ["--advertise-addr", "192.0.2.1", "--listen-addr", "192.0.2.1:2377"];
    manager.ok(&[&["swarm", "init", "--dispatcher-heartbeat", "2s"], &own[..]].concat());
    let token = manager.ok(&["swarm", "join-token", "-q", "worker"]);
    worker.ok(&["swarm", "join", "--advertise-addr", "192.0.2.2", "--token", &token, "192.0.2.1:2377"]);
    let nodes = || manager.ok(&["node", "ls", "--format", "{{.Status}}"]);
    eventually_within(PATIENCE, "both nodes are ready", || nodes() == "Ready\nReady");
}

/// Six web servers on an overlay network. Process 1 does not mind SIGTERM: each has a second.
fn serve(manager: &Docker<'_>) {
    manager.ok(&["network", "create", "-d", "overlay", "over"]);
    let name = ["service", "create", "-d", "--name", "web", "--stop-grace-period", "1s"];
    let network = ["--network", "over", "--endpoint-mode", "dnsrr", "--replicas", "6", LOCAL];
    manager.ok(&[&name[..], &network, &["httpd", "-f", "-p", "80", "-h", "/www"]].concat());
    runs(manager, "web", 6);
}

/// The service's containers of this daemon: both daemons have the machine's host name, each counts its own.
fn own(docker: &Docker<'_>) -> Vec<String> {
    let listed = docker.ok(&["ps", "-q", "--filter", "label=com.docker.swarm.service.name=web"]);
    listed.lines().map(str::to_string).collect()
}

/// How many addresses the service's name has inside one of its containers.
fn resolved(docker: &Docker<'_>, from: &str) -> usize {
    let told = docker.run(&["exec", from, "nslookup", "tasks.web"]).out;
    let addresses = told.lines().filter_map(|line| line.strip_prefix("Address")?.split_whitespace().last());
    let all: BTreeSet<&str> = addresses.filter(|address| !address.contains("127.0.0.11")).collect();
    all.len()
}

fn answers(docker: &Docker<'_>, from: &str, name: &str) -> bool {
    let address = format!("http://{name}/");
    docker.run(&["exec", from, "wget", "-qO-", &address]).out.contains("hello from a container")
}

/// How many of its containers have what the update brought.
fn updated(docker: &Docker<'_>) -> usize {
    let has = |task: &String| docker.run(&["exec", task, "env"]).out.contains("ROUND=2");
    own(docker).iter().filter(|task| has(task)).count()
}

#[test]
fn a_service_is_spread_scaled_updated_and_survives_a_node() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let other = second_machine(&host);
    let options = &["--bip", "172.31.0.1/24"];
    let manager = Docker::start(&host, Node { name: "manager", network: None, options }, &image);
    let options = &["--bip", "172.31.1.1/24"];
    let mut worker = Docker::start(&host, Node { name: "worker", network: Some(other), options }, &image);
    for docker in [&manager, &worker] {
        docker.ok(&["tag", NAME, LOCAL]);
    }
    join(&manager, &worker);
    serve(&manager);
    assert_eq!(own(&manager).len() + own(&worker).len(), 6);
    let told = || manager.ok(&["service", "ps", "--no-trunc", "web"]);
    assert!(!own(&manager).is_empty() && !own(&worker).is_empty(), "{}", told());
    let first = own(&manager).remove(0);
    eventually("the name resolves to all", || resolved(&manager, &first) == 6);
    eventually("a task answers by the service's name", || answers(&manager, &first, "tasks.web"));
    // Those of the other machine answer over the overlay.
    for task in own(&worker) {
        let address = worker.ok(&["inspect", "-f", "{{.NetworkSettings.Networks.over.IPAddress}}", &task]);
        eventually("a task of the other node answers", || answers(&manager, &first, &address));
    }
    manager.ok(&["service", "scale", "-d", "web=3"]);
    runs(&manager, "web", 3);
    manager.ok(&["service", "update", "-d", "--env-add", "ROUND=2", "--update-delay", "0s", "web"]);
    eventually_within(PATIENCE, "all tasks are updated", || updated(&manager) + updated(&worker) == 3);
    runs(&manager, "web", 3);
    assert!(!own(&worker).is_empty(), "there is something to be lost");
    // The node is lost: its tasks come up on the other one.
    worker.crash();
    eventually_within(PATIENCE, "all tasks run on what is left", || updated(&manager) == 3);
    let left = own(&manager).remove(0);
    eventually("the service answers", || answers(&manager, &left, "tasks.web"));
    manager.ok(&["service", "rm", "web"]);
    eventually_within(PATIENCE, "the tasks are gone", || own(&manager).is_empty());
    worker.boot();
    for docker in [&worker, &manager] {
        docker.run(&["swarm", "leave", "--force"]).ok();
    }
    drop(worker);
    drop(manager);
    // It has gone with the other machine, or goes now.
    let _ = Call::new("ip", host.files()).args(["link", "delete", "node0"]).run();
}
