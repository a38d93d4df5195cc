//! Docker's networks in the ways that people are taught them: modes, published ports, names and links.

use std::time::Duration;

use tests::engines::{Docker, Engine, Image, NAME};
use tests::{Call, Host, built, eventually, eventually_within};

use super::{ALONE, node};
use crate::networks::{Outside, SERVER, fetches};

fn gets(docker: &Docker<'_>, options: &[&str], address: &str) -> bool {
    docker.container(&[&["--rm"], options].concat(), &["wget", "-qO-", address]).out.contains("hello from")
}

#[test]
fn ports_are_published_in_every_way() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    let outside = Outside::of(&host);
    outside.serve();
    let options =
        ["-d", "--name", "web", "-p", "18080:80", "-p", "127.0.0.1:18081:80", "-p", "18082-18083:80-81"];
    let _ = docker.container(&options, SERVER).ok();
    eventually("it answers", || fetches("127.0.0.1:18080"));
    for at in ["192.0.2.1:18080", "127.0.0.1:18081", "127.0.0.1:18082"] {
        assert!(fetches(at), "{at}");
    }
    assert!(outside.fetches("192.0.2.1:18080") && !outside.fetches("192.0.2.1:18081"));
    assert!(docker.ok(&["port", "web", "81"]).contains("0.0.0.0:18083"));
    // A neighbour by the host's port, and the container itself by its own.
    assert!(gets(&docker, &[], "http://172.17.0.1:18080/"));
    assert!(docker.ok(&["exec", "web", "wget", "-qO-", "http://172.17.0.1:18080/"]).contains("hello"));
    let left = docker.container(&["--rm"], &["nc", "192.0.2.2", "90"]).ok().out;
    assert!(left.contains("from 192.0.2.1"), "what leaves has the host's address: {left}");
    let any = ["-d", "--name", "any", "--expose", "80", "-P"];
    let _ = docker.container(&any, SERVER).ok();
    let free = docker.ok(&["port", "any", "80"]);
    let port = free.lines().next().unwrap().rsplit(':').next().unwrap().to_string();
    eventually("a free port answers", || fetches(&format!("127.0.0.1:{port}")));
    let udp = ["-d", "--name", "udp", "-p", "18085:53/udp"];
    let _ = docker.container(&udp, &["payload", "serve-udp", "53", "by datagram"]).ok();
    let ask = || {
        let words = ["fetch", "udp://127.0.0.1:18085"];
        Call::new(built().join("tare-payload"), host.files()).args(words).run().out
    };
    // One that is lost is waited for.
    eventually_within(Duration::from_secs(20), "datagrams are answered", || ask().contains("by datagram"));
    docker.ok(&["rm", "-f", "web", "any", "udp"]);
    assert!(!fetches("127.0.0.1:18080"));
    outside.leave(&host);
}

#[test]
fn a_container_is_one_end_of_a_pair_on_a_bridge() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    let _ = docker.container(&["-d", "--name", "one"], &["sleep", "100"]).ok();
    let inside = |file: &str| docker.ok(&["exec", "one", "cat", &format!("/sys/class/net/eth0/{file}")]);
    let links = host.tool(&["ip", "-o", "link", "show", "type", "veth"]).out;
    assert!(links.starts_with(&format!("{}: ", inside("iflink"))), "{links}");
    assert!(
        links.contains(&format!("@if{}", inside("ifindex"))) && links.contains("master docker0"),
        "{links}"
    );
    let route = docker.ok(&["exec", "one", "ip", "route"]);
    assert!(route.contains("default via 172.17.0.1"), "{route}");
    assert_eq!(docker.ok(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", "one"]), "172.17.0.2");
    assert_eq!(docker.ok(&["inspect", "-f", "{{.NetworkSettings.MacAddress}}", "one"]), inside("address"));
    docker.ok(&["rm", "-f", "one"]);
}

#[test]
fn links_name_the_other_in_one_direction() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    let _ = docker.container(&["-d", "--name", "web"], SERVER).ok();
    let _ = docker
        .container(&["-d", "--name", "asks", "--link", "web", "--link", "web:alias"], &["sleep", "100"])
        .ok();
    for name in ["web", "alias"] {
        let address = format!("http://{name}/");
        eventually("it answers by name", || {
            docker.run(&["exec", "asks", "wget", "-qO-", &address]).code == 0
        });
    }
    let hosts = docker.ok(&["exec", "asks", "cat", "/etc/hosts"]);
    assert!(hosts.lines().any(|line| line.contains("alias") && line.contains("web")), "{hosts}");
    let back = docker.ok(&["exec", "web", "cat", "/etc/hosts"]);
    assert!(!back.contains("asks"), "{back}");
    assert_ne!(docker.run(&["exec", "web", "ping", "-c", "1", "-W", "1", "asks"]).code, 0);
    // Without a link no container has a name on the default network.
    assert!(!gets(&docker, &[], "http://web/"));
    docker.ok(&["rm", "-f", "web", "asks"]);
}

#[test]
fn named_networks_have_their_addresses_names_and_walls() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    let first = [
        "network",
        "create",
        "-d",
        "bridge",
        "--subnet",
        "10.78.0.0/24",
        "--gateway",
        "10.78.0.254",
        "first",
    ];
    docker.ok(&first);
    docker.ok(&["network", "create", "--subnet", "10.79.0.0/24", "second"]);
    let listed = docker.ok(&["network", "ls", "--format", "{{.Name}} {{.Driver}}"]);
    for line in ["bridge bridge", "host host", "none null", "first bridge", "second bridge"] {
        assert!(listed.lines().any(|told| told == line), "{listed}");
    }
    let gateway = "{{(index .IPAM.Config 0).Gateway}}";
    assert_eq!(docker.ok(&["network", "inspect", "-f", gateway, "first"]), "10.78.0.254");
    let web = ["-d", "--name", "web", "--network", "first", "--ip", "10.78.0.77", "--network-alias", "shop"];
    let _ = docker.container(&web, SERVER).ok();
    assert!(docker.ok(&["exec", "web", "ip", "route"]).contains("default via 10.78.0.254"));
    for name in ["web", "shop", "10.78.0.77"] {
        assert!(gets(&docker, &["--network", "first"], &format!("http://{name}/")), "{name}");
    }
    let apart = |network: &str| {
        let words = ["ping", "-c", "1", "-W", "1", "10.78.0.77"];
        docker.container(&["--rm", "--network", network], &words).code != 0
    };
    assert!(apart("second") && apart("bridge") && !apart("first"), "networks do not reach each other");
    let _ = docker.container(&["-d", "--name", "asks", "--network", "second"], &["sleep", "100"]).ok();
    docker.ok(&["network", "connect", "--alias", "late", "second", "web"]);
    assert!(docker.ok(&["exec", "asks", "wget", "-qO-", "http://late/"]).contains("hello"));
    let reaches = || docker.run(&["exec", "asks", "ping", "-c", "1", "-W", "1", "10.79.0.3"]).code == 0;
    assert!(reaches());
    docker.ok(&["network", "disconnect", "second", "web"]);
    assert!(!reaches());
    docker.ok(&["rm", "-f", "web", "asks"]);
    docker.ok(&["network", "rm", "first", "second"]);
}

#[test]
fn a_shared_network_outlives_who_joined_it() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    let id = docker.ok(&["run", "-d", NAME, "httpd", "-f", "-p", "127.0.0.1:80", "-h", "/www"]);
    let shared = format!("container:{id}");
    for _ in 0..2 {
        assert!(gets(&docker, &["--network", &shared], "http://127.0.0.1/"), "over its loopback");
    }
    // The other way round as well: the second goes on to serve on what is left of the first's network.
    let second = ["-d", "--name", "second", "--network", &shared];
    let _ = docker.container(&second, &["httpd", "-f", "-p", "127.0.0.1:81", "-h", "/www"]).ok();
    docker.ok(&["kill", &id]);
    assert!(docker.ok(&["exec", "second", "wget", "-qO-", "http://127.0.0.1:81/"]).contains("hello"));
    docker.ok(&["rm", "-f", "second", &id]);
    // Of the host: its ports are the host's.
    let _ = docker
        .container(
            &["-d", "--name", "there", "--network", "host"],
            &["httpd", "-f", "-p", "18099", "-h", "/www"],
        )
        .ok();
    eventually("it answers on the host", || fetches("127.0.0.1:18099"));
    docker.ok(&["rm", "-f", "there"]);
    let alone = docker.container(&["--rm", "--network", "none"], &["ip", "-o", "link"]).ok().out;
    assert!(alone.contains("lo:") && !alone.contains("eth"), "{alone}");
}
