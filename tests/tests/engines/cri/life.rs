//! Pods and containers from their creation to their removal.

use std::collections::HashMap;
use std::path::Path;

use tests::engines::Cri;
use tests::engines::cri::container;
use tests::engines::cri::message::{
    ContainerFilter, ContainerState, ContainerStatsResponse, Empty, IdRequest, KeyValue,
    LinuxContainerResources, ListContainerStatsRequest, ListContainerStatsResponse, ListContainersRequest,
    ListContainersResponse, ListPodSandboxRequest, ListPodSandboxResponse, ListPodSandboxStatsRequest,
    ListPodSandboxStatsResponse, Mount, PodSandboxState, PodSandboxStatusResponse,
    UpdateContainerResourcesRequest, VersionRequest, VersionResponse,
};
use tests::{Host, eventually};

use super::{NOT_FOUND, start};

/// gRPC's code for it.
const DEADLINE_EXCEEDED: u32 = 4;

fn containers(cri: &Cri<'_>, filter: ContainerFilter) -> Vec<String> {
    let asked = ListContainersRequest { filter: Some(filter) };
    let told: ListContainersResponse = cri.ok("ListContainers", &asked);
    told.containers.into_iter().map(|one| one.metadata.unwrap().name).collect()
}

#[test]
fn a_kubelet_learns_who_serves_it_and_that_it_is_ready() {
    let host = Host::for_engines();
    let cri = start(&host);
    let told: VersionResponse = cri.ok("Version", &VersionRequest { version: "v1".to_string() });
    assert_eq!((told.runtime_name.as_str(), told.runtime_api_version.as_str()), ("containerd", "v1"));
    assert!(cri.is_ready("RuntimeReady") && !cri.is_ready("NetworkReady"));
}

#[test]
fn a_pod_and_its_containers_live_stop_and_go() {
    let host = Host::for_engines();
    let cri = start(&host);
    let mut config = cri.host_pod("life");
    config.annotations = HashMap::from([("note".to_string(), "kept".to_string())]);
    let pod = cri.run_pod(&config);
    let status = cri.pod_status(&pod);
    assert_eq!((status.state(), status.runtime_handler.as_str()), (PodSandboxState::Ready, "tested"));
    assert_eq!((status.annotations, status.labels), (config.annotations.clone(), config.labels.clone()));
    let stubborn = "trap '' TERM; echo begun $X; while :; do sleep 0.1; done";
    let mut first = container("first", &["sh", "-c", stubborn]);
    first.envs = vec![KeyValue { key: "X".to_string(), value: "here".to_string() }];
    first.working_dir = "/tmp".to_string();
    let id = cri.try_create(&pod, first).unwrap();
    assert_eq!(cri.status(&id).state(), ContainerState::Created);
    cri.tell("StartContainer", &id);
    let status = cri.status(&id);
    assert_eq!(status.state(), ContainerState::Running);
    assert!(status.started_at >= status.created_at && status.finished_at == 0);
    assert_eq!(cri.exec(&id, &["sh", "-c", "pwd"]), "/tmp");
    eventually("its words are in the log", || cri.log(&pod, "first") == "begun here\n");
    let second = cri.run(&pod, container("second", &["sleep", "100"]));
    let of_pod = ContainerFilter { pod_sandbox_id: pod.id.clone(), ..Default::default() };
    assert_eq!(containers(&cri, of_pod).len(), 2);
    let label_selector = HashMap::from([("container".to_string(), "second".to_string())]);
    assert_eq!(containers(&cri, ContainerFilter { label_selector, ..Default::default() }), ["second"]);
    // It does not mind SIGTERM: it is killed when its time is over.
    cri.stop(&id, 1);
    let status = cri.status(&id);
    assert_eq!((status.state(), status.exit_code), (ContainerState::Exited, 137));
    assert!(status.finished_at > status.started_at);
    cri.tell("RemoveContainer", &id);
    cri.tell("RemoveContainer", &id);
    // The second runs yet: a pod that stops takes it along.
    cri.tell("StopPodSandbox", &pod.id);
    cri.tell("StopPodSandbox", &pod.id);
    assert_eq!(cri.pod_status(&pod).state(), PodSandboxState::NotReady);
    assert_eq!(cri.status(&second).state(), ContainerState::Exited);
    cri.tell("RemovePodSandbox", &pod.id);
    cri.tell("RemovePodSandbox", &pod.id);
    let gone = cri.ask::<PodSandboxStatusResponse>("PodSandboxStatus", &IdRequest { id: pod.id.clone() });
    assert_eq!(gone.unwrap_err().code, NOT_FOUND);
    assert!(containers(&cri, ContainerFilter::default()).is_empty());
    let left: ListPodSandboxResponse = cri.ok("ListPodSandbox", &ListPodSandboxRequest::default());
    assert!(left.items.is_empty());
}

#[test]
fn the_reason_of_a_containers_end_is_reported() {
    let host = Host::for_engines();
    let cri = start(&host);
    let pod = cri.run_pod(&cri.host_pod("ends"));
    let runs = |words: &[&str]| {
        let (code, reason, _) = cri.runs(&pod, container("one", words));
        (code, reason)
    };
    assert_eq!(runs(&["true"]), (0, "Completed".to_string()));
    assert_eq!(runs(&["sh", "-c", "exit 7"]), (7, "Error".to_string()));
    assert_eq!(runs(&["payload", "die", "TERM"]), (143, "Error".to_string()));
    let greedy = container("one", &["payload", "alloc", "268435456"]);
    let (code, reason, _) = cri.runs(&pod, greedy.limited(|limits| limits.memory_limit_in_bytes = 16 << 20));
    assert_eq!((code, reason.as_str()), (137, "OOMKilled"));
    let id = cri.try_create(&pod, container("one", &["no-such-program"])).unwrap();
    let refused = cri.ask::<Empty>("StartContainer", &IdRequest { id: id.clone() }).unwrap_err();
    assert!(refused.message.contains("not found in $PATH"), "{refused:?}");
    let status = cri.status(&id);
    assert_eq!((status.state(), status.reason.as_str()), (ContainerState::Exited, "StartError"));
    cri.tell("RemoveContainer", &id);
    // One that listens to its signal ends by itself, in its time.
    let listens = "trap 'exit 5' TERM; echo listens; while :; do sleep 0.05; done";
    let waits = cri.run(&pod, container("two", &["sh", "-c", listens]));
    eventually("it listens", || cri.log(&pod, "two") == "listens\n");
    cri.stop(&waits, 20);
    assert_eq!(cri.status(&waits).exit_code, 5);
    cri.end_pod(&pod);
}

#[test]
fn programs_are_run_in_a_container_while_the_caller_waits() {
    let host = Host::for_engines();
    let cri = start(&host);
    let pod = cri.run_pod(&cri.host_pod("exec"));
    let id = cri.run(&pod, container("one", &["sleep", "100"]));
    let done = cri.try_exec(&id, &["sh", "-c", "echo out; echo err >&2; exit 9"], 10).unwrap();
    assert_eq!(
        (done.stdout.as_slice(), done.stderr.as_slice(), done.exit_code),
        (&b"out\n"[..], &b"err\n"[..], 9)
    );
    let refused = cri.try_exec(&id, &["no-such-program"], 0).unwrap_err();
    assert!(refused.message.contains("not found in $PATH"), "{refused:?}");
    let late = cri.try_exec(&id, &["sleep", "77"], 1).unwrap_err();
    assert_eq!(late.code, DEADLINE_EXCEEDED, "{late:?}");
    assert!(!cri.exec(&id, &["ps"]).contains("sleep 77"), "it was killed");
    let long = cri.exec(&id, &["head", "-c", "1000000", "/dev/zero"]);
    assert_eq!(long.len(), 1_000_000);
    cri.end_pod(&pod);
}

#[test]
fn usage_is_reported_and_limits_are_changed() {
    let host = Host::for_engines();
    let cri = start(&host);
    let pod = cri.run_pod(&cri.host_pod("use"));
    let busy = container("one", &["sh", "-c", "payload burn 50; exec sleep 100"]).limited(|limits| {
        limits.memory_limit_in_bytes = 64 << 20;
        limits.cpu_shares = 512;
        limits.cpu_period = 100_000;
        limits.cpu_quota = 50_000;
    });
    let id = cri.run(&pod, busy);
    let read = |file: &str| cri.exec(&id, &["cat", &format!("/sys/fs/cgroup/{file}")]);
    assert_eq!(read("memory/memory.limit_in_bytes"), "67108864");
    assert_eq!((read("cpu/cpu.shares"), read("cpu/cpu.cfs_quota_us")), ("512".into(), "50000".into()));
    let used = |told: ContainerStatsResponse| {
        let stats = told.stats.unwrap();
        let cpu = stats.cpu.unwrap().usage_core_nano_seconds.unwrap().value;
        (cpu, stats.memory.unwrap().working_set_bytes.unwrap().value)
    };
    let asked = IdRequest { id: id.clone() };
    eventually("its use is counted", || {
        let (cpu, memory) = used(cri.ok("ContainerStats", &asked));
        cpu >= 10_000_000 && memory > 0
    });
    let all: ListContainerStatsResponse = cri.ok("ListContainerStats", &ListContainerStatsRequest {});
    assert_eq!(all.stats.len(), 1);
    let pods: ListPodSandboxStatsResponse = cri.ok("ListPodSandboxStats", &ListPodSandboxStatsRequest {});
    assert_eq!(pods.stats[0].attributes.as_ref().unwrap().id, pod.id);
    let of_pod = pods.stats[0].linux.as_ref().unwrap();
    assert_eq!(of_pod.containers.len(), 1);
    assert!(of_pod.memory.as_ref().unwrap().working_set_bytes.as_ref().unwrap().value > 0);
    let linux = LinuxContainerResources {
        memory_limit_in_bytes: 96 << 20,
        cpu_shares: 256,
        cpu_quota: 20_000,
        cpuset_cpus: "0".to_string(),
        ..Default::default()
    };
    let asked = UpdateContainerResourcesRequest { container_id: id.clone(), linux: Some(linux) };
    let _: Empty = cri.ok("UpdateContainerResources", &asked);
    assert_eq!(read("memory/memory.limit_in_bytes"), (96 << 20).to_string());
    assert_eq!((read("cpu/cpu.shares"), read("cpuset/cpuset.cpus")), ("256".into(), "0".into()));
    // Its devices are still there: an update does not touch them.
    let _ = cri.exec(&id, &["sh", "-c", "echo x > /dev/null"]);
    cri.end_pod(&pod);
}

#[test]
fn pods_outlive_their_daemon() {
    let host = Host::for_engines();
    let mut cri = start(&host);
    let pod = cri.run_pod(&cri.host_pod("outlives"));
    let id = cri.run(&pod, container("one", &["sh", "-c", "while :; do echo tick; sleep 0.1; done"]));
    let mark = host.files().join("mark");
    std::fs::create_dir(&mark).unwrap();
    let mut two = container("two", &["sh", "-c", "while ! test -e /mark/go; do sleep 0.05; done; exit 6"]);
    two.mounts.push(bound(&mark, "/mark"));
    let ends = cri.run(&pod, two);
    cri.daemon().crash();
    // Changes without a listener are reported afterwards.
    std::fs::write(mark.join("go"), "").unwrap();
    cri.daemon().boot();
    eventually("the interface serves", || {
        cri.ask::<VersionResponse>("Version", &VersionRequest::default()).is_ok()
    });
    assert_eq!(cri.pod_status(&pod).state(), PodSandboxState::Ready);
    assert_eq!(cri.status(&id).state(), ContainerState::Running);
    assert_eq!(cri.ended(&ends).exit_code, 6);
    assert_eq!(cri.exec(&id, &["echo", "in"]), "in");
    let lines = || cri.log(&pod, "one").lines().count();
    let before = lines();
    eventually("it goes on to be logged", || lines() > before);
    cri.stop(&id, 0);
    assert_eq!(cri.status(&id).exit_code, 137);
    cri.end_pod(&pod);
}

fn bound(source: &Path, target: &str) -> Mount {
    Mount {
        host_path: source.display().to_string(),
        container_path: target.to_string(),
        ..Default::default()
    }
}
