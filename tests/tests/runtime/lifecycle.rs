//! The lifecycle: create, start, state, kill, delete, as runtime.md of the specification has it.

use tests::Host;

#[test]
fn a_container_goes_from_created_to_running_to_stopped_to_nothing() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    container.create();
    assert_eq!(container.status(), "created");
    container.start();
    assert_eq!(container.status(), "running");
    let _ = container.kill("KILL").ok();
    container.becomes("stopped");
    let _ = container.delete().ok();
    let _ = container.verb(&["state"]).fails().says(&["does not exist"]);
}
