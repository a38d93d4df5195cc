//! systemd's ways: listening sockets passed on, and the notice that a service is ready.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use serde_json::json;
use tests::{Container, Host, eventually};

/// A socket in the place of systemd's.
fn listen(host: &Host) -> (UnixDatagram, String) {
    let path = host.files().join("systemd.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    (socket, path.to_string_lossy().into_owned())
}

fn create(host: &Host, container: &Container, notify: &str) {
    let bundle = container.bundle().to_string_lossy().into_owned();
    call(host, &["create", "--bundle", &bundle, container.id()], notify);
}

/// Calls with a socket for the notice that the service is ready.
fn call(host: &Host, words: &[&str], notify: &str) {
    let call = host.runtime().call(words).with(|command| {
        command.env("NOTIFY_SOCKET", notify);
    });
    let _ = call.run().ok();
}

fn received(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 4096];
    let length = socket.recv(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[test]
fn readiness_is_passed_on_with_the_pid_of_init() {
    let host = Host::new();
    let (socket, path) = listen(&host);
    let container = host.container(host.config(&["do", "notify STATUS=busy", "notify READY=1", "sleep 60"]));
    create(&host, &container, &path);
    call(&host, &["start", container.id()], &path);
    let text = received(&socket);
    assert_eq!(text, format!("READY=1\nMAINPID={}\n", container.pid()));
}

#[test]
fn start_waits_for_it_no_longer_than_the_container_lives() {
    let host = Host::new();
    let (_socket, path) = listen(&host);
    let container = host.container(host.config(&["sleep", "0.3"]));
    create(&host, &container, &path);
    call(&host, &["start", container.id()], &path);
    assert_eq!(container.status(), "stopped");
}

#[test]
fn run_passes_it_on_while_it_waits() {
    let host = Host::new();
    let (socket, path) = listen(&host);
    let mut container =
        host.container(host.config(&["do", "notify READY=1", "sleep 60"]).map_users(100_000, 65_536));
    let _ = host.tool(&["chown", "-R", "100000:100000", &container.rootfs().to_string_lossy()]);
    let bundle = container.bundle().to_string_lossy().into_owned();
    let call = host.runtime().call(&["run", "--bundle", &bundle, container.id()]);
    let mut running = call
        .with(|command| {
            command.env("NOTIFY_SOCKET", &path);
        })
        .spawn();
    assert!(received(&socket).starts_with("READY=1\nMAINPID="));
    let _ = container.kill("KILL").ok();
    assert_eq!(running.wait().code, 137);
    container.deleted_already();
}

#[test]
fn without_a_waiting_process_nothing_is_mounted() {
    let host = Host::new();
    let report = host.report(host.config(&[]), &["/run/notify"]);
    assert_eq!(report["paths"]["/run/notify"]["kind"], json!(null), "{}", report["paths"]);
}

#[test]
fn listening_sockets_are_passed_to_process_1() {
    let host = Host::new();
    let container = host.container(host.config(&["report"]));
    let program = host.runtime().program().to_string_lossy().into_owned();
    let (root, bundle) = (host.runtime().root().to_string_lossy(), container.bundle().to_string_lossy());
    let line = format!(
        "exec {program} --root {root} run --bundle {bundle} {} 3</dev/null 4</dev/null 5</dev/null",
        container.id()
    );
    let report = host.tool(&["env", "LISTEN_FDS=2", "sh", "-c", &line]).json();
    let env = report["env"].as_array().unwrap();
    assert!(env.contains(&json!("LISTEN_FDS=2")) && env.contains(&json!("LISTEN_PID=1")), "{env:?}");
    assert_eq!(report["fds"].as_array().unwrap().len(), 5);
    let report = host.tool(&["env", "LISTEN_FDS=2", "LISTEN_PID=1", "sh", "-c", &line]).json();
    assert_eq!(report["fds"].as_array().unwrap().len(), 3, "they were meant for another process");
    eventually("it is deleted", || !host.runtime().root().join(container.id()).exists());
}
