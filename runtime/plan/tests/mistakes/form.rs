//! Mistakes of form: syntax, types, ranges, words, missing and unknown properties.

use serde_json::{Value, json};
use tare_plan::spec;

use super::{accepted, base, changed, mistakes, put, refused};

// Otherwise the other tests would prove nothing.
#[test]
fn the_base_has_no_mistake() {
    assert_eq!(mistakes(base().to_string().as_bytes()), [""; 0]);
}

#[test]
fn a_syntax_error_has_line_and_column() {
    assert_eq!(mistakes(b"{]"), ["invalid JSON: key must be a string at line 1 column 2"]);
    assert_eq!(mistakes(b""), ["invalid JSON: EOF while parsing a value at line 1 column 0"]);
    assert_eq!(mistakes(b"{\n  \"root\": {\"path\": 1 2}}").len(), 2, "earlier mistakes are reported too");
    assert!(mistakes(b"{} {}").contains(&"invalid JSON: trailing characters at line 1 column 4".to_owned()));
    assert_eq!(mistakes(b"[]"), ["expected an object, found an array"]);
}

// serde_json stops at 128 levels.
#[test]
fn deep_nesting_is_a_mistake_and_no_stack_overflow() {
    for opening in ["[", "{\"linux\":", "{\"mounts\":["] {
        let deep = format!("{{\"linux\": {}", opening.repeat(100_000));
        assert!(mistakes(deep.as_bytes()).last().unwrap().starts_with("invalid JSON: "), "{opening}");
    }
}

#[test]
fn wrong_types_are_reported_all_at_once() {
    let document = json!({
        "ociVersion": 1,
        "process": { "user": [], "args": ["sh", 5, {}], "cwd": "/", "terminal": "yes", "env": "PATH=/" },
        "root": "rootfs",
        "linux": { "namespaces": [{ "type": 3 }], "resources": { "memory": { "limit": 1.5 } } },
    });
    let expected = [
        "expected the name of a namespace type, found 3, because of linux.namespaces[0].type",
        "expected a whole number, found 1.5, because of linux.resources.memory.limit",
        "expected a string, found 1, because of ociVersion",
        "expected a string, found 5, because of process.args[1]",
        "expected a string, found an object, because of process.args[2]",
        "expected an array, found \"PATH=/\", because of process.env",
        "expected true or false, found \"yes\", because of process.terminal",
        "expected an object, found an array, because of process.user",
        "expected an object, found \"rootfs\", because of root",
    ];
    assert_eq!(mistakes(document.to_string().as_bytes()), expected);
}

// Go's encoding/json: keys match "ignoring case", and null leaves a field as it is.
#[test]
fn keys_ignore_case_and_null_means_absent() {
    let document = br#"{
        "OCIVERSION": "1.0.0", "hooks": null, "Process": {"ARGS": ["sh"], "cwd": "/", "user": {"UID": 7, "gid": null}},
        "root": {"path": "rootfs", "readonly": null}, "linux": null, "x-unknown": {"a": [1, 2.5, null]}
    }"#;
    let loaded = spec::load(document).unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.spec.process.unwrap().user.uid, spec::Uid::new(7).unwrap());
}

// Go's encoding/json overwrites the earlier value.
#[test]
fn the_last_of_repeated_keys_counts_with_a_warning() {
    let document = br#"{"ociVersion": "1.0.0", "hostname": "a", "HOSTNAME": "b",
        "annotations": {"k": "1", "k": "2"}, "root": {"path": "/a"}, "root": {"path": "/b"}}"#;
    let loaded = spec::load(document).unwrap();
    assert_eq!(loaded.spec.hostname.as_deref(), Some("b"));
    assert_eq!(loaded.spec.annotations["k"], "2");
    assert_eq!(loaded.spec.root.unwrap().path, "/b");
    let places: Vec<_> = loaded.warnings.iter().map(|warning| warning.place.as_str()).collect();
    assert_eq!(places, ["hostname", "annotations.k", "root"]);
}

// config.md, Extensibility: runtimes "MUST ignore unknown properties".
#[test]
fn unknown_properties_are_ignored_and_misspellings_give_a_warning() {
    let mut document = base();
    put(&mut document, "/linux/maskedPath", json!(["/proc/kcore"]));
    put(&mut document, "/linux/com.example.other", json!({ "maskedPath": 1 }));
    put(&mut document, "/windows", json!({}));
    let loaded = spec::load(document.to_string().as_bytes()).unwrap();
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    let expected = "unknown property is ignored: did you mean \"maskedPaths\"?, because of linux.maskedPath";
    assert_eq!(warnings, [expected]);
}

// config.md, Linux Process: a value without a kernel interface "MUST be logged as a warning".
#[test]
fn unknown_capabilities_give_a_warning() {
    let document =
        changed("/process/capabilities", json!({ "bounding": ["CAP_CHOWN", "CAP_FUTURE", "CAP_SETUDI"] }));
    let loaded = spec::load(&document).unwrap();
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    let expected = [
        "ignoring unknown capability \"CAP_FUTURE\", because of process.capabilities.bounding[1]",
        "ignoring unknown capability \"CAP_SETUDI\": did you mean \"CAP_SETUID\"?, because of process.capabilities.bounding[2]",
    ];
    assert_eq!(warnings, expected);
    let bounding = loaded.spec.process.unwrap().capabilities.unwrap().bounding;
    assert_eq!(bounding.iter().map(|capability| capability.name()).collect::<Vec<_>>(), ["CAP_CHOWN"]);
}

// The properties that the specification calls REQUIRED.
#[test]
fn required_properties_are_reported() {
    let wanted = |what, place| format!("required property is missing: expected {what}, because of {place}");
    refused("/ociVersion", Value::Null, &wanted("a string", "ociVersion"));
    // config.md, Process: required when start is called.
    accepted("/process", Value::Null);
    refused("/root", Value::Null, "root must be specified, because of root");
    refused("/root", json!({}), &wanted("a string", "root.path"));
    refused("/root/path", json!(""), "root path must not be empty, because of root.path");
    refused("/mounts", json!([{}]), &wanted("a string", "mounts[0].destination"));
    refused("/mounts", json!([null]), &wanted("an object", "mounts[0]"));
    refused(
        "/linux/namespaces/0/type",
        json!(""),
        &wanted("the name of a namespace type", "linux.namespaces[0].type"),
    );
    refused(
        "/linux/seccomp",
        json!({}),
        &wanted("the name of a seccomp action", "linux.seccomp.defaultAction"),
    );
    refused("/hooks/poststop", json!([{ "args": [] }]), &wanted("a string", "hooks.poststop[0].path"));
    let both = mistakes(&changed("/process/rlimits", json!([{ "type": "RLIMIT_CPU" }])));
    assert_eq!(
        both,
        [
            wanted("a whole number", "process.rlimits[0].soft"),
            wanted("a whole number", "process.rlimits[0].hard"),
        ]
    );
}

// 4294967295 is -1 for chown(2) and setresuid(2), so ids end below it.
#[test]
fn numbers_out_of_range_are_refused() {
    let range = |noun, value, low, high, place| {
        format!("{noun} {value} is out of range: expected {low} to {high}, because of {place}")
    };
    let ids = |noun, value, place| range(noun, value, "0", "4294967294", place);
    refused("/process/user/uid", json!(4_294_967_295_u32), &ids("uid", "4294967295", "process.user.uid"));
    refused("/process/user/uid", json!(4_294_967_296_u64), &ids("uid", "4294967296", "process.user.uid"));
    refused("/process/user/gid", json!(-1), &ids("gid", "-1", "process.user.gid"));
    refused(
        "/process/user/additionalGids",
        json!([0, u32::MAX]),
        &ids("gid", "4294967295", "process.user.additionalGids[1]"),
    );
    accepted("/process/user/uid", json!(4_294_967_294_u32));
    let big = String::from_utf8(base().to_string().into_bytes())
        .unwrap()
        .replace("\"uid\":0", "\"uid\":18446744073709551616");
    assert_eq!(mistakes(big.as_bytes()), [ids("uid", "18446744073709552000", "process.user.uid")]);
    refused(
        "/linux/resources/pids/limit",
        json!(u64::MAX),
        &range(
            "number",
            "18446744073709551615",
            "-9223372036854775808",
            "9223372036854775807",
            "linux.resources.pids.limit",
        ),
    );
    refused(
        "/process/oomScoreAdj",
        json!(1001),
        "oomScoreAdj 1001 is out of range: expected -1000 to 1000, because of process.oomScoreAdj",
    );
    refused(
        "/process/user/umask",
        json!(0o1000),
        "umask is out of range: expected 0 to 511, because of process.user.umask",
    );
    refused(
        "/hooks/prestart",
        json!([{ "path": "/x", "timeout": 0 }]),
        "hook timeout must be greater than zero, because of hooks.prestart[0].timeout",
    );
    refused(
        "/linux/resources/cpu/idle",
        json!(2),
        "invalid cpu idle 2: expected 0 or 1, because of linux.resources.cpu.idle",
    );
    refused(
        "/linux/resources/memory/limit",
        json!(-2),
        "memory limit -2 is out of range: expected -1 or more, because of linux.resources.memory.limit",
    );
    refused(
        "/linux/resources/memory/swappiness",
        json!(101),
        "invalid memory swappiness 101: expected 0 to 100, because of linux.resources.memory.swappiness",
    );
}

#[test]
fn unknown_words_are_refused() {
    refused(
        "/linux/namespaces/0/type",
        json!("mnt"),
        "unknown namespace type \"mnt\": expected one of cgroup, ipc, mount, network, pid, time, user, uts, because of linux.namespaces[0].type",
    );
    refused(
        "/linux/namespaces/3/type",
        json!("netwrok"),
        "unknown namespace type \"netwrok\": did you mean \"network\"?, because of linux.namespaces[3].type",
    );
    refused(
        "/process/rlimits",
        json!([{ "type": "RLIMIT_TEST", "soft": 0, "hard": 0 }]),
        "unknown rlimit type \"RLIMIT_TEST\", because of process.rlimits[0].type",
    );
    refused(
        "/linux/rootfsPropagation",
        json!("shard"),
        "unknown rootfs propagation \"shard\": did you mean \"shared\"?, because of linux.rootfsPropagation",
    );
    refused(
        "/linux/seccomp",
        json!({ "defaultAction": "SCMP_ACT_LGO" }),
        "unknown seccomp action \"SCMP_ACT_LGO\": did you mean \"SCMP_ACT_LOG\"?, because of linux.seccomp.defaultAction",
    );
    refused(
        "/linux/personality",
        json!({ "domain": "LINUX", "flags": ["x"] }),
        "unsupported personality flag \"x\", because of linux.personality.flags[0]",
    );
    refused(
        "/linux/devices",
        json!([{ "type": "x", "path": "/dev/x" }]),
        "unknown device type \"x\": expected one of b, c, u, p, because of linux.devices[0].type",
    );
    let long = "x".repeat(1000);
    assert!(
        mistakes(&changed("/linux/namespaces/0/type", json!(long)))[0].len() < 300,
        "a message stays a line"
    );
}

// config.md, Specification version, and Semantic Versioning 2.0.0.
#[test]
fn other_major_versions_are_refused() {
    refused(
        "/ociVersion",
        json!("2.0.0"),
        "unsupported ociVersion \"2.0.0\": expected 1.x, because of ociVersion",
    );
    refused(
        "/ociVersion",
        json!("one"),
        "\"one\" is not a semantic version: expected such as \"1.3.0\", because of ociVersion",
    );
    accepted("/ociVersion", json!("1.9.7-rc.1+dev"));
}

// A C string would end there.
#[test]
fn strings_with_a_nul_are_refused() {
    refused(
        "/process/args/0",
        json!("sh\0-c"),
        "\"sh\\0-c\" has a NUL character, because of process.args[0]",
    );
    refused(
        "/linux/namespaces/0/path",
        json!("/a\0"),
        "\"/a\\0\" has a NUL character, because of linux.namespaces[0].path",
    );
    refused(
        "/annotations",
        json!({ "a\0": "b" }),
        "property name has a NUL character, because of annotations[\"a\\0\"]",
    );
}

#[test]
fn places_in_a_process_document_are_relative_to_it() {
    let all = spec::load_process(br#"{"args": [], "cwd": "x"}"#).and_then(spec::check_process);
    let all: Vec<_> = all.unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        all,
        ["Cwd must be an absolute path, because of cwd", "args must not be empty, because of args"]
    );
}

#[test]
fn bad_examples_of_the_schema_are_refused() {
    let wanted = |what, place| format!("expected {what}, because of {place}");
    let name = wanted("a string, found 23", "linux.netDevices.eth0.name");
    refused("/linux/netDevices", json!({ "eth0": { "name": 23 } }), &name);
    let handles = wanted("a whole number, found \"not a uint32\"", "linux.resources.rdma.mlx5_1.hcaHandles");
    refused("/linux/resources/rdma", json!({ "mlx5_1": { "hcaHandles": "not a uint32" } }), &handles);
}

// config.md, Platform-specific configuration.
#[test]
fn other_platforms_are_ignored() {
    let document =
        br#"{"ociVersion": "1.0.0", "root": {"path": "rootfs"}, "zos": {"namespaces": [{"type": "pid"}]},
        "freebsd": {"jail": {"vnet": "new"}}, "windows": {"layerFolders": ["x"]}, "solaris": 1, "vm": null}"#;
    assert_eq!(spec::load(document).unwrap().warnings, []);
}
