//! pause and resume.

use tests::{Container, Host};

fn running(host: &Host) -> Container {
    host.running(host.config(&["sleep", "60"]))
}

#[test]
fn a_paused_container_says_so_and_goes_on_when_resumed() {
    let host = Host::new();
    let container = running(&host);
    let _ = container.verb(&["pause"]).ok();
    assert_eq!(container.status(), "paused");
    let _ = container.verb(&["resume"]).ok();
    assert_eq!(container.status(), "running");
}

#[test]
fn a_created_container_can_be_paused() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    container.create();
    let _ = container.verb(&["pause"]).ok();
    let _ = container.verb(&["resume"]).ok();
    assert_eq!(container.status(), "created");
}

#[test]
fn what_is_not_running_or_not_paused_is_refused() {
    let host = Host::new();
    let container = running(&host);
    let _ = container.verb(&["resume"]).fails().says(&["container not paused"]);
    for verb in ["pause", "resume"] {
        let _ = host.runtime().run(&[verb, "no-such-container"]).fails().says(&["does not exist"]);
    }
    assert_eq!(container.status(), "running");
    let _ = container.kill("KILL").ok();
    container.becomes("stopped");
    let _ = container.verb(&["pause"]).fails().says(&["container not running"]);
    // A cgroup that stays frozen would hang the next process in it.
    let (file, thawed) =
        if tests::hierarchies::only_v2() { ("cgroup.freeze", "0") } else { ("freezer.state", "THAWED") };
    assert_eq!(container.limit("freezer", file), thawed);
}

#[test]
fn a_paused_container_dies_of_kill_and_can_be_deleted_by_force() {
    let host = Host::new();
    let container = running(&host);
    let _ = container.verb(&["pause"]).ok();
    let _ = container.kill("KILL").ok();
    container.becomes("stopped");
    let mut container = running(&host);
    let _ = container.verb(&["pause"]).ok();
    let _ = container.force_delete().ok();
}
