//! Real input: the configurations that containerd, Docker, Podman and buildah have written, run for real.
//!
//! Only what belonged to the machine they were written on is changed: paths, ids of processes and the program.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests::{Host, built, skip_for};

fn samples(engine: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/plan/tests/samples");
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with(engine) && !name.contains("process")
    });
    all.sort();
    assert!(!all.is_empty(), "no samples of {engine}");
    all
}

/// The configuration for this machine: same shape, other places.
fn adapted(host: &Host, config: &mut Value) {
    config["root"]["path"] = "rootfs".into();
    config["process"]["args"] = json!(["/bin/payload", "report"]);
    config["process"]["env"].as_array_mut().unwrap().push(format!("TARE_TEST={}", host.marker()).into());
    config["process"]["cwd"] = "/".into();
    for namespace in config["linux"]["namespaces"].as_array_mut().unwrap() {
        // They name processes that are long gone.
        namespace.as_object_mut().unwrap().remove("path");
    }
    for mount in config["mounts"].as_array_mut().unwrap() {
        let bound = mount["options"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one == "bind" || one == "rbind"));
        if bound || mount["type"] == "bind" {
            mount["source"] = source(host, mount["destination"].as_str().unwrap()).into();
        }
    }
    if let Some(hooks) = config["hooks"]["prestart"].as_array_mut() {
        let lines = host.files().join("lines").to_string_lossy().into_owned();
        let program = built().join("tare-payload");
        *hooks = vec![json!({"path": program, "args": ["libnetwork-setkey", "hook", lines, "prestart"]})];
    }
    without_what_is_not_here(config);
}

/// Something of the host to bind at the destination: a file where engines bind one.
fn source(host: &Host, destination: &str) -> String {
    let path = host.files().join(format!("bound{}", destination.replace('/', "-")));
    if destination.starts_with("/etc/") || destination.ends_with(".containerenv") {
        std::fs::write(&path, "bound\n").unwrap();
    } else {
        std::fs::create_dir_all(&path).unwrap();
    }
    path.to_string_lossy().into_owned()
}

/// Disks of that other machine, and its security modules.
fn without_what_is_not_here(config: &mut Value) {
    let resources = &mut config["linux"]["resources"];
    if let Some(limits) = resources["blockIO"].as_object_mut() {
        limits.retain(|_, value| match value.as_array() {
            Some(all) => all
                .iter()
                .all(|one| Path::new(&format!("/sys/dev/block/{}:{}", one["major"], one["minor"])).exists()),
            None => true,
        });
    }
    if !Path::new("/sys/kernel/security/apparmor").exists() {
        config["process"].as_object_mut().unwrap().remove("apparmorProfile");
    }
}

/// Runs each sample of the engine and compares what the program saw with what the sample asks for.
fn runs(engine: &str) {
    for path in samples(engine) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // A host for each, and so a thread.
        let thread = std::thread::spawn(move || {
            let host = Host::new();
            let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            adapted(&host, &mut config);
            run(&host, &config);
        });
        assert!(thread.join().is_ok(), "{name} does not run");
    }
}

fn run(host: &Host, config: &Value) {
    let mut container = host.container(host.config(&[]));
    let mut config = config.clone();
    let process = config["process"].clone();
    config["process"]["terminal"] = false.into();
    config["linux"]["cgroupsPath"] = format!("/{}", container.id()).into();
    std::fs::write(container.bundle().join("config.json"), config.to_string()).unwrap();
    if let Some(root) = config["linux"]["uidMappings"][0]["hostID"].as_u64() {
        // As engines do: the root file system belongs to the one who is root inside.
        let _ = host.tool(&["chown", "-R", &format!("{root}:{root}"), &container.rootfs().to_string_lossy()]);
    }
    let report = container.run().ok().json();
    assert_eq!(report["uid"], process["user"]["uid"]);
    assert_eq!(report["seccomp"], if config["linux"]["seccomp"].is_object() { 2 } else { 0 });
    assert_eq!(report["no_new_privs"], process["noNewPrivileges"] == true);
    if let Some(name) = config["hostname"].as_str().filter(|name| !name.is_empty()) {
        assert_eq!(report["hostname"], name);
    }
    let wanted = process["capabilities"]["bounding"].as_array().cloned().unwrap_or_default();
    let held = report["capabilities"]["bounding"].as_array().unwrap();
    assert!(held.iter().all(|one| wanted.contains(one)), "{held:?} {wanted:?}");
    assert!(wanted.is_empty() || !held.is_empty(), "none of {wanted:?}");
    for limit in process["rlimits"].as_array().into_iter().flatten() {
        assert_eq!(report["rlimits"][limit["type"].as_str().unwrap()]["soft"], limit["soft"]);
    }
    if config["hooks"]["prestart"].is_array() {
        let lines = std::fs::read_to_string(host.files().join("lines")).unwrap();
        assert!(lines.contains(container.id()), "the hook got another state: {lines}");
    }
}

#[test]
fn configurations_of_containerd_run() {
    runs("ctr");
    runs("cri");
}

#[test]
fn configurations_of_docker_run() {
    skip_for!(Runc, "it fails where a privileged container's capabilities are more than the machine's");
    runs("docker");
}

#[test]
fn configurations_of_podman_run() {
    runs("podman");
}

#[test]
fn configurations_of_buildah_run() {
    runs("buildah");
}
