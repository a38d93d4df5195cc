//! Mistakes in namespaces, in the properties that need one, in id mappings, devices and cgroup limits.

use serde_json::{Value, json};

use super::{accepted, base, mistakes, put, refused};

// Without a namespace of its own the container would change the host. The messages are runc's.
#[test]
fn properties_of_a_namespace_need_it() {
    let without = |pointer: &str, value: Value, words: &str| {
        let mut document = base();
        put(&mut document, "/linux/namespaces", json!([]));
        put(&mut document, pointer, value);
        assert_eq!(mistakes(document.to_string().as_bytes()), [words], "{pointer}");
    };
    without(
        "/hostname",
        json!("a"),
        "unable to set hostname without a private UTS namespace, because of hostname",
    );
    without(
        "/domainname",
        json!("a"),
        "unable to set domainname without a private UTS namespace, because of domainname",
    );
    without(
        "/linux/timeOffsets",
        json!({ "boottime": {} }),
        "time namespace offsets specified, but time namespace isn't enabled in the config, because of linux.timeOffsets",
    );
    without(
        "/linux/maskedPaths",
        json!(["/x"]),
        "unable to restrict sys entries without a private MNT namespace, because of linux.maskedPaths",
    );
    without(
        "/linux/netDevices",
        json!({ "eth9": {} }),
        "unable to move network devices without a private NET namespace, because of linux.netDevices",
    );
    without(
        "/linux/sysctl",
        json!({ "kernel.msgmax": "1" }),
        "sysctl \"kernel.msgmax\" is not allowed in the hosts ipc namespace, because of linux.sysctl[\"kernel.msgmax\"]",
    );
    without(
        "/linux/sysctl",
        json!({ "fs.mqueue.msg_max": "1" }),
        "sysctl \"fs.mqueue.msg_max\" is not allowed in the hosts ipc namespace, because of linux.sysctl[\"fs.mqueue.msg_max\"]",
    );
    without(
        "/linux/sysctl",
        json!({ "net/ipv4/ip_forward": "1" }),
        "sysctl \"net.ipv4.ip_forward\" not allowed in host network namespace, because of linux.sysctl[\"net/ipv4/ip_forward\"]",
    );
    without(
        "/linux/sysctl",
        json!({ "kernel.domainname": "d" }),
        "sysctl \"kernel.domainname\" is not in a separate kernel namespace, because of linux.sysctl[\"kernel.domainname\"]",
    );
    let mapping = json!([{ "containerID": 0, "hostID": 0, "size": 1 }]);
    without(
        "/linux/uidMappings",
        mapping,
        "user namespace mappings specified, but user namespace isn't enabled in the config, because of linux.uidMappings",
    );
}

// config-linux.md, Namespaces: types are not repeated, paths are absolute.
#[test]
fn namespaces_are_listed_once_and_joined_by_absolute_paths() {
    let twice = json!([{ "type": "pid" }, { "type": "pid", "path": "/proc/1/ns/pid" }]);
    refused("/linux/namespaces", twice, "duplicated namespace \"pid\", because of linux.namespaces[1]");
    refused(
        "/linux/namespaces/0/path",
        json!("ns"),
        "\"ns\" is not an absolute path, because of linux.namespaces[0].path",
    );
    accepted("/linux/namespaces/0/path", json!(""));
    let joined = json!({ "namespaces": [{ "type": "time", "path": "/ns" }], "timeOffsets": { "boottime": { "secs": 1 } } });
    refused(
        "/linux",
        joined,
        "time namespace enabled, but both namespace path and time offsets specified -- you may only provide one, because of linux.timeOffsets",
    );
    let clocks = json!({ "namespaces": [{ "type": "time" }], "timeOffsets": { "realtime": { "secs": 1 } } });
    refused(
        "/linux",
        clocks,
        "unknown clock \"realtime\": expected \"monotonic\" or \"boottime\", because of linux.timeOffsets.realtime",
    );
}

// Only net, System V IPC, fs.mqueue and the domain name belong to a namespace (namespaces(7)).
#[test]
fn sysctls_outside_every_namespace_are_refused() {
    let separate = |name: &str| {
        format!("sysctl {name:?} is not in a separate kernel namespace, because of linux.sysctl[{name:?}]")
    };
    for name in ["kernel.core_pattern", "vm.swappiness", "fs.file-max", "kernel.shmmax2"] {
        refused("/linux/sysctl", json!({ name: "1" }), &separate(name));
    }
    for name in [
        "net.ipv4.ip_forward",
        "kernel.shmmax",
        "fs.mqueue.msg_max",
        "kernel.domainname",
        "net/ipv4/conf/eth0.1/forwarding",
    ] {
        accepted("/linux/sysctl", json!({ name: "1" }));
    }
    for name in ["net..x", "net/../kernel/core_pattern", "net.ipv4.a+b", "", "net.", "net/./x"] {
        refused(
            "/linux/sysctl",
            json!({ name: "1" }),
            &format!(
                "sysctl {name:?} is not the name of a kernel parameter, because of linux.sysctl[{name:?}]"
            ),
        );
    }
    refused(
        "/linux/sysctl",
        json!({ "kernel.hostname": "h" }),
        "sysctl \"kernel.hostname\" is not allowed as it conflicts with the OCI \"hostname\" field, because of linux.sysctl[\"kernel.hostname\"]",
    );
    let mut document = base();
    put(&mut document, "/domainname", json!("a"));
    put(&mut document, "/linux/sysctl", json!({ "kernel.domainname": "a" }));
    assert_eq!(mistakes(document.to_string().as_bytes()), [""; 0], "equal values do not conflict");
    put(&mut document, "/domainname", json!("b"));
    assert_eq!(mistakes(document.to_string().as_bytes()).len(), 1);
}

// user_namespaces(7), "Defining user and group ID mappings".
#[test]
fn id_mappings_do_not_overlap() {
    let user = |uids: Value| json!({ "namespaces": [{ "type": "user" }], "uidMappings": uids, "gidMappings": [{ "containerID": 0, "hostID": 0, "size": 1 }] });
    let range = |inside: u32, outside: u32, size: u32| json!({ "containerID": inside, "hostID": outside, "size": size });
    accepted("/linux", user(json!([range(0, 1000, 1), range(1, 5000, 10), range(11, 0, 5)])));
    accepted("/linux", user(json!([range(0, 0, u32::MAX)])));
    refused(
        "/linux",
        user(json!([range(0, 0, 1), range(1, 1, 0)])),
        "id mapping has size 0, because of linux.uidMappings[1].size",
    );
    refused(
        "/linux",
        user(json!([range(0, 0, 1), range(1, u32::MAX - 1, 2)])),
        "id mapping of 2 ids from 4294967294 runs past the last id, because of linux.uidMappings[1].hostID",
    );
    refused(
        "/linux",
        user(json!([range(0, 0, 10), range(9, 10, 1)])),
        "id mapping shares ids inside the container with the one at index 0, because of linux.uidMappings[1]",
    );
    refused(
        "/linux",
        user(json!([range(5, 100, 10), range(0, 109, 1)])),
        "id mapping shares ids on the host with the one at index 0, because of linux.uidMappings[1]",
    );
    refused(
        "/linux",
        user(json!([range(1, 0, 10)])),
        "cannot set uid to unmapped user 0 in user namespace, because of process.user.uid",
    );
    let many: Vec<_> = (0..341).map(|id| range(id, id, 1)).collect();
    refused(
        "/linux",
        user(json!(many)),
        "341 id mappings are more than the kernel takes, 340, because of linux.uidMappings",
    );
    refused(
        "/linux",
        json!({ "namespaces": [{ "type": "user" }] }),
        "user namespaces enabled, but no namespace path to join nor mappings to apply specified, because of linux.namespaces",
    );
    accepted("/linux", json!({ "namespaces": [{ "type": "user", "path": "/proc/1/ns/user" }] }));
}

// config-linux.md, Devices and Allowed Device list.
#[test]
fn device_numbers_are_in_range() {
    refused(
        "/linux/devices",
        json!([{ "type": "c", "path": "/dev/x", "major": 1 }]),
        "minor number is missing: a device of type c needs it, because of linux.devices[0].minor",
    );
    refused(
        "/linux/devices",
        json!([{ "type": "b", "path": "/dev/x", "major": 4096, "minor": 0 }]),
        "major number 4096 is out of range: expected 0 to 4095, because of linux.devices[0].major",
    );
    refused(
        "/linux/devices",
        json!([{ "type": "p", "path": "fifo" }]),
        "\"fifo\" is not an absolute path, because of linux.devices[0].path",
    );
    accepted("/linux/devices", json!([{ "type": "p", "path": "/fifo" }]));
    refused(
        "/linux/resources/devices",
        json!([{ "allow": true, "type": "x" }]),
        "invalid device type \"x\": expected \"a\", \"b\" or \"c\", because of linux.resources.devices[0].type",
    );
    refused(
        "/linux/resources/devices",
        json!([{ "allow": true, "access": "rx" }]),
        "invalid device access \"rx\": expected letters of \"rwm\", because of linux.resources.devices[0].access",
    );
    accepted("/linux/resources/devices", json!([{ "allow": false, "access": "rwm", "major": -1 }]));
}

// config-linux.md, Network Devices; dev_valid_name in the kernel.
#[test]
fn network_device_names_follow_the_rules_of_the_kernel() {
    for name in ["", "a/b", "a b", "..", "a:b", "sixteen-letters-"] {
        let words = format!("invalid network device name {name:?}, because of linux.netDevices.eth9");
        let mut document = base();
        put(&mut document, "/linux/netDevices", json!({ "eth9": { "name": name } }));
        let expected = if name.is_empty() { vec![] } else { vec![words] };
        assert_eq!(mistakes(document.to_string().as_bytes()), expected, "an empty name means absent");
    }
    let same = json!({ "eth8": { "name": "eth0" }, "eth9": { "name": "eth0" } });
    refused(
        "/linux/netDevices",
        same,
        "two network devices have the name \"eth0\" in the container, because of linux.netDevices.eth9",
    );
    accepted("/linux/netDevices", json!({ "eth8": { "name": "eth%d" }, "eth9": { "name": "eth%d" } }));
}

// config-linux.md, Control groups.
#[test]
fn resources_are_checked() {
    refused(
        "/linux/cgroupsPath",
        json!("/a/../b"),
        "cgroupsPath \"/a/../b\" must not have a \"..\", because of linux.cgroupsPath",
    );
    accepted("/linux/cgroupsPath", json!("test.slice:prefix:name"));
    refused(
        "/linux/resources/unified",
        json!({ "../x": "1" }),
        "unified resource \"../x\" must be a file name (no slashes), because of linux.resources.unified[\"../x\"]",
    );
    refused(
        "/linux/resources/unified",
        json!({ "..": "1" }),
        "unified resource \"..\" must be in the form CONTROLLER.PARAMETER, because of linux.resources.unified[\"..\"]",
    );
    refused(
        "/linux/resources/unified",
        json!({ "max": "1" }),
        "unified resource \"max\" must be in the form CONTROLLER.PARAMETER, because of linux.resources.unified.max",
    );
    accepted("/linux/resources/unified", json!({ "memory.max": "1", "hugetlb.1GB.max": "0" }));
    refused(
        "/linux/resources/memory",
        json!({ "limit": 20, "swap": 10 }),
        "memory+swap limit 10 must not be less than memory limit 20, because of linux.resources.memory.swap",
    );
    accepted("/linux/resources/memory", json!({ "limit": 20, "swap": -1 }));
    accepted("/linux/resources/memory", json!({ "limit": 20, "swap": 0 }));
    refused(
        "/linux/resources/cpu",
        json!({ "quota": 10, "burst": 11 }),
        "cpu burst 11 must not be more than quota 10, because of linux.resources.cpu.burst",
    );
    refused(
        "/linux/resources/cpu/cpus",
        json!("0-"),
        "invalid list \"0-\": expected such as \"0-3,7\", because of linux.resources.cpu.cpus",
    );
    refused(
        "/linux/resources/hugepageLimits",
        json!([{ "pageSize": "64kB", "limit": 1 }]),
        "invalid hugepage size \"64kB\": expected such as \"2MB\", because of linux.resources.hugepageLimits[0].pageSize",
    );
    refused(
        "/linux/resources/rdma",
        json!({ "mlx5_1": {} }),
        "neither hcaHandles nor hcaObjects is given, because of linux.resources.rdma.mlx5_1",
    );
    refused(
        "/linux/resources/blockIO/weightDevice",
        json!([{ "major": 8, "minor": 0 }]),
        "neither weight nor leafWeight is given, because of linux.resources.blockIO.weightDevice[0]",
    );
}
