//! Containers that stay in the runtime's mount namespace.

use tare_bundle::config::Config;
use tests::{Host, skip_for};

/// A configuration without a mount namespace; paths can't be hidden in one that others use.
fn guest(host: &Host, words: &[&str]) -> Config {
    host.config(words).share("mount").remove("/linux/maskedPaths").remove("/linux/readonlyPaths")
}

fn mounts() -> String {
    std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap()
}

#[test]
fn the_runtimes_mount_namespace_is_the_containers() {
    skip_for!(Crun, "it leaves its mounts on the host");
    skip_for!(Runc, "it leaves its mounts on the host");
    let host = Host::new();
    let own = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata("/proc/thread-self/ns/mnt").unwrap());
    let report = host.report(guest(&host, &[]), &["/dev/null", "/proc/self/status", "/etc/debian_version"]);
    assert_eq!(report["namespaces"]["mnt"], own);
    assert_eq!(report["paths"]["/proc/self/status"]["exists"], true);
    assert_eq!(report["paths"]["/etc/debian_version"]["exists"], false, "it sees the host's root");
    assert_eq!(report["paths"]["/dev/null"]["kind"], "char");
}

#[test]
fn its_mounts_are_seen_by_no_other_process_and_nothing_is_left() {
    skip_for!(Crun, "it leaves its mounts on the host");
    skip_for!(Runc, "it leaves its mounts on the host");
    let host = Host::new();
    let source = host.files().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("file"), "of the host\n").unwrap();
    let hook = host.files().join("hook");
    let script = format!("#!/bin/sh\necho once >> {}\n", host.files().join("hooked").display());
    std::fs::write(&hook, script).unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let before = mounts();
    let config = guest(&host, &["sleep", "60"])
        .tmpfs("/data", &["size=64k"])
        .bind(&source.to_string_lossy(), "/bound", &["ro"])
        .set("/root/readonly", true)
        .hook("createRuntime", &[&hook.to_string_lossy()]);
    let mut container = host.container(config);
    container.create();
    container.start();
    assert_eq!(mounts(), before);
    assert_eq!(std::fs::read_to_string(host.files().join("hooked")).unwrap(), "once\n");
    let seen =
        container.exec(&[], &["/bin/payload", "report", "/bound/file", "/data", "/proc/1", "/"]).ok().json();
    assert_eq!(seen["paths"]["/bound/file"]["write"], "EROFS");
    assert_eq!(seen["paths"]["/data"]["write"], "ok");
    assert_eq!(seen["paths"]["/"]["write"], "EROFS");
    assert_eq!(seen["paths"]["/proc/1"]["exists"], true);
    let _ = container.force_delete().ok();
    assert_eq!(mounts(), before);
}

#[test]
fn a_user_namespace_without_a_mount_namespace_is_refused() {
    skip_for!(Crun, "it fails later, in other words");
    skip_for!(Runc, "it fails later, in other words");
    let host = Host::new();
    let config = guest(&host, &["true"]).map_users(100_000, 65_536);
    let _ = host.run(config).fails().says(&["needs a mount namespace as well", "linux.namespaces"]);
}
