//! The terminal: sent over the console socket, sized, resized, and passed through by `run`.

use std::os::unix::fs::MetadataExt as _;

use tare_bundle::config::Config;
use tests::{Console, Host, skip_for};

fn with_terminal(host: &Host, words: &[&str]) -> Config {
    host.config(words).set("/process/terminal", true)
}

#[test]
fn the_terminal_comes_over_the_console_socket() {
    let host = Host::new();
    let console = Console::listen(host.files());
    let mut container = host.container(with_terminal(&host, &["report"]));
    let _ = container.create_with(&["--console-socket", &console.path()]).ok();
    let mut master = console.accept();
    container.start();
    let text = master.expect("\n").to_string();
    let report: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!(report["terminal"]["name"], "/dev/pts/0");
    assert_eq!(report["terminal"]["controlling"], true);
    let targets: Vec<&str> =
        report["fds"].as_array().unwrap().iter().map(|fd| fd["target"].as_str().unwrap()).collect();
    assert_eq!(targets, ["/dev/pts/0"; 3]);
}

#[test]
fn what_is_typed_reaches_the_container() {
    let host = Host::new();
    let console = Console::listen(host.files());
    let mut container = host.container(with_terminal(&host, &["cat"]));
    let _ = container.create_with(&["--console-socket", &console.path()]).ok();
    let mut master = console.accept();
    container.start();
    master.write("hello\n");
    // Once as the terminal's echo, once from the program.
    master.expect("hello\r\nhello\r\n");
    master.write("\u{4}");
    container.becomes("stopped");
}

#[test]
fn the_size_is_as_configured_and_follows_the_master() {
    let host = Host::new();
    let console = Console::listen(host.files());
    let config = with_terminal(&host, &["trap", "WINCH"]);
    let config = config.set("/process/consoleSize", serde_json::json!({"height": 25, "width": 80}));
    let mut container = host.container(config);
    let _ = container.create_with(&["--console-socket", &console.path()]).ok();
    let mut master = console.accept();
    assert_eq!(master.size(), (25, 80));
    container.start();
    master.expect("ready");
    master.resize(50, 132);
    master.expect("SIGWINCH 50x132");
}

#[test]
fn a_key_interrupts_the_program() {
    let host = Host::new();
    let console = Console::listen(host.files());
    let mut container = host.container(with_terminal(&host, &["trap", "INT"]));
    let _ = container.create_with(&["--console-socket", &console.path()]).ok();
    let mut master = console.accept();
    container.start();
    master.expect("ready");
    master.write("\u{3}");
    master.expect("SIGINT");
}

#[test]
fn the_terminal_belongs_to_the_containers_user() {
    let host = Host::new();
    let console = Console::listen(host.files());
    let user = serde_json::json!({"uid": 1000, "gid": 1000});
    let mut container = host.container(with_terminal(&host, &["report"]).set("/process/user", user));
    let _ = container.create_with(&["--console-socket", &console.path()]).ok();
    let mut master = console.accept();
    container.start();
    let text = master.expect("\n").to_string();
    let report: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!(report["terminal"]["owner"], 1000);
}

#[test]
fn dev_console_is_the_terminal() {
    let host = Host::new();
    let console = Console::listen(host.files());
    let mut container =
        host.container(with_terminal(&host, &["do", "write /dev/console spoken", "sleep 60"]));
    let _ = container.create_with(&["--console-socket", &console.path()]).ok();
    let mut master = console.accept();
    container.start();
    master.expect("spoken");
}

#[test]
fn a_detached_terminal_needs_a_socket() {
    let host = Host::new();
    let mut container = host.container(with_terminal(&host, &["true"]));
    let _ = container.create_with(&[]).fails().says(&["console"]);
    let _ = container.run_with(&["--detach"]).fails().says(&["console"]);
    host.is_clean();
}

#[test]
fn run_passes_its_own_terminal_through() {
    let host = Host::new();
    let mut container = host.container(with_terminal(&host, &["do", "echo shown", "report", "fail 7"]));
    let bundle = container.bundle().to_string_lossy().into_owned();
    let program = host.runtime().program().to_string_lossy().into_owned();
    let root = host.runtime().root().to_string_lossy().into_owned();
    // script(1) gives the command a terminal of its own.
    let line = format!("{program} --root {root} run --bundle {bundle} {}", container.id());
    let output = tests::Call::new("script", host.files()).args(["-qec", &line, "/dev/null"]).run();
    assert_eq!(output.code, 7, "{output:#?}");
    assert!(output.out.contains("shown\r\n"), "{output:#?}");
    assert!(output.out.contains("\"controlling\":true"), "{output:#?}");
    let _ = container.force_delete();
}

#[test]
fn without_a_terminal_there_is_none() {
    let host = Host::new();
    assert!(host.report(host.config(&[]), &[])["terminal"].is_null());
}

#[test]
fn the_environment_is_left_as_it_is() {
    let host = Host::new();
    let console = Console::listen(host.files());
    let mut container = host.container(with_terminal(&host, &["report"]).env("TERM=vt52"));
    let _ = container.create_with(&["--console-socket", &console.path()]).ok();
    let mut master = console.accept();
    container.start();
    let report: serde_json::Value = serde_json::from_str(master.expect("\n").trim()).unwrap();
    let terms: Vec<&serde_json::Value> = report["env"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|pair| pair.as_str().unwrap().starts_with("TERM="))
        .collect();
    assert_eq!(terms, ["TERM=vt52"]);
}

#[test]
fn a_read_only_root_without_a_file_system_at_dev() {
    let host = Host::new();
    let console = Console::listen(host.files());
    // Without a file system of its own at /dev, and without those below it.
    let mut config = with_terminal(&host, &["report"]).set("/root/readonly", true);
    for _ in 0..4 {
        config = config.remove("/mounts/1");
    }
    let devpts = serde_json::json!({
        "destination": "/dev/pts", "type": "devpts", "source": "devpts",
        "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
    });
    let mut container = host.container(config.mount(devpts));
    std::fs::create_dir_all(container.rootfs().join("dev/pts")).unwrap();
    let _ = container.create_with(&["--console-socket", &console.path()]).ok();
    let mut master = console.accept();
    container.start();
    let report: serde_json::Value = serde_json::from_str(master.expect("\n").trim()).unwrap();
    assert_eq!(report["terminal"]["name"], "/dev/pts/0");
}

#[test]
fn the_socket_is_left_as_it_was() {
    let host = Host::new();
    skip_for!(Crun, "nothing is known of it");
    let console = Console::listen(host.files());
    let before = std::fs::metadata(console.path()).unwrap().ino();
    let mut container = host.container(with_terminal(&host, &["true"]));
    let _ = container.create_with(&["--console-socket", &console.path()]).ok();
    let _master = console.accept();
    assert_eq!(std::fs::metadata(console.path()).unwrap().ino(), before);
}
