//! What the specification's JSON schema takes and refuses: each of the documents that its authors try it on has a like
//! here. States and features are not read but written; the conformance runner checks those.

use serde_json::{Value, json};
use tare_plan::spec;

use crate::mistakes;

/// A document that has the right form, whatever else create may miss in it.
#[track_caller]
fn formed(document: &Value) {
    let loaded = spec::load(document.to_string().as_bytes());
    assert!(loaded.is_ok(), "{:?}", loaded.err());
}

#[track_caller]
fn says(document: &Value, words: &str) {
    let all = mistakes(document.to_string().as_bytes());
    assert!(all.iter().any(|mistake| mistake == words), "{all:#?}");
}

fn with(linux: Value) -> Value {
    json!({"ociVersion": "1.0.0", "root": {"path": "tree"}, "linux": linux})
}

#[test]
fn a_version_and_a_root_are_a_document() {
    formed(&json!({"ociVersion": "1.0.0", "root": {"path": "tree"}}));
}

#[test]
fn arguments_and_a_directory_are_a_process() {
    let process = json!({"args": ["sleep", "1"], "cwd": "/", "user": {"uid": 0, "gid": 0}});
    formed(&json!({"ociVersion": "1.0.0", "root": {"path": "tree"}, "process": process}));
}

#[test]
fn sections_of_other_platforms_are_passed_over() {
    for section in ["freebsd", "zos", "solaris", "windows", "vm"] {
        let mut document = with(json!({}));
        document[section] = json!({"jail": {"vnet": "sideways"}});
        formed(&document);
    }
}

#[test]
fn devices_of_the_network_have_a_new_name_or_none() {
    formed(&with(json!({"netDevices": {"wlan0": {"name": "inner"}, "lan1": {}}})));
    says(
        &with(json!({"netDevices": {"wlan0": {"name": 5}}})),
        "expected a string, found 5, because of linux.netDevices.wlan0.name",
    );
}

#[test]
fn rdma_devices_have_handles_or_objects_or_both() {
    for entry in
        [json!({"hcaHandles": 2}), json!({"hcaObjects": 9}), json!({"hcaHandles": 2, "hcaObjects": 9})]
    {
        formed(&with(json!({"resources": {"rdma": {"rxe0": entry}}})));
    }
    says(
        &with(json!({"resources": {"rdma": {"rxe0": {"hcaHandles": "two"}}}})),
        "expected a whole number, found \"two\", because of linux.resources.rdma.rxe0.hcaHandles",
    );
}

#[test]
fn sizes_of_huge_pages_are_in_binary_units_without_small_letters() {
    let mut document = with(json!({"resources": {"hugepageLimits": [{"pageSize": "64kB", "limit": 65536}]}}));
    document["process"] = json!({"args": ["sh"], "cwd": "/", "user": {"uid": 0, "gid": 0}});
    says(
        &document,
        "invalid hugepage size \"64kB\": expected such as \"2MB\", because of linux.resources.hugepageLimits[0].pageSize",
    );
}

#[test]
fn what_is_not_json_is_said_to_be_none() {
    let all = mistakes(b"{]");
    assert!(all.len() == 1 && all[0].starts_with("invalid JSON"), "{all:?}");
}
