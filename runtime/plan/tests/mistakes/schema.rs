//! The documents that the JSON schema of the specification accepts and refuses: one test for each kind of
//! example in its test data. The runtime writes state and features documents and never reads them; the
//! conformance runner checks those.

use serde_json::{Value, json};
use tare_plan::spec;

use crate::mistakes;

/// Asserts that a document has the right form.
#[track_caller]
fn accepted_form(document: &Value) {
    let loaded = spec::load(document.to_string().as_bytes());
    assert!(loaded.is_ok(), "{:?}", loaded.err());
}

#[track_caller]
fn reports(document: &Value, words: &str) {
    let all = mistakes(document.to_string().as_bytes());
    assert!(all.iter().any(|mistake| mistake == words), "{all:#?}");
}

fn with(linux: Value) -> Value {
    json!({"ociVersion": "1.0.0", "root": {"path": "tree"}, "linux": linux})
}

#[test]
fn a_version_and_a_root_are_enough() {
    accepted_form(&json!({"ociVersion": "1.0.0", "root": {"path": "tree"}}));
}

#[test]
fn args_cwd_and_user_are_enough_for_a_process() {
    let process = json!({"args": ["sleep", "1"], "cwd": "/", "user": {"uid": 0, "gid": 0}});
    accepted_form(&json!({"ociVersion": "1.0.0", "root": {"path": "tree"}, "process": process}));
}

#[test]
fn sections_of_other_platforms_are_ignored() {
    for section in ["freebsd", "zos", "solaris", "windows", "vm"] {
        let mut document = with(json!({}));
        document[section] = json!({"jail": {"vnet": "sideways"}});
        accepted_form(&document);
    }
}

#[test]
fn net_devices_have_a_name_or_none() {
    accepted_form(&with(json!({"netDevices": {"wlan0": {"name": "inner"}, "lan1": {}}})));
    reports(
        &with(json!({"netDevices": {"wlan0": {"name": 5}}})),
        "expected a string, found 5, because of linux.netDevices.wlan0.name",
    );
}

#[test]
fn rdma_devices_have_handles_or_objects() {
    for entry in
        [json!({"hcaHandles": 2}), json!({"hcaObjects": 9}), json!({"hcaHandles": 2, "hcaObjects": 9})]
    {
        accepted_form(&with(json!({"resources": {"rdma": {"rxe0": entry}}})));
    }
    reports(
        &with(json!({"resources": {"rdma": {"rxe0": {"hcaHandles": "two"}}}})),
        "expected a whole number, found \"two\", because of linux.resources.rdma.rxe0.hcaHandles",
    );
}

#[test]
fn a_huge_page_size_has_a_capital_unit() {
    let mut document = with(json!({"resources": {"hugepageLimits": [{"pageSize": "64kB", "limit": 65536}]}}));
    document["process"] = json!({"args": ["sh"], "cwd": "/", "user": {"uid": 0, "gid": 0}});
    reports(
        &document,
        "invalid hugepage size \"64kB\": expected such as \"2MB\", because of linux.resources.hugepageLimits[0].pageSize",
    );
}

#[test]
fn invalid_json_is_reported() {
    let all = mistakes(b"{]");
    assert!(all.len() == 1 && all[0].starts_with("invalid JSON"), "{all:?}");
}
