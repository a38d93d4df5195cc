//! The root file system: by path and as an overlay, read-only and writable, masked and read-only paths.

use serde_json::{Value, json};
use tare_bundle::bundle::{Bundle, Layers};
use tare_bundle::config::Config;
use tests::{Container, Host, Kind, skip_for};

#[test]
fn the_root_is_the_bundles_and_nothing_of_the_hosts_is_seen() {
    let host = Host::new();
    let report = host.report(host.config(&[]), &["/work", "/usr", "/home", "/boot"]);
    for path in ["/work", "/usr", "/home", "/boot"] {
        assert_eq!(report["paths"][path]["exists"], false, "{path}");
    }
    for mount in report["mounts"].as_array().unwrap() {
        let point = mount["point"].as_str().unwrap();
        let known = ["/", "/proc", "/dev", "/sys"]
            .iter()
            .any(|top| point == *top || point.starts_with(&format!("{top}/")));
        assert!(known, "{mount}");
    }
}

#[test]
fn the_root_may_be_named_absolutely() {
    let host = Host::new();
    let container = host.container(host.config(&["true"]));
    let other = host.container(host.config(&["report"]));
    let config =
        host.config(&["report"]).set("/root/path", container.rootfs().to_string_lossy().into_owned());
    Bundle::create(other.bundle()).unwrap().write(&config).unwrap();
    let mut other = other;
    let _ = other.run().ok();
}

#[test]
fn the_root_may_be_the_bundle_itself() {
    let host = Host::new();
    let container = host.container(host.config(&["echo", "here"]));
    let root = container.rootfs();
    let config =
        host.config(&["echo", "here"]).set("/root/path", ".").cgroup(&format!("/{}", container.id()));
    std::fs::write(root.join("config.json"), config.value().to_string()).unwrap();
    let mut inner = host.adopt(host.id(), &root);
    assert_eq!(inner.run().ok().out, "here\n");
    inner.deleted_already();
}

#[test]
fn a_read_only_root_takes_no_write_and_its_mounts_do() {
    let host = Host::new();
    let report = host.report(host.config(&[]).set("/root/readonly", true), &["/", "/tmp", "/dev/shm"]);
    assert_eq!(report["paths"]["/"]["write"], "EROFS");
    assert_eq!(report["paths"]["/tmp"]["write"], "EROFS");
    assert_eq!(report["paths"]["/dev/shm"]["write"], "ok");
}

#[test]
fn what_is_written_to_the_root_is_in_the_bundle() {
    let host = Host::new();
    let mut container = host.container(host.config(&["write", "/tmp/file", "text"]));
    let _ = container.run().ok();
    assert_eq!(std::fs::read_to_string(container.rootfs().join("tmp/file")).unwrap(), "text");
}

#[test]
fn masked_files_are_empty_and_masked_directories_too() {
    let host = Host::new();
    let config = host
        .config(&[])
        .set("/linux/maskedPaths", json!(["/etc/passwd", "/etc", "/proc/version", "/sys/firmware"]));
    let report = host.report(config, &["/etc", "/proc/version", "/sys/firmware"]);
    assert_eq!(report["paths"]["/etc"]["read"], 0);
    assert_eq!(report["paths"]["/etc"]["write"], "EROFS");
    assert_eq!(report["paths"]["/proc/version"]["read"], 0);
    let config = host.config(&[]).set("/linux/maskedPaths", json!(["/etc/passwd"]));
    let report = host.report(config, &["/etc/passwd", "/etc/group"]);
    assert_eq!(report["paths"]["/etc/passwd"]["read"], 0);
    assert!(report["paths"]["/etc/group"]["read"].as_u64().unwrap() > 0);
}

#[test]
fn a_mask_of_what_is_missing_is_ignored() {
    let host = Host::new();
    let config = host.config(&["true"]).set("/linux/maskedPaths", json!(["/no/such/path"]));
    let _ = host.run(config.set("/linux/readonlyPaths", json!(["/no/such/path"]))).ok();
}

#[test]
fn read_only_paths_take_no_write() {
    let host = Host::new();
    let config = host.config(&[]).set("/linux/readonlyPaths", json!(["/tmp", "/etc/passwd", "/proc/sys"]));
    let report = host.report(config, &["/tmp", "/etc/passwd", "/etc/group", "/proc/sys/kernel/domainname"]);
    assert_eq!(report["paths"]["/tmp"]["write"], "EROFS");
    assert_eq!(report["paths"]["/etc/passwd"]["write"], "EROFS");
    assert_eq!(report["paths"]["/etc/group"]["write"], "ok");
    assert_eq!(report["paths"]["/proc/sys/kernel/domainname"]["write"], "EROFS");
}

#[test]
fn a_read_only_path_keeps_the_flags_of_its_mount() {
    let host = Host::new();
    let report = host.report(host.config(&[]), &[]);
    let mount = mount_at(&report, "/proc/sys").clone();
    for flag in ["ro", "nosuid", "nodev", "noexec"] {
        assert!(has_option(&mount, flag), "{flag}: {mount}");
    }
}

#[test]
fn the_propagation_of_the_root_is_as_configured() {
    let host = Host::new();
    for (wanted, shows) in [("private", ""), ("shared", "shared:"), ("unbindable", "unbindable")] {
        if !shows.is_empty() {
            skip_for!(Runc, "it changes only the mount that is the host's root");
        }
        let report = host.report(host.config(&[]).set("/linux/rootfsPropagation", wanted), &[]);
        let root = mount_at(&report, "/");
        let propagation = root["propagation"].as_str().unwrap();
        assert!(
            propagation.contains(shows) && (shows.is_empty() == propagation.is_empty()),
            "{wanted}: {root}"
        );
    }
}

#[test]
fn pivot_root_and_its_substitute_give_the_same_view() {
    let host = Host::new();
    let mut container = host.container(host.config(&["report", "/.."]));
    let pivoted = container.run().ok().json();
    let moved = container.run_with(&["--no-pivot"]).ok().json();
    let points = |report: &Value| -> Vec<String> {
        let mounts = report["mounts"].as_array().unwrap().iter();
        mounts.map(|mount| mount["point"].as_str().unwrap().to_string()).collect()
    };
    for point in ["/proc", "/dev", "/sys"] {
        assert!(points(&moved).iter().any(|one| one == point), "{point}");
    }
    assert_eq!(pivoted["root_inode"], moved["root_inode"]);
}

/// A container on an overlay of two read-only directories: `site` above `base`, which holds the payload.
fn overlaid(host: &Host, config: Config, writable: bool) -> Container {
    let container = host.container(config.clone());
    let bundle = Bundle::create(container.bundle()).unwrap();
    std::fs::rename(container.rootfs(), container.bundle().join("base")).unwrap();
    let site = bundle.directory("site/etc").unwrap();
    std::fs::write(site.join("site"), "of the upper layer\n").unwrap();
    std::fs::write(site.join("group"), "changed\n").unwrap();
    let layers = Layers { lower: vec!["site".into(), "base".into()], writable };
    let config = bundle.overlay(&layers, config.cgroup(&format!("/{}", container.id()))).unwrap();
    bundle.write(&config).unwrap();
    container
}

/// Only our runtime reads the annotations; a peer would run on an empty root.
macro_rules! ours_only {
    () => {
        if tests::under_test() != Kind::Tare {
            tests::skip::note_peer("any peer", "the overlay root is ours alone");
            return;
        }
    };
}

#[test]
fn an_overlay_shows_all_layers_the_topmost_first() {
    ours_only!();
    let host = Host::new();
    let mut container =
        overlaid(&host, host.config(&["cat", "/etc/site", "/etc/group", "/etc/passwd"]), true);
    let output = container.run().ok();
    assert!(output.out.starts_with("of the upper layer\nchanged\nroot:x:0:0:"), "{}", output.out);
}

#[test]
fn writes_to_an_overlay_go_to_the_upper_directory() {
    ours_only!();
    let host = Host::new();
    let mut container =
        overlaid(&host, host.config(&["do", "write /etc/group mine", "write /tmp/new new"]), true);
    let _ = container.run().ok();
    assert_eq!(std::fs::read_to_string(container.bundle().join("upper/etc/group")).unwrap(), "mine");
    assert_eq!(std::fs::read_to_string(container.bundle().join("upper/tmp/new")).unwrap(), "new");
    assert_eq!(std::fs::read_to_string(container.bundle().join("site/etc/group")).unwrap(), "changed\n");
}

#[test]
fn an_overlay_without_an_upper_directory_is_read_only() {
    ours_only!();
    let host = Host::new();
    let mut container = overlaid(&host, host.config(&["report", "/", "/etc", "/dev/shm"]), false);
    let report = container.run().ok().json();
    assert_eq!(report["paths"]["/"]["write"], "EROFS");
    assert_eq!(report["paths"]["/etc"]["write"], "EROFS");
    assert_eq!(report["paths"]["/dev/shm"]["write"], "ok");
    assert_eq!(mount_at(&report, "/")["type"], "overlay");
}

#[test]
fn a_read_only_root_on_an_overlay_with_an_upper_directory_takes_no_write() {
    ours_only!();
    let host = Host::new();
    let mut container = overlaid(&host, host.config(&["report", "/etc"]).set("/root/readonly", true), true);
    assert_eq!(container.run().ok().json()["paths"]["/etc"]["write"], "EROFS");
}

#[test]
fn an_overlay_is_seen_by_the_container_alone() {
    ours_only!();
    let host = Host::new();
    let mut container = overlaid(&host, host.config(&["sleep", "60"]), true);
    let before = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    container.create();
    assert_eq!(std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap(), before);
    container.start();
    assert_eq!(container.status(), "running");
}

#[test]
fn a_missing_layer_is_an_error_that_names_it() {
    ours_only!();
    let host = Host::new();
    let mut container = host.container(host.config(&["true"]).overlay(&["nowhere".into()], None));
    let _ = container.create_with(&[]).fails().says(&["nowhere", "org.tare.overlay.lower"]);
    host.is_clean();
}

#[test]
fn a_default_symlink_in_dev_points_to_the_process_own_descriptors() {
    let host = Host::new();
    let report = host.report(host.config(&[]), &[]);
    let devices = report["devices"].as_array().unwrap();
    for (path, target) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ] {
        let link =
            devices.iter().find(|device| device["path"] == path).unwrap_or_else(|| panic!("no {path}"));
        assert_eq!(link["target"], target);
    }
}

#[test]
fn a_dev_that_is_a_link_leads_nowhere_out_of_the_root() {
    let host = Host::new();
    skip_for!(Runc, "it refuses the container");
    let outside = host.files().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let mut container = host.container(host.config(&["true"]));
    std::fs::remove_dir(container.rootfs().join("dev")).unwrap();
    std::os::unix::fs::symlink(&outside, container.rootfs().join("dev")).unwrap();
    // Whether the container runs is the runtime's to say; what it may not do is write outside.
    let _ = container.run();
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

fn mount_at<'r>(report: &'r Value, point: &str) -> &'r Value {
    let mounts = report["mounts"].as_array().unwrap();
    mounts
        .iter()
        .rfind(|mount| mount["point"] == point)
        .unwrap_or_else(|| panic!("nothing at {point}: {mounts:#?}"))
}

fn has_option(mount: &Value, option: &str) -> bool {
    mount["options"].as_str().unwrap().split(',').any(|one| one == option)
}
