//! Bad input: one line that says what and where, a code that is not zero, and nothing left behind.

use serde_json::{Value, json};
use tare_bundle::config::Config;
use tests::{Container, Host, Kind};

/// Both `create` and `run` refuse the container, in one line, and leave nothing.
#[track_caller]
fn refused(host: &Host, container: &mut Container, words: &[&str]) {
    for verb in ["create", "run"] {
        let bundle = container.bundle().to_string_lossy().into_owned();
        let output = host.runtime().run(&[verb, "--bundle", &bundle, container.id()]).fails();
        // What the words are is ours to say; a peer only has to refuse.
        if host.runtime().kind() == Kind::Tare {
            assert!(output.err.trim().lines().count() <= 2, "{output:#?}");
            let _ = output.says(words);
        }
        let _ = container.verb(&["state"]).fails();
        host.is_clean();
    }
}

#[track_caller]
fn refused_config(change: impl FnOnce(Config) -> Config, words: &[&str]) {
    let host = Host::new();
    let mut container = host.container(change(host.config(&["true"])));
    refused(&host, &mut container, words);
}

#[track_caller]
fn refused_value(pointer: &str, value: impl Into<Value>, words: &[&str]) {
    refused_config(|config| config.set(pointer, value), words);
}

#[track_caller]
fn refused_text(text: &str, words: &[&str]) {
    let host = Host::new();
    let mut container = host.container(host.config(&["true"]));
    std::fs::write(container.bundle().join("config.json"), text).unwrap();
    refused(&host, &mut container, words);
}

#[test]
fn a_configuration_that_is_not_json() {
    refused_text("{\"ociVersion\": ", &["config.json"]);
}

#[test]
fn an_empty_configuration_file() {
    refused_text("", &["config.json"]);
}

#[test]
fn a_configuration_that_is_an_array() {
    refused_text("[]", &["config.json"]);
}

#[test]
fn a_configuration_without_anything() {
    refused_text("{}", &[]);
}

#[test]
fn missing_arguments() {
    refused_config(|config| config.remove("/process/args"), &["process.args"]);
}

#[test]
fn empty_arguments() {
    refused_value("/process/args", json!([]), &["process.args"]);
}

#[test]
fn a_missing_root() {
    refused_config(|config| config.remove("/root"), &["root"]);
}

#[test]
fn a_missing_working_directory() {
    tests::skip_for!(Crun, "it takes / instead");
    refused_config(|config| config.remove("/process/cwd"), &["process.cwd"]);
}

#[test]
fn a_relative_working_directory() {
    tests::skip_for!(Crun, "it accepts one");
    refused_value("/process/cwd", "tmp", &["process.cwd"]);
}

#[test]
fn a_root_file_system_that_is_missing() {
    refused_value("/root/path", "nowhere", &["nowhere"]);
}

#[test]
fn an_unknown_namespace() {
    refused_config(|config| config.namespace("galaxy"), &["linux.namespaces", "galaxy"]);
}

#[test]
fn a_namespace_listed_twice() {
    tests::skip_for!(Crun, "it accepts the second");
    refused_value("/linux/namespaces/-", json!({"type": "pid"}), &["linux.namespaces", "pid"]);
}

#[test]
fn a_namespace_path_that_is_missing() {
    refused_config(|config| config.join("ipc", "/nonexistent/ipc"), &["/nonexistent/ipc"]);
}

#[test]
fn a_namespace_path_of_another_kind() {
    refused_config(|config| config.join("ipc", "/proc/self/ns/uts"), &["linux.namespaces"]);
}

#[test]
fn an_unknown_mount_option() {
    refused_config(|config| config.tmpfs("/tmp", &["nosuch"]), &["mounts[7]", "nosuch"]);
}

#[test]
fn an_unknown_file_system() {
    refused_config(
        |config| config.mount(json!({"destination": "/tmp", "type": "nosuchfs", "source": "x"})),
        &["mounts[7]", "nosuchfs"],
    );
}

#[test]
fn a_bind_mount_without_its_source() {
    refused_config(|config| config.bind("/nonexistent", "/tmp", &[]), &["mounts[7]", "/nonexistent"]);
}

#[test]
fn an_absurd_mount_size() {
    refused_config(|config| config.tmpfs("/tmp", &["size=huge"]), &["mounts[7]"]);
}

#[test]
fn a_user_of_4294967295() {
    // The kernel takes it as "no change": a container would keep root.
    tests::skip_for!(Crun, "it runs the container as root");
    refused_value("/process/user/uid", 4_294_967_295_u32, &["process.user.uid"]);
}

#[test]
fn a_user_beyond_32_bits() {
    tests::skip_for!(Crun, "it takes the lower half");
    refused_value("/process/user/uid", 4_294_967_296_u64, &["process.user.uid"]);
}

#[test]
fn a_group_of_4294967295() {
    tests::skip_for!(Crun, "it runs the container as root");
    refused_value("/process/user/gid", 4_294_967_295_u32, &["process.user.gid"]);
}

#[test]
fn a_negative_user() {
    tests::skip_for!(Crun, "it accepts one");
    refused_value("/process/user/uid", -1, &["process.user.uid"]);
}

#[test]
fn an_unknown_resource_limit() {
    refused_value(
        "/process/rlimits",
        json!([{"type": "RLIMIT_TEST", "soft": 1, "hard": 1}]),
        &["RLIMIT_TEST"],
    );
}

#[test]
fn a_resource_limit_given_twice() {
    tests::skip_for!(Crun, "it accepts the second");
    tests::skip_for!(Runc, "it accepts the second, against the specification");
    let one = json!({"type": "RLIMIT_CORE", "soft": 1, "hard": 1});
    refused_value("/process/rlimits", json!([one, one]), &["process.rlimits[1]", "RLIMIT_CORE"]);
}

#[test]
fn a_soft_limit_above_the_hard_one() {
    refused_value(
        "/process/rlimits",
        json!([{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]),
        &["process.rlimits[0]"],
    );
}

#[test]
fn a_string_where_a_number_belongs() {
    refused_value("/linux/resources/pids/limit", "many", &["linux.resources.pids.limit"]);
}

#[test]
fn an_absurd_memory_limit() {
    refused_value("/linux/resources/memory/limit", "lots", &["linux.resources.memory.limit"]);
}

#[test]
fn missing_cpus() {
    refused_value("/linux/resources/cpu/cpus", "4096", &["linux.resources.cpu.cpus"]);
}

#[test]
fn an_unknown_seccomp_action() {
    refused_value(
        "/linux/seccomp",
        json!({"defaultAction": "SCMP_ACT_SHRUG"}),
        &["linux.seccomp.defaultAction"],
    );
}

#[test]
fn an_unknown_seccomp_architecture() {
    let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_PDP11"]});
    refused_value("/linux/seccomp", profile, &["linux.seccomp.architectures[0]", "PDP11"]);
}

#[test]
fn an_unknown_propagation() {
    refused_value("/linux/rootfsPropagation", "sideways", &["linux.rootfsPropagation", "sideways"]);
}

#[test]
fn an_unknown_class_of_io_priority() {
    tests::skip_for!(Runc, "Debian's is older than that");
    tests::skip_for!(Crun, "Debian's is older than that");
    let place = "process.ioPriority.class";
    refused_value("/process/ioPriority", json!({"class": "IOPRIO_CLASS_NONE", "priority": 0}), &[place]);
}

#[test]
fn a_user_namespace_without_mappings() {
    refused_config(|config| config.namespace("user"), &["mappings", "linux.namespaces"]);
}

#[test]
fn a_working_directory_that_is_a_file() {
    refused_value("/process/cwd", "/etc/passwd", &["/etc/passwd"]);
}

#[test]
fn a_hostname_without_a_uts_namespace() {
    refused_config(|config| config.share("uts").hostname("name"), &["hostname"]);
}

#[test]
fn a_sysctl_of_a_namespace_that_is_shared() {
    refused_config(
        |config| config.share("network").set("/linux/sysctl", json!({"net.ipv4.ip_forward": "1"})),
        &["linux.sysctl", "net.ipv4.ip_forward"],
    );
}

#[test]
fn a_sysctl_of_no_namespace() {
    refused_value("/linux/sysctl", json!({"vm.swappiness": "1"}), &["linux.sysctl", "vm.swappiness"]);
}

#[test]
fn an_invalid_version_of_the_specification() {
    tests::skip_for!(Runc, "it ignores the version");
    refused_value("/ociVersion", "invalid", &["ociVersion"]);
}

#[test]
fn a_hook_with_a_relative_path() {
    tests::skip_for!(Runc, "it looks for the program at run time");
    refused_config(|config| config.hook("createRuntime", &["relative"]), &["hooks.createRuntime[0]"]);
}

#[test]
fn a_bundle_that_is_not_there() {
    let host = Host::new();
    for verb in ["create", "run"] {
        let _ = host.runtime().run(&[verb, "--bundle", "/nonexistent", &host.id()]).fails();
        host.is_clean();
    }
}

#[test]
fn a_bundle_without_a_configuration() {
    let host = Host::new();
    let mut container = host.container(host.config(&["true"]));
    std::fs::remove_file(container.bundle().join("config.json")).unwrap();
    refused(&host, &mut container, &["config.json"]);
}

#[test]
fn an_id_that_would_leave_the_root_directory() {
    let host = Host::new();
    let container = host.container(host.config(&["true"]));
    let bundle = container.bundle().to_string_lossy().into_owned();
    for id in ["a/b", "../a", "..", ".", "/a", "", "a b", "a\nb", "a*"] {
        for verb in ["create", "run"] {
            let _ = host.runtime().run(&[verb, "--bundle", &bundle, id]).fails();
            host.is_clean();
        }
        for verb in ["state", "start", "delete", "kill"] {
            let output = host.runtime().run(&[verb, id]).fails();
            // Any name would get the error that no container has it.
            assert!(
                host.runtime().kind() != Kind::Tare || output.err.contains("invalid container ID"),
                "{output:?}"
            );
        }
    }
    host.is_clean();
}

#[test]
fn ids_are_letters_digits_and_four_signs() {
    let host = Host::new();
    let mut container = host.container(host.config(&["true"]));
    let bundle = container.bundle().to_string_lossy().into_owned();
    for id in [".", "..", "a/b", "/a", "a b", "a*b", "a:b", "", "\u{e9}"] {
        let _ = host.runtime().run(&["create", "--bundle", &bundle, id]).fails();
    }
    for id in ["a", "A-Z_0+9.x", "9"] {
        let id = format!("{id}{}", host.marker());
        let _ = host.runtime().run(&["run", "--bundle", &bundle, &id]).ok();
    }
    container.deleted_already();
}

#[test]
fn an_id_in_use() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    container.create();
    let bundle = container.bundle().to_string_lossy().into_owned();
    for verb in ["create", "run"] {
        let _ = host.runtime().run(&[verb, "--bundle", &bundle, container.id()]).fails().says(&["exist"]);
        assert_eq!(container.status(), "created");
    }
}

#[test]
fn a_pid_file_that_cannot_be_written() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    let _ = container.create_with(&["--pid-file", "/nonexistent/pid"]).fails();
    let _ = container.verb(&["state"]).fails();
    host.is_clean();
}

#[test]
fn a_console_socket_for_a_container_without_a_terminal() {
    let host = Host::new();
    tests::skip_for!(Crun, "it ignores the socket");
    let mut container = host.container(host.config(&["sleep", "60"]));
    let _ = container.create_with(&["--console-socket", "/nonexistent/socket"]).fails();
    host.is_clean();
}

#[test]
fn a_console_socket_without_a_listener() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]).set("/process/terminal", true));
    let _ = container.create_with(&["--console-socket", "/nonexistent/socket"]).fails();
    host.is_clean();
}

#[test]
fn unknown_fields_and_annotations_are_no_mistake() {
    let host = Host::new();
    let config = host.config(&["true"]).set("/unknown", json!({"a": 1})).annotation("unknown/key", "");
    let _ = host.run(config).ok();
}

#[test]
fn newer_versions_of_the_specification_are_no_mistake() {
    let host = Host::new();
    for version in ["1.0.2-dev", "1.2.1", "1.3.0"] {
        let config = host.config(&["true"]).set("/ociVersion", version);
        tests::skip_for!(Crun, "Debian's knows 1.0 only");
        let _ = host.run(config).ok();
    }
}

/// `create` and `run` refuse the container with `words`, and `check` reports `line`.
#[track_caller]
fn missing_on_the_host(change: impl FnOnce(Config) -> Config, words: &str, line: &str) {
    let host = Host::new();
    let mut container = host.container(change(host.config(&["true"])));
    refused(&host, &mut container, &[words]);
    if host.runtime().kind() == Kind::Tare {
        let bundle = container.bundle().to_string_lossy().into_owned();
        let found = host.runtime().run(&["check", &bundle]).fails();
        assert!(found.out.contains(line), "{found:?}");
    }
}

#[test]
fn a_bind_source_that_does_not_exist() {
    let mounts =
        json!([{ "destination": "/mnt", "type": "bind", "source": "/no/such", "options": ["bind"] }]);
    missing_on_the_host(
        |config| config.set("/mounts", mounts),
        "cannot bind /no/such at /mnt: no such file or directory, because of mounts[0].source",
        "mistake: mounts[0].source: cannot bind /no/such at /mnt: no such file or directory",
    );
}

#[test]
fn a_root_file_system_that_does_not_exist() {
    missing_on_the_host(
        |config| config.set("/root/path", "/b/nope"),
        "root file system /b/nope: no such file or directory, because of root.path",
        "mistake: root.path: root file system /b/nope: no such file or directory",
    );
}

/// Docker adds its hint about files and directories by these words.
#[test]
fn a_file_bound_over_a_directory() {
    let mounts =
        json!([{ "destination": "/bin", "type": "bind", "source": "/etc/hostname", "options": ["bind"] }]);
    refused_config(|config| config.set("/mounts", mounts), &["not a directory"]);
}

/// An id that is invalid, an id that is taken and a missing bundle are reported before a missing console socket.
#[test]
fn ids_and_bundles_come_before_terminals() {
    let host = Host::new();
    tests::skip_for!(Crun, "its words are others");
    let container = host.container(host.config(&["true"]).set("/process/terminal", true));
    let bundle = container.bundle().to_string_lossy().into_owned();
    let create = |bundle: &str, id: &str| host.runtime().run(&["create", "--bundle", bundle, id]).fails();
    let _ = create(&bundle, "a/b").says(&["invalid container ID format"]);
    let _ = create("/no/such/bundle", container.id()).says(&["no such file or directory"]);
    let mut taken = host.container(host.config(&["sleep", "60"]));
    taken.create();
    let _ = create(&bundle, taken.id()).says(&["container with given ID already exists"]);
    let _ = host
        .runtime()
        .run(&["exec", "--tty", "--detach", "no-such-container", "true"])
        .fails()
        .says(&["does not exist"]);
}
