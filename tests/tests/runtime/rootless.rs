//! Containers of a rootless user: in a user namespace, and without a cgroup where none may be made.

use std::path::PathBuf;

use tare_bundle::config::Config;
use tests::{Host, Output, eventually};

/// A user without rights, and without a name.
const UID: &str = "4711";

struct User {
    host: Host,
    bundle: PathBuf,
    id: String,
}

/// The terminals' group is not mapped.
fn without_terminals_group(config: Config) -> Config {
    let terminals = serde_json::json!(["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]);
    config.set("/mounts/2/options", terminals)
}

impl User {
    fn new(change: impl FnOnce(Config) -> Config) -> Self {
        let host = Host::new();
        let config = without_terminals_group(host.config(&["sleep", "60"]).map_users(4711, 1));
        let config = change(config);
        let mut container = host.container(config);
        // The harness gives each container a cgroup of its own, for which a rootless user has no right.
        container.deleted_already();
        let (bundle, id) = (container.bundle().to_path_buf(), container.id().to_string());
        let path = bundle.join("config.json");
        let mut config: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let asked = config["annotations"]["cgroup"].as_str().map(str::to_string);
        match asked {
            Some(cgroup) => config["linux"]["cgroupsPath"] = cgroup.into(),
            None => drop(config["linux"].as_object_mut().unwrap().remove("cgroupsPath")),
        }
        std::fs::write(&path, config.to_string()).unwrap();
        let run = host.files().join("run");
        std::fs::create_dir(&run).unwrap();
        let places = [bundle.to_string_lossy().into_owned(), run.to_string_lossy().into_owned()];
        host.tool(&["chown", "-R", UID, &places[0], &places[1]]);
        Self { host, bundle, id }
    }

    fn call(&self, words: &[&str]) -> Output {
        let program = self.host.program_for_all().to_string_lossy().into_owned();
        self.outside(&[&[program.as_str()], words].concat())
    }

    /// Calls any program as this user.
    fn outside(&self, words: &[&str]) -> Output {
        let run = format!("XDG_RUNTIME_DIR={}", self.host.files().join("run").display());
        let marker = format!("TARE_TEST={}", self.host.marker());
        let user =
            ["--reuid", UID, "--regid", UID, "--clear-groups", "env", "-u", "NOTIFY_SOCKET", &run, &marker];
        let call = tests::Call::new("setpriv", self.host.files()).args(user).args(words);
        call.within(&self.bundle).spawn().wait()
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let output = self.call(&["delete", "--force", &self.id]);
        assert!(std::thread::panicking() || output.code == 0, "{output:?}");
    }
}

#[test]
fn every_verb_takes_no_cgroup_for_no_cgroup() {
    let user = User::new(|config| config);
    let id = user.id.as_str();
    let _ = user.call(&["create", id]).ok();
    assert_eq!(user.call(&["exec", id, "/bin/payload", "echo", "in"]).ok().out, "in\n");
    let _ = user.call(&["start", id]).ok();
    let report = user.call(&["exec", id, "/bin/payload", "report"]).ok().json();
    assert_eq!(report["uid"], 0);
    let maps = user.call(&["exec", id, "/bin/payload", "cat", "/proc/self/setgroups"]).ok();
    assert_eq!(maps.out, "deny\n");
    let pids: Vec<i32> = serde_json::from_value(user.call(&["ps", "-f", "json", id]).ok().json()).unwrap();
    assert_eq!(pids.len(), 1);
    let _ = user.call(&["events", "--stats", id]).ok();
    let _ = user.call(&["debug", id]).ok();
    let _ = user.call(&["pause", id]).fails().says(&["it has no cgroup"]);
    let _ = user.call(&["update", "--pids-limit", "5", id]).fails().says(&["linux.resources.pids.limit"]);
    let state = || user.call(&["state", id]).ok().json()["status"].clone();
    assert_eq!(state(), "running");
    let _ = user.call(&["kill", "--all", id, "KILL"]).ok();
    eventually("it has stopped", || state() == "stopped");
}

#[test]
fn a_limit_without_the_right_to_it_is_an_error() {
    let user = User::new(|config| config.pids(5));
    let _ = user.call(&["create", &user.id]).fails().says(&["linux.resources.pids.limit"]);
}

#[test]
fn a_cgroup_without_the_right_to_it_is_an_error() {
    let user = User::new(|config| config.annotation("cgroup", "/asked-for"));
    let _ = user.call(&["create", &user.id]).fails().says(&["linux.cgroupsPath", "permission denied"]);
}

#[test]
fn the_hosts_processes_can_be_shown_where_there_is_no_pid_namespace() {
    let user = User::new(|config| {
        let bound = serde_json::json!(["rbind", "nosuid", "noexec", "nodev"]);
        let config = config.share("pid").set("/mounts/0/type", "bind").set("/mounts/0/source", "/proc");
        let masked = serde_json::json!(["/proc/kcore", "/proc/keys"]);
        let config = config.set("/mounts/0/options", bound).set("/linux/maskedPaths", masked);
        config.set("/linux/readonlyPaths", serde_json::json!(["/proc/sys", "/proc/sysrq-trigger"]))
    });
    let id = user.id.as_str();
    let _ = user.call(&["create", id]).ok();
    let _ = user.call(&["start", id]).ok();
    let pid = user.call(&["state", id]).ok().json()["pid"].to_string();
    // Its number is the host's, and so is what it sees.
    let program = format!("/proc/{pid}/cmdline");
    let seen = user.call(&["exec", id, "/bin/payload", "cat", &program, "/proc/1/stat"]).ok().out;
    assert!(seen.contains("sleep") && seen.contains("1 ("), "{seen:?}");
    assert_eq!(user.call(&["exec", id, "/bin/payload", "cat", "/proc/keys"]).ok().out, "");
    let mounts = user.call(&["exec", id, "/bin/payload", "cat", "/proc/self/mountinfo"]).ok().out;
    let mut readonly = mounts.lines().filter(|line| line.contains(" /proc/sys ro,"));
    assert!(readonly.next().is_some(), "{mounts}");
    let _ = user.call(&["kill", id, "KILL"]).ok();
    eventually("it has stopped", || user.call(&["state", id]).ok().json()["status"] == "stopped");
}

#[test]
fn root_of_a_user_namespace_has_no_cgroup_either_and_its_state_in_its_session() {
    // So Podman calls for a user: as root of a user namespace that it has made before, with a configuration without one.
    let kinds = ["mount", "pid", "ipc", "uts", "network"];
    let namespaces = kinds.map(|kind| serde_json::json!({ "type": kind }));
    let user = User::new(|config| {
        let config = config
            .set("/linux/namespaces", namespaces.to_vec())
            .set("/linux/uidMappings", serde_json::json!([]));
        config.set("/linux/gidMappings", serde_json::json!([]))
    });
    let (program, id) = (user.host.program_for_all().to_string_lossy().into_owned(), user.id.as_str());
    let script = format!(
        "set -e; unset USER; {program} create {id}; test -e $XDG_RUNTIME_DIR/tare/{id}; \
         {program} start {id}; {program} exec {id} /bin/payload echo in; {program} kill {id} KILL; \
         while ! {program} state {id} | grep -q stopped; do sleep 0.05; done; {program} delete {id}"
    );
    let words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &script];
    assert_eq!(user.outside(&words).ok().out, "in\n");
}

#[test]
fn root_of_a_user_namespace_has_a_cgroup_where_they_are_its_own() {
    // As in a container of a system's that has the hierarchies for its own; here they are, since the host's root is mapped.
    let host = Host::new();
    let kinds = ["mount", "pid", "ipc", "uts", "network"];
    let namespaces = kinds.map(|kind| serde_json::json!({ "type": kind }));
    let config = host.config(&["cat", "/proc/self/cgroup"]).set("/linux/namespaces", namespaces.to_vec());
    let rules = serde_json::json!([{ "allow": false, "access": "rwm" }]);
    let config = config.pids(20).set("/linux/resources/devices", rules).remove("/linux/devices");
    let mut container = host.container(without_terminals_group(config));
    container.deleted_already();
    let path = container.bundle().join("config.json");
    let mut config: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    config["linux"].as_object_mut().unwrap().remove("cgroupsPath");
    std::fs::write(&path, config.to_string()).unwrap();
    let program = host.program_for_all().to_string_lossy().into_owned();
    let (root, id) = (host.runtime().root().to_string_lossy().into_owned(), container.id());
    let words = ["unshare", "--user", "--map-root-user", "--mount", &program, "--root", &root, "run", id];
    let call =
        tests::Call::new("env", host.files()).args([format!("TARE_TEST={}", host.marker())]).args(words);
    let seen = call.within(container.bundle()).run().ok().out;
    assert!(seen.lines().any(|line| line.ends_with(&format!(":/{id}"))), "{seen}");
}
