//! checkpoint and restore by criu itself, where there is one that can dump on this kernel: what comes back, and how it is then.
//!
//! Debian 12's own can't dump on kernels of Linux 6.11 and newer.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tare_bundle::bundle::PAYLOAD;
use tare_bundle::config::Config;
use tests::{Call, Console, Container, Host, Kind, Output, eventually, skip, under_test};

macro_rules! criu {
    () => {
        match under_test() {
            Kind::Tare => tests::needs_criu!(),
            _ => skip!("this test is of our own runtime"),
        }
    };
}

/// A container that is frozen and brought back again. It goes before its host, which looks for what is left.
struct Stage {
    container: Container,
    host: Host,
    criu: PathBuf,
}

impl Stage {
    /// A container that runs, and whose streams lead nowhere: criu can't bring back files of the test's.
    fn new(criu: PathBuf, change: impl FnOnce(&Host, Config) -> Config) -> Self {
        let host = Host::with_loopback();
        let config = host.config(&["sleep", "600"]).tmpfs("/kept", &["size=1m"]);
        let container = host.container(change(&host, config));
        Self { container, host, criu }.started(&[])
    }

    #[track_caller]
    fn started(self, options: &[&str]) -> Self {
        let bundle = self.bundle();
        let words = [&["create", "--bundle", &bundle], options, &[self.container.id()]].concat();
        assert_eq!(self.host.runtime().call(&words).silent().run().code, 0);
        self.container.start();
        self
    }

    fn bundle(&self) -> String {
        self.container.bundle().to_string_lossy().into_owned()
    }

    fn images(&self) -> PathBuf {
        self.host.files().join("images")
    }

    fn call(&self, verb: &str, options: &[&str]) -> Call {
        let (criu, images) = (self.criu.to_string_lossy(), self.images());
        let images = images.to_string_lossy();
        let words = [&["--criu", &criu, verb, "--image-path", &images], options, &[self.container.id()]];
        self.host.runtime().call(&words.concat())
    }

    #[track_caller]
    fn frozen(&self) {
        let output = self.call("checkpoint", &[]).run();
        assert_eq!(output.code, 0, "{output:#?}\n{}", self.complaints("dump.log"));
    }

    #[track_caller]
    fn back(&self, options: &[&str]) {
        let bundle = self.bundle();
        let words = [&["--bundle", &bundle, "--detach"], options].concat();
        let output = self.call("restore", &words).silent().run();
        assert_eq!(output.code, 0, "{}", self.complaints("restore.log"));
        assert_eq!(self.container.status(), "running");
    }

    /// Names another cgroup in the configuration.
    fn moved(&self) -> String {
        let path = self.container.bundle().join("config.json");
        let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let other = format!("/{}-other", self.container.id());
        config["linux"]["cgroupsPath"] = json!(other);
        std::fs::write(&path, config.to_string()).unwrap();
        other
    }

    fn complaints(&self, log: &str) -> String {
        let text = std::fs::read_to_string(self.images().join(log)).unwrap_or_default();
        text.lines().filter(|line| line.contains("Error")).collect::<Vec<_>>().join("\n")
    }

    fn payload(&self, words: &[&str]) -> Output {
        self.container.exec(&[], &[&[PAYLOAD], words].concat())
    }

    fn processes(&self) -> usize {
        let list = self.container.verb(&["ps", "--format", "json"]).ok().json();
        list.as_array().unwrap().len()
    }

    /// What the container's first process may do, by the kernel: its capabilities, its filter, and whether it may get more.
    fn privileges(&self) -> Vec<String> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.container.pid())).unwrap();
        let of = |line: &&str| ["Cap", "Seccomp", "NoNewPrivs"].iter().any(|field| line.starts_with(field));
        text.lines().filter(of).map(str::to_owned).collect()
    }

    /// The cgroups of the container's first process, as the host sees them, without those that set no limit.
    fn cgroups(&self) -> Vec<String> {
        let text = std::fs::read_to_string(format!("/proc/{}/cgroup", self.container.pid())).unwrap();
        text.lines().filter(|line| line.contains(self.container.id())).map(str::to_owned).collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.container.force_delete();
        // What criu found out of this kernel.
        let _ = std::fs::remove_file(tests::criu::KNOWLEDGE);
    }
}

#[test]
fn a_container_comes_back_twice_as_it_was() {
    let stage = Stage::new(criu!(), |_, config| {
        let masked = json!(["/proc/keys", "/proc/timer_list", "/proc/acpi", "/sys/firmware"]);
        config.pids(20).set("/linux/maskedPaths", masked)
    });
    // What an exec has left behind is a child of init's, and comes back as well.
    let _ = stage.payload(&["leave", "600"]).ok();
    let _ = stage.payload(&["write", "/kept/file", "kept"]).ok();
    let seen = || {
        let paths = ["/proc/keys", "/proc/timer_list", "/sys/firmware"];
        let report = stage.container.exec(&[], &[&[PAYLOAD, "report"], &paths[..]].concat()).ok().json();
        ["cgroup", "hostname", "rlimits", "devices", "paths"].map(|part| report[part].clone())
    };
    let before = (stage.processes(), stage.cgroups(), seen());
    assert!(before.0 == 2 && !before.1.is_empty(), "{before:?}");
    assert_eq!(before.2[4]["/proc/keys"]["read"], 0, "{before:?}");
    for _ in 0..2 {
        stage.frozen();
        let _ = stage.container.verb(&["state"]).fails().says(&["does not exist"]);
        stage.back(&[]);
        assert_eq!(stage.payload(&["cat", "/kept/file"]).ok().out, "kept");
        assert_eq!((stage.processes(), stage.cgroups(), seen()), before);
        assert_eq!(stage.container.limit("pids", "pids.max"), "20");
    }
    let _ = stage.container.kill("KILL").ok();
    stage.container.becomes("stopped");
}

#[test]
fn dockers_profile_and_capabilities_come_back() {
    let criu = criu!();
    let host = Host::with_loopback();
    let config = Config::docker()
        .unwrap()
        .env(&format!("TARE_TEST={}", host.marker()))
        .args(&[PAYLOAD, "sleep", "600"])
        .set("/process/terminal", false);
    let container = host.container(config.remove("/linux/cgroupsPath"));
    let stage = Stage { container, host, criu }.started(&[]);
    let before = stage.privileges();
    assert!(before.contains(&"Seccomp:\t2".to_owned()), "{before:?}");
    assert!(before.iter().any(|line| line.starts_with("CapEff:") && !line.ends_with("0000")), "{before:?}");
    stage.frozen();
    stage.back(&[]);
    assert_eq!(stage.privileges(), before);
}

#[test]
fn the_terminal_goes_to_the_console_socket_of_the_restore() {
    let criu = criu!();
    let host = Host::with_loopback();
    let console = Console::listen(host.files());
    let config = host.config(&["trap", "WINCH"]).set("/process/terminal", true);
    let container = host.container(config);
    let stage = Stage { container, host, criu };
    let stage = stage.started(&["--console-socket", &console.path()]);
    let mut master = console.accept();
    master.expect("ready");
    stage.frozen();
    drop(master);
    stage.back(&["--console-socket", &console.path()]);
    let mut master = console.accept();
    master.resize(50, 132);
    master.expect("SIGWINCH 50x132");
    drop(console);
}

#[test]
fn pipes_that_were_its_streams_are_those_of_the_restore() {
    let criu = criu!();
    let host = Host::with_loopback();
    let container = host.container(host.config(&["trap", "USR1"]));
    let stage = Stage { container, host, criu };
    let mut command = Command::new(stage.host.runtime().program());
    let root = stage.host.runtime().root().to_string_lossy().into_owned();
    let bundle = stage.bundle();
    let words = ["--root", &root, "create", "--bundle", &bundle, stage.container.id()];
    let mut first = command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    assert!(first.wait().unwrap().success());
    stage.container.start();
    expect(first.stdout.as_mut().unwrap(), "ready");
    stage.frozen();
    let (criu, images) = (stage.criu.to_string_lossy(), stage.images());
    let mut command = Command::new(stage.host.runtime().program());
    command.args(["--root", &root, "--criu", &criu, "restore", "--detach", "--bundle", &bundle]);
    command.arg("--image-path").arg(images).arg(stage.container.id());
    let mut second = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    assert!(second.wait().unwrap().success(), "{}", stage.complaints("restore.log"));
    let _ = stage.container.kill("USR1").ok();
    expect(second.stdout.as_mut().unwrap(), "SIGUSR1");
}

/// Reads until the text has come.
#[track_caller]
fn expect(stream: &mut impl std::io::Read, text: &str) {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(text) {
        let mut byte = [0];
        assert_eq!(stream.by_ref().read(&mut byte).unwrap(), 1, "{:?}", String::from_utf8_lossy(&read));
        read.push(byte[0]);
    }
}

#[test]
fn a_joined_network_namespace_and_its_devices_stay_as_they_are() {
    let criu = criu!();
    let host = Host::with_loopback();
    let mut holder = host.container(host.config(&["sleep", "600"]));
    holder.create();
    let path = format!("/proc/{}/ns/net", holder.pid());
    host.tool(&["ip", "link", "add", "move0", "mtu", "1400", "type", "veth", "peer", "move0p"]);
    host.tool(&["ip", "address", "add", "10.9.8.7/24", "dev", "move0"]);
    let config = host.config(&["sleep", "600"]).join("network", &path);
    let container = host.container(config.set("/linux/netDevices", json!({"move0": {}})));
    let stage = Stage { container, host, criu }.started(&[]);
    let namespace = std::fs::read_link(&path).unwrap();
    for _ in 0..2 {
        stage.frozen();
        stage.back(&[]);
        let own = std::fs::read_link(format!("/proc/{}/ns/net", stage.container.pid())).unwrap();
        assert_eq!(own, namespace);
        let link = format!("--net={path}");
        let words = ["nsenter", &link, "ip", "-j", "address", "show", "dev", "move0"];
        let device: Value = stage.host.tool(&words).json()[0].clone();
        assert_eq!((&device["mtu"], &device["addr_info"][0]["local"]), (&json!(1400), &json!("10.9.8.7")));
    }
    let _ = stage.container.verb(&["delete", "--force"]).ok();
    let _ = holder.force_delete().ok();
    eventually("the pair is gone", || !Path::new("/sys/class/net/move0p").exists());
}

#[test]
fn binds_within_binds_come_back_when_their_places_are_gone() {
    let stage = Stage::new(criu!(), |host, config| {
        let (outer, inner) = (host.files().join("outer"), host.files().join("inner"));
        std::fs::create_dir_all(outer.join("deep")).unwrap();
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(inner.join("file"), "of the inner one").unwrap();
        let config = config.bind(&outer.to_string_lossy(), "/data/one", &["rbind", "rw"]);
        config.bind(&inner.to_string_lossy(), "/data/one/deep", &["rbind", "ro"])
    });
    stage.frozen();
    std::fs::remove_dir_all(stage.container.rootfs().join("data")).unwrap();
    std::fs::remove_dir(stage.host.files().join("outer/deep")).unwrap();
    stage.back(&[]);
    assert_eq!(stage.payload(&["cat", "/data/one/deep/file"]).ok().out, "of the inner one");
    let report = stage.container.exec(&[], &[PAYLOAD, "report", "/data/one/deep"]).ok().json();
    assert_eq!(report["paths"]["/data/one/deep"]["write"], "EROFS");
}

#[test]
fn a_bind_whose_place_is_a_link_comes_back() {
    let criu = criu!();
    let host = Host::with_loopback();
    let source = host.files().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("file"), "shown").unwrap();
    let config = host.config(&["sleep", "600"]).bind(&source.to_string_lossy(), "/link/place", &["rbind"]);
    let container = host.container(config);
    std::fs::create_dir(container.rootfs().join("real")).unwrap();
    std::os::unix::fs::symlink("/real", container.rootfs().join("link")).unwrap();
    let stage = Stage { container, host, criu }.started(&[]);
    stage.frozen();
    stage.back(&[]);
    assert_eq!(stage.payload(&["cat", "/real/place/file"]).ok().out, "shown");
}

#[test]
fn a_root_made_of_layers_comes_back() {
    let criu = criu!();
    let host = Host::with_loopback();
    let container = host.container(host.config(&["sleep", "600"]));
    let base = container.bundle().join("base");
    std::fs::rename(container.rootfs(), &base).unwrap();
    for name in ["site", "upper", "work"] {
        std::fs::create_dir(container.bundle().join(name)).unwrap();
    }
    std::fs::write(container.bundle().join("site/new"), "of a layer").unwrap();
    let layers = ["site".to_owned(), "base".to_owned()];
    let config = host.config(&["sleep", "600"]).cgroup(&format!("/{}", container.id()));
    let config = config.overlay(&layers, Some(("upper", "work")));
    std::fs::write(container.bundle().join("config.json"), config.value().to_string()).unwrap();
    let stage = Stage { container, host, criu }.started(&[]);
    let _ = stage.payload(&["write", "/written", "above"]).ok();
    let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    stage.frozen();
    stage.back(&[]);
    assert_eq!(stage.payload(&["cat", "/new", "/written"]).ok().out, "of a layerabove");
    assert_eq!(std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap(), mounts);
}

#[test]
fn the_cgroup_can_be_another_one() {
    let mut stage = Stage::new(criu!(), |_, config| config);
    stage.frozen();
    let old = stage.container.cgroup("pids");
    assert!(!old.exists());
    let other = stage.moved();
    stage.back(&["--manage-cgroups-mode", "ignore"]);
    let text = std::fs::read_to_string(format!("/proc/{}/cgroup", stage.container.pid())).unwrap();
    assert!(text.contains(&format!("pids:{other}")), "{text}");
    assert!(!old.exists());
    let _ = stage.container.force_delete().ok();
}

/// Whether this process may make pipes as large as criu's page server does.
fn pipes_may_be_large() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim();
    let resource = u64::from_str_radix(effective, 16).unwrap() >> 24 & 1 == 1;
    let limit = std::fs::read_to_string("/proc/sys/fs/pipe-max-size").unwrap();
    resource || limit.trim().parse::<u64>().unwrap() >= 4 << 20
}

#[test]
fn memory_comes_late_from_the_container_that_was_left() {
    let criu = criu!();
    if !pipes_may_be_large() {
        skip!("criu's page server needs a pipe of 4 MiB: CAP_SYS_RESOURCE, or fs.pipe-max-size");
    }
    let mut stage = Stage::new(criu, |_, config| config);
    let files = stage.host.files().to_path_buf();
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let (criu, root) = (text(&stage.criu), text(stage.host.runtime().root()));
    // The memory stays where it is until it is asked for, and the verb with it.
    let (program, id) = (text(stage.host.runtime().program()), stage.container.id().to_owned());
    let words =
        ["-c", "exec \"$@\" 9> ready", "sh", &program, "--root", &root, "--criu", &criu, "checkpoint"];
    let options = ["--image-path", "images", "--lazy-pages", "--status-fd", "9", "--page-server"];
    let call = Call::new("sh", &files).args(words).args(options).args(["127.0.0.1:2700", &id]);
    let mut left = call.within(&files).spawn();
    eventually("memory can be asked for", || {
        std::fs::read(files.join("ready")).is_ok_and(|ready| ready == [0])
    });
    std::fs::create_dir(files.join("work")).unwrap();
    let words = ["lazy-pages", "--images-dir", "images", "--work-dir", "work", "--page-server"];
    let call = Call::new(&criu, &files).args(words).args(["--address", "127.0.0.1", "--port", "2700"]);
    let mut asking = call.within(&files).spawn();
    eventually("criu asks for the memory", || files.join("work/lazy-pages.socket").exists());
    let _ = stage.moved();
    let bundle = stage.bundle();
    let words = ["--criu", &criu, "restore", "--detach", "--lazy-pages", "--bundle", &bundle, "--image-path"];
    let options = ["images", "--work-path", "work", "--manage-cgroups-mode", "ignore", "late"];
    let elsewhere = stage.host.runtime().rooted(&files.join("elsewhere"));
    let output = elsewhere.call(&[&words[..], &options].concat()).within(&files).silent().run();
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!((asking.wait().code, left.wait().code), (0, 0));
    stage.container.deleted_already();
    assert_eq!(elsewhere.run(&["state", "late"]).ok().json()["status"], "running");
    let _ = elsewhere.run(&["delete", "--force", "late"]).ok();
}
