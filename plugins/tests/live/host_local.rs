//! `host-local`: leases that are unique, stored in the Go plugin's format, and survive crashes.

use crate::stage::{Namespace, Stage, address_of, can_run, ours, skip, theirs, with, with_result};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::Path;

fn config(stage: &Stage) -> Value {
    stage.config(
        r#"{"cniVersion": "1.0.0", "name": "net", "type": "host-local",
            "ipam": {"type": "host-local", "dataDir": "$dir", "subnet": "10.1.0.0/16"}}"#,
    )
}

/// Both host-local plugins, which must respect each other's leases; only ours if the Go plugin is not installed.
fn both() -> Vec<std::path::PathBuf> {
    let both = vec![ours(), theirs()];
    if !theirs().join("host-local").exists() {
        skip("the Go host-local of containernetworking-plugins is not installed; only ours is tried");
    }
    both.into_iter().filter(|directory| directory.join("host-local").exists()).collect()
}

#[test]
fn a_lease_is_a_file_in_the_go_plugins_format() {
    if !can_run() {
        return;
    }
    let mut seen = Vec::new();
    for plugins in both() {
        let (stage, netns) = (Stage::new(), Namespace::new());
        let mut config = config(&stage);
        config["ipam"]["ranges"] = json!([[{"subnet": "fd00:1::/64"}]]);
        config["ipam"]["routes"] = json!([{"dst": "192.168.0.0/16", "gw": "10.1.0.9"}]);
        let call = stage.call("ADD", &config).netns(&netns).plugins(&plugins);
        let result = call.succeed();
        let mut files: Vec<(String, String)> = std::fs::read_dir(stage.directory.join("net"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().is_file())
            .map(|entry| {
                (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        seen.push((result["ips"].clone(), result["routes"].clone(), files));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:#?}");
    let files = &seen[0].2;
    assert!(files.contains(&("10.1.0.2".into(), "c1\r\neth0".into())), "{files:?}");
    assert!(files.contains(&("last_reserved_ip.1".into(), "fd00:1::2".into())), "{files:?}");
}

#[test]
fn each_host_local_releases_the_leases_of_the_other() {
    if !can_run() {
        return;
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    let config = config(&stage);
    let all = both();
    for (number, giver) in all.iter().enumerate() {
        for taker in &all {
            let id = format!("c{number}");
            let add =
                |plugins: &Path| stage.call("ADD", &config).container(&id).netns(&netns).plugins(plugins);
            let result = add(giver).succeed();
            let (_, msg) = add(taker).fail();
            assert!(msg.contains("duplicate allocation is not allowed"), "{msg}");
            let other = stage.call("ADD", &config).container("other").netns(&netns).plugins(taker).succeed();
            assert_ne!(address_of(&result), address_of(&other));
            let checked = with_result(&config, &result);
            stage.call("CHECK", &checked).container(&id).netns(&netns).plugins(taker).succeed();
            for id in [id.as_str(), "other"] {
                stage.call("DEL", &config).container(id).netns(&netns).plugins(taker).succeed();
            }
            assert_eq!(stage.leases("net"), Vec::<String>::new());
        }
    }
}

#[test]
fn two_hundred_concurrent_adds_get_distinct_addresses() {
    if !can_run() {
        return;
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    let (stage, netns, config) = (&stage, &netns, &config(&stage));
    let mut addresses = Vec::new();
    std::thread::scope(|scope| {
        let add = |worker: usize| {
            let ids = (0..25).map(move |number| format!("c{worker}-{number}"));
            ids.map(|id| address_of(&stage.add(config, &id, netns))).collect::<Vec<_>>()
        };
        let workers: Vec<_> = (0..8).map(|worker| scope.spawn(move || add(worker))).collect();
        workers.into_iter().for_each(|worker| addresses.extend(worker.join().unwrap()));
    });
    assert_eq!(addresses.iter().collect::<HashSet<_>>().len(), 200);
    assert_eq!(stage.leases("net").len(), 200);
}

#[test]
fn a_released_address_is_the_last_to_be_reused() {
    if !can_run() {
        return;
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    let mut config = config(&stage);
    config["ipam"]["rangeEnd"] = json!("10.1.0.4");
    let given: Vec<String> = (0..5)
        .map(|_| {
            let address = address_of(&stage.add(&config, "c1", &netns));
            stage.del(&config, "c1", &netns);
            address
        })
        .collect();
    assert_eq!(given, ["10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.2", "10.1.0.3"]);
}

#[test]
fn an_empty_lease_of_a_crashed_writer_is_reused() {
    if !can_run() {
        return;
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    let config = config(&stage);
    std::fs::create_dir_all(stage.directory.join("net")).unwrap();
    std::fs::write(stage.directory.join("net/10.1.0.2"), "").unwrap();
    assert_eq!(address_of(&stage.add(&config, "c1", &netns)), "10.1.0.2");
    stage.del(&config, "c1", &netns);
    assert_eq!(stage.leases("net"), Vec::<String>::new());
}

#[test]
fn del_releases_leases_outside_of_the_current_ranges() {
    if !can_run() {
        return;
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    let config = config(&stage);
    stage.add(&config, "c1", &netns);
    let mut changed = config.clone();
    changed["ipam"] =
        json!({"type": "host-local", "dataDir": config["ipam"]["dataDir"], "subnet": "garbage"});
    assert_eq!(stage.call("ADD", &changed).container("c2").netns(&netns).fail().0, 7);
    stage.del(&changed, "c1", &netns);
    assert_eq!(stage.leases("net"), Vec::<String>::new());
    stage.del(&changed, "c1", &netns);
}

#[test]
fn leases_in_the_oldest_format_are_released() {
    if !can_run() {
        return;
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    std::fs::create_dir_all(stage.directory.join("net")).unwrap();
    std::fs::write(stage.directory.join("net/10.1.0.7"), "c1\n").unwrap();
    std::fs::write(stage.directory.join("net/10.1.0.8"), "c1\r\neth1").unwrap();
    stage.del(&config(&stage), "c1", &netns);
    assert_eq!(stage.leases("net"), ["10.1.0.8"]);
}

#[test]
fn an_exhausted_set_releases_the_leases_of_earlier_sets() {
    if !can_run() {
        return;
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    let mut config = config(&stage);
    config["ipam"]["ranges"] = json!([[{"subnet": "10.2.0.0/30", "rangeStart": "10.2.0.2"}]]);
    stage.add(&config, "c1", &netns);
    let (code, msg) = stage.call("ADD", &config).container("c2").netns(&netns).fail();
    let expected =
        "failed to allocate for range 1: no IP addresses available in range set: 10.2.0.2-10.2.0.2";
    assert_eq!((code, msg.as_str()), (101, expected));
    assert_eq!(stage.leases("net"), ["10.1.0.2", "10.2.0.2"]);
}

#[test]
fn requested_addresses_are_leased_or_refused_by_name() {
    if !can_run() {
        return;
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    let ask = |ips: Value| with(&config(&stage), "runtimeConfig", json!({"ips": ips}));
    assert_eq!(address_of(&stage.add(&ask(json!(["10.1.0.50/16"])), "c1", &netns)), "10.1.0.50");
    for (ips, msg) in [
        (
            json!(["10.1.0.50"]),
            "failed to allocate for range 0: requested IP address 10.1.0.50 is not available in range set 10.1.0.1-10.1.255.254",
        ),
        (json!(["10.1.0.1"]), "failed to allocate for range 0: requested ip 10.1.0.1 is subnet's gateway"),
        (json!(["10.1.0.60", "10.9.0.1"]), "failed to allocate all requested IPs: 10.9.0.1"),
    ] {
        assert_eq!(stage.call("ADD", &ask(ips)).container("c2").netns(&netns).fail().1, msg);
    }
    assert_eq!(stage.leases("net"), ["10.1.0.50"]);
    let conventional = with(&config(&stage), "args", json!({"cni": {"ips": ["10.1.0.51"]}}));
    assert_eq!(address_of(&stage.add(&conventional, "c3", &netns)), "10.1.0.51");
}

#[test]
fn dns_settings_come_from_the_configured_file() {
    if !can_run() {
        return;
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    let file = stage.directory.join("resolv.conf");
    std::fs::write(&file, b"# f\xfcr alle\nnameserver 10.0.0.53\nsearch example.org\n").unwrap();
    let mut config = config(&stage);
    config["ipam"]["resolvConf"] = json!(file.to_str().unwrap());
    let result = stage.add(&config, "c1", &netns);
    assert_eq!(result["dns"], json!({"nameservers": ["10.0.0.53"], "search": ["example.org"]}));
}

#[test]
fn invalid_configurations_are_refused_with_the_go_plugins_texts() {
    if !can_run() {
        return;
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    let data = config(&stage)["ipam"]["dataDir"].clone();
    let with_ranges =
        |ranges: Value| with(&config(&stage), "ipam", json!({"dataDir": data, "ranges": ranges}));
    let two = json!([[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.1.0.0/16"}]]);
    let old = with(
        &with_ranges(json!([[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.2.0.0/24"}]])),
        "cniVersion",
        json!("0.2.0"),
    );
    for (config, msg) in [
        (
            json!({"cniVersion": "1.0.0", "name": "net", "type": "host-local"}),
            "IPAM config missing 'ipam' key",
        ),
        (with_ranges(json!([])), "no IP ranges specified"),
        (with_ranges(json!([[]])), "invalid range set 0: empty range set"),
        (with_ranges(two), "range set 0 overlaps with 1"),
        (old, "CNI version 0.2.0 does not support more than 1 address per family"),
    ] {
        let (code, found) = stage.call("ADD", &config).netns(&netns).fail();
        assert_eq!((code, found.as_str()), (7, msg));
    }
    assert_eq!(std::fs::read_dir(&stage.directory).unwrap().count(), 0);
}

#[test]
fn gc_releases_leases_that_are_not_valid() {
    if !can_run() {
        return;
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    let config = with(&config(&stage), "cniVersion", json!("1.1.0"));
    for id in ["c1", "c2", "c3"] {
        stage.add(&config, id, &netns);
    }
    let gc = with(&config, "cni.dev/valid-attachments", json!([{"containerID": "c2", "ifname": "eth0"}]));
    stage.call("GC", &gc).succeed();
    assert_eq!(stage.leases("net"), ["10.1.0.3"]);
}

#[test]
fn costs_do_not_grow_with_the_leases() {
    if !can_run() {
        return;
    }
    if !Path::new("/usr/bin/strace").exists() {
        return skip("strace is not installed, by which system calls are counted");
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    let config = config(&stage);
    let calls = |command: &str| {
        let log = stage.directory.join("calls");
        let words = ["strace", "-qq", "-o", log.to_str().unwrap()].map(str::to_owned);
        assert!(
            stage.call(command, &config).container("last").netns(&netns).wrapped(&words).status.success()
        );
        std::fs::read_to_string(log).unwrap().lines().count()
    };
    // The first call creates the index, the second one finds it.
    stage.add(&config, "first", &netns);
    let few = (calls("ADD"), calls("DEL"));
    for number in 0..300 {
        std::fs::write(stage.directory.join(format!("net/10.1.9.{number}")), format!("x{number}\r\neth0"))
            .unwrap();
    }
    for number in 300..400 {
        stage.add(&config, &format!("x{number}"), &netns);
    }
    let many = (calls("ADD"), calls("DEL"));
    assert!(many.0 <= few.0 + 5 && many.1 <= few.1 + 5, "{few:?} became {many:?}");
    assert_eq!(stage.leases("net").len(), 101 + 256);
}

#[test]
fn a_wrong_index_is_not_trusted() {
    if !can_run() {
        return;
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    let config = config(&stage);
    let result = stage.add(&config, "c1", &netns);
    stage.add(&config, "c2", &netns);
    let link = stage.directory.join("net/.index/c1,eth0");
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("10.1.0.3 10.1.0.99", &link).unwrap();
    stage.call("CHECK", &with_result(&config, &result)).netns(&netns).succeed();
    stage.del(&config, "c1", &netns);
    assert_eq!(stage.leases("net"), ["10.1.0.3"], "what is released is what the leases say");
    std::fs::remove_dir_all(stage.directory.join("net/.index")).unwrap();
    stage.del(&config, "c2", &netns);
    assert_eq!(stage.leases("net"), Vec::<String>::new());
}
