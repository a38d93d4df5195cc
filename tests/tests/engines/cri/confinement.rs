//! What a container of a pod may do, see and reach: its security context, its namespaces and its mounts.

use std::path::Path;

use tests::Host;
use tests::engines::Cri;
use tests::engines::cri::message::{
    Capability, ContainerStatusResponse, Device, Empty, IdRequest, Int64Value, LinuxContainerSecurityContext,
    Mount, MountPropagation, NamespaceMode, NamespaceOption, PodSandboxConfig, ProfileType, SecurityProfile,
};
use tests::engines::cri::{Pod, container};

use super::{NOT_FOUND, start};

/// What a program prints under a security context; it must end well.
fn prints(
    (cri, pod): (&Cri<'_>, &Pod),
    words: &[&str],
    change: impl FnOnce(&mut LinuxContainerSecurityContext),
) -> String {
    let (code, _, log) = cri.runs(pod, container("one", words).secured(change));
    assert_eq!(code, 0, "{words:?}: {log}");
    log
}

/// A field of the status of such a program.
fn status(
    of: (&Cri<'_>, &Pod),
    field: &str,
    change: impl FnOnce(&mut LinuxContainerSecurityContext),
) -> String {
    let text = prints(of, &["cat", "/proc/self/status"], change);
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap().trim().to_string()
}

fn names(all: &[&str]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

fn privileged(mut config: PodSandboxConfig) -> PodSandboxConfig {
    config.linux.as_mut().unwrap().security_context.as_mut().unwrap().privileged = true;
    config
}

#[test]
fn users_groups_and_capabilities_are_as_asked() {
    let host = Host::for_engines();
    let cri = start(&host);
    let pod = cri.run_pod(&cri.host_pod("users"));
    let of = (&cri, &pod);
    let user = prints(of, &["id"], |context| {
        context.run_as_user = Some(Int64Value { value: 1000 });
        context.run_as_group = Some(Int64Value { value: 1001 });
        context.supplemental_groups = vec![2000];
    });
    assert!(user.contains("uid=1000") && user.contains("gid=1001") && user.contains("2000"), "{user}");
    let named = prints(of, &["id", "-u"], |context| context.run_as_username = "user".to_string());
    assert_eq!(named, "1000\n");
    let none = |context: &mut LinuxContainerSecurityContext| {
        context.capabilities = Some(Capability { drop_capabilities: names(&["ALL"]), ..Default::default() });
    };
    assert_eq!(status(of, "CapBnd", none), "0000000000000000");
    let one = |context: &mut LinuxContainerSecurityContext| {
        context.capabilities =
            Some(Capability { drop_capabilities: names(&["ALL"]), add_capabilities: names(&["KILL"]) });
    };
    assert_eq!(status(of, "CapEff", one), "0000000000000020");
    assert_eq!(status(of, "NoNewPrivs", |context| context.no_new_privs = true), "1");
    assert_eq!(status(of, "NoNewPrivs", |_| ()), "0");
    cri.end_pod(&pod);
}

#[test]
fn roots_paths_and_system_calls_are_as_asked() {
    let host = Host::for_engines();
    let cri = start(&host);
    let pod = cri.run_pod(&privileged(cri.host_pod("paths")));
    let of = (&cri, &pod);
    let read_only = container("one", &["touch", "/x"]).secured(|context| context.readonly_rootfs = true);
    let (code, _, log) = cri.runs(&pod, read_only);
    assert!(code != 0 && log.contains("Read-only"), "{log}");
    let masked = prints(
        of,
        &["sh", "-c", "cat /proc/version; (echo x > /proc/sys/kernel/domainname) 2> /dev/null || echo no"],
        |context| {
            context.masked_paths = names(&["/proc/version"]);
            context.readonly_paths = names(&["/proc/sys"]);
        },
    );
    assert!(masked.ends_with("no\n") && !masked.contains("Linux version"), "{masked}");
    let profile = host.files().join("profile.json");
    let rules = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}"#;
    std::fs::write(&profile, rules).unwrap();
    let seccomp = |kind: ProfileType| {
        let localhost_ref = match kind {
            ProfileType::Localhost => profile.display().to_string(),
            _ => String::new(),
        };
        Some(SecurityProfile { profile_type: kind.into(), localhost_ref })
    };
    for (kind, mode) in [(ProfileType::Unconfined, "0"), (ProfileType::RuntimeDefault, "2")] {
        assert_eq!(status(of, "Seccomp", |context| context.seccomp = seccomp(kind)), mode, "{kind:?}");
    }
    let refused =
        prints(of, &["sh", "-c", "mkdir /d || echo refused; mount -t tmpfs t /www || true"], |context| {
            context.seccomp = seccomp(ProfileType::Localhost);
        });
    assert!(refused.contains("refused"), "{refused}");
    let mounts = prints(
        of,
        &["sh", "-c", "mount -t tmpfs t /www && touch /www/x && test -w /proc/sys && ls /www"],
        |context| {
            context.privileged = true;
        },
    );
    assert_eq!(mounts, "x\n");
    assert_eq!(status(of, "Seccomp", |context| context.privileged = true), "0");
    cri.end_pod(&pod);
}

#[test]
fn process_ids_are_the_containers_the_pods_anothers_or_the_nodes() {
    let host = Host::for_engines();
    let cri = start(&host);
    let space = |pid: NamespaceMode, target: &str| NamespaceOption {
        network: NamespaceMode::Node.into(),
        pid: pid.into(),
        target_id: target.to_string(),
        ..Default::default()
    };
    let sleeps = |name: &str, option: NamespaceOption| {
        container(name, &["sleep", "100"]).secured(|context| context.namespace_options = Some(option))
    };
    let pod = cri.run_pod(&cri.host_pod("pids"));
    let processes = |id: &str| cri.exec(id, &["ps", "-o", "pid,args"]);
    // The number is the whole of it, and not the end of one.
    let first = |seen: &str, program: &str| seen.lines().any(|line| line.trim() == format!("1 {program}"));
    let alone = cri.run(&pod, sleeps("alone", space(NamespaceMode::Container, "")));
    let seen = processes(&alone);
    assert!(first(&seen, "sleep 100") && !seen.contains("86400"), "{seen}");
    let shared = cri.run(&pod, sleeps("shared", space(NamespaceMode::Pod, "")));
    let seen = processes(&shared);
    assert!(first(&seen, "/bin/payload sleep 86400") && seen.contains("sleep 100"), "{seen}");
    let joined = cri.run(&pod, sleeps("joined", space(NamespaceMode::Target, &alone)));
    let seen = processes(&joined);
    assert!(first(&seen, "sleep 100") && seen.matches("sleep 100").count() == 2, "{seen}");
    // What one leaves in shared memory the other finds.
    let _ = cri.exec(&alone, &["touch", "/dev/shm/left"]);
    let _ = cri.exec(&shared, &["test", "-e", "/dev/shm/left"]);
    cri.end_pod(&pod);
    let mut of_node = cri.host_pod("node");
    let context = of_node.linux.as_mut().unwrap().security_context.as_mut().unwrap();
    let mut all = space(NamespaceMode::Node, "");
    all.ipc = NamespaceMode::Node.into();
    context.namespace_options = Some(all.clone());
    let pod = cri.run_pod(&of_node);
    let id = cri.run(&pod, sleeps("node", all));
    for kind in ["pid", "ipc", "net"] {
        let here = std::fs::read_link(format!("/proc/thread-self/ns/{kind}")).unwrap();
        assert_eq!(
            cri.exec(&id, &["readlink", &format!("/proc/self/ns/{kind}")]),
            here.to_string_lossy(),
            "{kind}"
        );
    }
    cri.end_pod(&pod);
}

#[test]
fn mounts_are_read_only_and_propagate_as_asked() {
    let host = Host::for_engines();
    let cri = start(&host);
    let share = host.files().join("share");
    std::fs::create_dir(&share).unwrap();
    let place = share.to_str().unwrap();
    host.tool(&["mount", "-t", "tmpfs", "share", place]);
    host.tool(&["mount", "--make-shared", place]);
    std::fs::write(share.join("file"), "from the host\n").unwrap();
    let pod = cri.run_pod(&privileged(cri.host_pod("mounts")));
    let mount = |propagation: MountPropagation, readonly: bool| Mount {
        container_path: "/share".to_string(),
        host_path: place.to_string(),
        readonly,
        propagation: propagation.into(),
    };
    let sleeps = |name: &str, mount: Mount| {
        let mut config = container(name, &["sleep", "100"]);
        config.mounts.push(mount);
        config
    };
    let apart = cri.run(&pod, sleeps("apart", mount(MountPropagation::Private, true)));
    let told = cri.run(&pod, sleeps("told", mount(MountPropagation::HostToContainer, false)));
    let both = sleeps("both", mount(MountPropagation::Bidirectional, false));
    let both = cri.run(&pod, both.secured(|context| context.privileged = true));
    assert_eq!(cri.exec(&apart, &["cat", "/share/file"]), "from the host");
    let refused = cri.try_exec(&apart, &["touch", "/share/x"], 0).unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Read-only"), "{refused:?}");
    let _ = cri.exec(&told, &["touch", "/share/written"]);
    assert!(share.join("written").exists());
    // What the host mounts later is seen where it was asked for.
    let inner = share.join("inner");
    std::fs::create_dir(&inner).unwrap();
    host.tool(&["mount", "-t", "tmpfs", "inner", inner.to_str().unwrap()]);
    std::fs::write(inner.join("late"), "").unwrap();
    let sees = |id: &str| cri.try_exec(id, &["test", "-e", "/share/inner/late"], 0).unwrap().exit_code == 0;
    assert!(!sees(&apart) && sees(&told) && sees(&both));
    // And what a container mounts, on the host, when it may.
    let _ = cri.exec(
        &both,
        &["sh", "-c", "mkdir /share/back && mount -t tmpfs back /share/back && touch /share/back/x"],
    );
    assert!(share.join("back/x").exists());
    for name in ["back", "inner"] {
        host.tool(&["umount", share.join(name).to_str().unwrap()]);
    }
    cri.end_pod(&pod);
    host.tool(&["umount", place]);
}

#[test]
fn devices_and_a_source_that_is_missing() {
    let host = Host::for_engines();
    let cri = start(&host);
    let pod = cri.run_pod(&cri.host_pod("devices"));
    let mut config = container("one", &["sleep", "100"]);
    config.devices.push(Device {
        container_path: "/dev/other".to_string(),
        host_path: "/dev/null".to_string(),
        permissions: "rw".to_string(),
    });
    let id = cri.run(&pod, config);
    let _ = cri.exec(&id, &["sh", "-c", "echo x > /dev/other"]);
    let scored = container("scored", &["cat", "/proc/self/oom_score_adj"]);
    let (_, _, log) = cri.runs(&pod, scored.limited(|limits| limits.oom_score_adj = 500));
    assert_eq!(log, "500\n");
    let mut config = container("two", &["true"]);
    config.mounts.push(Mount {
        container_path: "/x".to_string(),
        host_path: Path::new("/no/such/place/device").display().to_string(),
        ..Default::default()
    });
    // containerd makes a directory that is missing.
    let made = cri.try_create(&pod, config).unwrap();
    assert!(Path::new("/no/such/place/device").is_dir());
    std::fs::remove_dir_all("/no").unwrap();
    let refused = cri.ask::<Empty>("StartContainer", &IdRequest { id: made.clone() }).unwrap_err();
    assert!(refused.message.contains("/no/such/place/device"), "{refused:?}");
    cri.tell("RemoveContainer", &made);
    let gone = cri.ask::<ContainerStatusResponse>("ContainerStatus", &IdRequest { id: made });
    assert_eq!(gone.unwrap_err().code, NOT_FOUND);
    cri.end_pod(&pod);
}
