//! Capabilities and no_new_privs, as the kernel reports them inside.

use serde_json::{Value, json};
use tests::{Host, skip_for};

const SETS: [&str; 5] = ["bounding", "effective", "permitted", "inheritable", "ambient"];

#[track_caller]
fn held(host: &Host, capabilities: &Value, uid: u32) -> Value {
    let config =
        host.config(&[]).set("/process/capabilities", capabilities.clone()).set("/process/user/uid", uid);
    host.report(config, &[])["capabilities"].clone()
}

#[test]
fn empty_sets_leave_none() {
    let host = Host::new();
    let held = held(&host, &json!({}), 0);
    for set in SETS {
        assert_eq!(held[set], json!([]), "{set}");
    }
}

#[test]
fn no_capabilities_object_leaves_none() {
    let host = Host::new();
    let report = host.report(host.config(&[]).remove("/process/capabilities"), &[]);
    skip_for!(Runc, "it leaves all that it has itself");
    for set in SETS {
        assert_eq!(report["capabilities"][set], json!([]), "{set}");
    }
}

#[test]
fn each_set_is_exactly_what_is_configured() {
    let host = Host::new();
    let (chown, kill, raw) = ("CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW");
    let wanted = json!({
        "bounding": [chown, kill, raw], "permitted": [chown, kill, raw], "effective": [chown, kill],
        "inheritable": [chown], "ambient": [chown],
    });
    let held = held(&host, &wanted, 1000);
    assert_eq!(held["bounding"], json!([chown, kill, raw]));
    // The rules of execve(2) for a user that is not root: what is ambient is permitted and effective.
    for set in ["permitted", "effective", "inheritable", "ambient"] {
        assert_eq!(held[set], json!([chown]), "{set}");
    }
}

#[test]
fn root_gains_no_more_than_the_bounding_set() {
    let host = Host::new();
    let wanted = json!({"bounding": ["CAP_SYS_CHROOT"], "permitted": ["CAP_SYS_CHROOT"], "effective": ["CAP_SYS_CHROOT"]});
    let held = held(&host, &wanted, 0);
    for set in ["bounding", "effective", "permitted"] {
        assert_eq!(held[set], json!(["CAP_SYS_CHROOT"]), "{set}");
    }
    assert_eq!(held["inheritable"], json!([]));
}

#[test]
fn a_user_keeps_the_bounding_set_only() {
    let host = Host::new();
    let held = held(
        &host,
        &json!({"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"]}),
        1000,
    );
    assert_eq!(held["bounding"], json!(["CAP_KILL"]));
    for set in ["effective", "permitted", "inheritable", "ambient"] {
        assert_eq!(held[set], json!([]), "{set}");
    }
}

#[test]
fn each_set_of_a_user_is_what_the_kernel_leaves_of_it() {
    let host = Host::new();
    let one = json!(["CAP_KILL"]);
    // What a program keeps when it is executed by another user than root: capabilities(7).
    let ambient =
        json!({"bounding": one, "permitted": one, "inheritable": one, "ambient": one, "effective": one});
    let seen = held(&host, &ambient, 1000);
    for set in ["bounding", "permitted", "inheritable", "ambient", "effective"] {
        assert_eq!(seen[set], one, "{set}");
    }
    let inheritable = json!({"bounding": one, "inheritable": one, "permitted": one, "effective": one});
    let seen = held(&host, &inheritable, 1000);
    assert_eq!((&seen["inheritable"], &seen["effective"]), (&one, &json!([])));
}

#[test]
fn an_unknown_capability_is_warned_of_and_left_out() {
    let host = Host::new();
    skip_for!(Crun, "it fails");
    let sets = json!({"bounding": ["CAP_TEST", "CAP_KILL"], "permitted": ["CAP_TEST", "CAP_KILL"]});
    let config = host.config(&["report"]).set("/process/capabilities", sets);
    let output = host.run(config).ok();
    assert_eq!(output.json()["capabilities"]["bounding"], json!(["CAP_KILL"]));
    let _ = output.says(&["warning", "CAP_TEST"]);
}

#[test]
fn an_ambient_capability_that_is_not_inheritable_is_left_out() {
    let host = Host::new();
    skip_for!(Crun, "it fails");
    let wanted = json!({"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"], "ambient": ["CAP_KILL"]});
    assert_eq!(held(&host, &wanted, 1000)["ambient"], json!([]));
    let output = host.run(host.config(&["true"]).set("/process/capabilities", wanted)).ok();
    assert!(output.err.contains("can't raise ambient capability CAP_KILL: "), "{output:#?}");
}

#[test]
fn capabilities_that_the_runtime_lacks_itself_are_left_out() {
    let host = Host::new();
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let bounding = own.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap().trim();
    let lacks_resource = u64::from_str_radix(bounding, 16).unwrap() & (1 << 24) == 0;
    if !lacks_resource {
        tests::skip!("this machine has every capability");
    }
    skip_for!(Runc, "it fails, against the specification");
    skip_for!(Crun, "it fails, against the specification");
    let set = ["CAP_SYS_RESOURCE", "CAP_KILL"];
    let held = held(&host, &json!({"bounding": set, "permitted": set, "effective": set}), 0);
    assert_eq!(held["effective"], json!(["CAP_KILL"]));
}

#[test]
fn no_new_privs_is_as_configured() {
    let host = Host::new();
    for wanted in [true, false] {
        let config = host.config(&[]).set("/process/noNewPrivileges", wanted);
        assert_eq!(host.report(config, &[])["no_new_privs"], wanted);
    }
    let config = host.config(&[]).remove("/process/noNewPrivileges");
    assert_eq!(host.report(config, &[])["no_new_privs"], false);
}
