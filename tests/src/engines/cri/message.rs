//! Messages of the Container Runtime Interface, `runtime.v1`: of the published api.proto what the tests use.
//!
//! Names, numbers and meanings are that file's; what is not listed here is left unset, and passed over when it is read.
#![allow(missing_docs, reason = "the fields are those of api.proto, which says what each is")]

use std::collections::HashMap;

use prost::{Enumeration, Message};

/// The states of [`ContainerStatus`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub enum ContainerState {
    Created = 0,
    Running = 1,
    Exited = 2,
    Unknown = 3,
}

/// The states of [`PodSandboxStatus`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub enum PodSandboxState {
    Ready = 0,
    NotReady = 1,
}

/// Whose namespace a container is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub enum NamespaceMode {
    Pod = 0,
    Container = 1,
    Node = 2,
    Target = 3,
}

/// Which way mounts that are made later go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub enum MountPropagation {
    Private = 0,
    HostToContainer = 1,
    Bidirectional = 2,
}

/// Where a profile comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub enum ProfileType {
    RuntimeDefault = 0,
    Unconfined = 1,
    Localhost = 2,
}

/// The protocol of a published port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub enum Protocol {
    Tcp = 0,
    Udp = 1,
    Sctp = 2,
}

/// Declares messages: each field by its name, its type, its number and its kind in protobuf.
macro_rules! messages {
    ($($name:ident { $($field:ident: $type:ty = $number:tt [$($kind:tt)+];)* })*) => {$(
        #[derive(Clone, PartialEq, Message)]
        pub struct $name {
            $(#[prost($($kind)+, tag = $number)] pub $field: $type,)*
        }
    )*};
}

messages! {
    Empty {}
    VersionRequest { version: String = 1 [string]; }
    VersionResponse {
        runtime_name: String = 2 [string];
        runtime_version: String = 3 [string];
        runtime_api_version: String = 4 [string];
    }
    StatusRequest { verbose: bool = 1 [bool]; }
    StatusResponse { status: Option<RuntimeStatus> = 1 [message, optional]; }
    RuntimeStatus { conditions: Vec<RuntimeCondition> = 1 [message, repeated]; }
    RuntimeCondition {
        kind: String = 1 [string];
        status: bool = 2 [bool];
        reason: String = 3 [string];
        message: String = 4 [string];
    }

    DnsConfig {
        servers: Vec<String> = 1 [string, repeated];
        searches: Vec<String> = 2 [string, repeated];
        options: Vec<String> = 3 [string, repeated];
    }
    PortMapping {
        protocol: i32 = 1 [enumeration = "Protocol"];
        container_port: i32 = 2 [int32];
        host_port: i32 = 3 [int32];
        host_ip: String = 4 [string];
    }
    Mount {
        container_path: String = 1 [string];
        host_path: String = 2 [string];
        readonly: bool = 3 [bool];
        propagation: i32 = 5 [enumeration = "MountPropagation"];
    }
    NamespaceOption {
        network: i32 = 1 [enumeration = "NamespaceMode"];
        pid: i32 = 2 [enumeration = "NamespaceMode"];
        ipc: i32 = 3 [enumeration = "NamespaceMode"];
        target_id: String = 4 [string];
    }
    Int64Value { value: i64 = 1 [int64]; }
    Uint64Value { value: u64 = 1 [uint64]; }
    SecurityProfile {
        profile_type: i32 = 1 [enumeration = "ProfileType"];
        localhost_ref: String = 2 [string];
    }
    LinuxSandboxSecurityContext {
        namespace_options: Option<NamespaceOption> = 1 [message, optional];
        run_as_user: Option<Int64Value> = 3 [message, optional];
        readonly_rootfs: bool = 4 [bool];
        privileged: bool = 6 [bool];
        run_as_group: Option<Int64Value> = 8 [message, optional];
        seccomp: Option<SecurityProfile> = 9 [message, optional];
    }
    LinuxPodSandboxConfig {
        cgroup_parent: String = 1 [string];
        security_context: Option<LinuxSandboxSecurityContext> = 2 [message, optional];
        sysctls: HashMap<String, String> = 3 [map = "string, string"];
    }
    PodSandboxMetadata {
        name: String = 1 [string];
        uid: String = 2 [string];
        namespace: String = 3 [string];
        attempt: u32 = 4 [uint32];
    }
    PodSandboxConfig {
        metadata: Option<PodSandboxMetadata> = 1 [message, optional];
        hostname: String = 2 [string];
        log_directory: String = 3 [string];
        dns_config: Option<DnsConfig> = 4 [message, optional];
        port_mappings: Vec<PortMapping> = 5 [message, repeated];
        labels: HashMap<String, String> = 6 [map = "string, string"];
        annotations: HashMap<String, String> = 7 [map = "string, string"];
        linux: Option<LinuxPodSandboxConfig> = 8 [message, optional];
    }
    RunPodSandboxRequest {
        config: Option<PodSandboxConfig> = 1 [message, optional];
        runtime_handler: String = 2 [string];
    }
    // Those that name a sandbox, or a container, and nothing else have one shape.
    IdRequest { id: String = 1 [string]; }
    IdResponse { id: String = 1 [string]; }
    PodSandboxStatusResponse { status: Option<PodSandboxStatus> = 1 [message, optional]; }
    PodSandboxStatus {
        id: String = 1 [string];
        metadata: Option<PodSandboxMetadata> = 2 [message, optional];
        state: i32 = 3 [enumeration = "PodSandboxState"];
        created_at: i64 = 4 [int64];
        network: Option<PodSandboxNetworkStatus> = 5 [message, optional];
        labels: HashMap<String, String> = 7 [map = "string, string"];
        annotations: HashMap<String, String> = 8 [map = "string, string"];
        runtime_handler: String = 9 [string];
    }
    PodSandboxNetworkStatus { ip: String = 1 [string]; }
    PodSandboxFilter {
        id: String = 1 [string];
        label_selector: HashMap<String, String> = 3 [map = "string, string"];
    }
    ListPodSandboxRequest { filter: Option<PodSandboxFilter> = 1 [message, optional]; }
    ListPodSandboxResponse { items: Vec<PodSandbox> = 1 [message, repeated]; }
    PodSandbox {
        id: String = 1 [string];
        state: i32 = 3 [enumeration = "PodSandboxState"];
        runtime_handler: String = 7 [string];
    }

    ImageSpec { image: String = 1 [string]; }
    ListImagesRequest {}
    ListImagesResponse { images: Vec<Image> = 1 [message, repeated]; }
    Image {
        id: String = 1 [string];
        repo_tags: Vec<String> = 2 [string, repeated];
    }
    KeyValue {
        key: String = 1 [string];
        value: String = 2 [string];
    }
    LinuxContainerResources {
        cpu_period: i64 = 1 [int64];
        cpu_quota: i64 = 2 [int64];
        cpu_shares: i64 = 3 [int64];
        memory_limit_in_bytes: i64 = 4 [int64];
        oom_score_adj: i64 = 5 [int64];
        cpuset_cpus: String = 6 [string];
        cpuset_mems: String = 7 [string];
    }
    Capability {
        add_capabilities: Vec<String> = 1 [string, repeated];
        drop_capabilities: Vec<String> = 2 [string, repeated];
    }
    LinuxContainerSecurityContext {
        capabilities: Option<Capability> = 1 [message, optional];
        privileged: bool = 2 [bool];
        namespace_options: Option<NamespaceOption> = 3 [message, optional];
        run_as_user: Option<Int64Value> = 5 [message, optional];
        run_as_username: String = 6 [string];
        readonly_rootfs: bool = 7 [bool];
        supplemental_groups: Vec<i64> = 8 [int64, repeated];
        no_new_privs: bool = 11 [bool];
        run_as_group: Option<Int64Value> = 12 [message, optional];
        masked_paths: Vec<String> = 13 [string, repeated];
        readonly_paths: Vec<String> = 14 [string, repeated];
        seccomp: Option<SecurityProfile> = 15 [message, optional];
    }
    LinuxContainerConfig {
        resources: Option<LinuxContainerResources> = 1 [message, optional];
        security_context: Option<LinuxContainerSecurityContext> = 2 [message, optional];
    }
    ContainerMetadata {
        name: String = 1 [string];
        attempt: u32 = 2 [uint32];
    }
    Device {
        container_path: String = 1 [string];
        host_path: String = 2 [string];
        permissions: String = 3 [string];
    }
    ContainerConfig {
        metadata: Option<ContainerMetadata> = 1 [message, optional];
        image: Option<ImageSpec> = 2 [message, optional];
        command: Vec<String> = 3 [string, repeated];
        args: Vec<String> = 4 [string, repeated];
        working_dir: String = 5 [string];
        envs: Vec<KeyValue> = 6 [message, repeated];
        mounts: Vec<Mount> = 7 [message, repeated];
        devices: Vec<Device> = 8 [message, repeated];
        labels: HashMap<String, String> = 9 [map = "string, string"];
        annotations: HashMap<String, String> = 10 [map = "string, string"];
        log_path: String = 11 [string];
        stdin: bool = 12 [bool];
        stdin_once: bool = 13 [bool];
        tty: bool = 14 [bool];
        linux: Option<LinuxContainerConfig> = 15 [message, optional];
    }
    CreateContainerRequest {
        pod_sandbox_id: String = 1 [string];
        config: Option<ContainerConfig> = 2 [message, optional];
        sandbox_config: Option<PodSandboxConfig> = 3 [message, optional];
    }
    StopContainerRequest {
        container_id: String = 1 [string];
        timeout: i64 = 2 [int64];
    }
    ContainerFilter {
        id: String = 1 [string];
        pod_sandbox_id: String = 3 [string];
        label_selector: HashMap<String, String> = 4 [map = "string, string"];
    }
    ListContainersRequest { filter: Option<ContainerFilter> = 1 [message, optional]; }
    ListContainersResponse { containers: Vec<Container> = 1 [message, repeated]; }
    Container {
        id: String = 1 [string];
        pod_sandbox_id: String = 2 [string];
        metadata: Option<ContainerMetadata> = 3 [message, optional];
        state: i32 = 6 [enumeration = "ContainerState"];
        labels: HashMap<String, String> = 8 [map = "string, string"];
    }
    ContainerStatusResponse { status: Option<ContainerStatus> = 1 [message, optional]; }
    ContainerStatus {
        id: String = 1 [string];
        metadata: Option<ContainerMetadata> = 2 [message, optional];
        state: i32 = 3 [enumeration = "ContainerState"];
        created_at: i64 = 4 [int64];
        started_at: i64 = 5 [int64];
        finished_at: i64 = 6 [int64];
        exit_code: i32 = 7 [int32];
        reason: String = 10 [string];
        message: String = 11 [string];
        labels: HashMap<String, String> = 12 [map = "string, string"];
        annotations: HashMap<String, String> = 13 [map = "string, string"];
        mounts: Vec<Mount> = 14 [message, repeated];
        log_path: String = 15 [string];
    }
    UpdateContainerResourcesRequest {
        container_id: String = 1 [string];
        linux: Option<LinuxContainerResources> = 2 [message, optional];
    }
    ExecSyncRequest {
        container_id: String = 1 [string];
        cmd: Vec<String> = 2 [string, repeated];
        timeout: i64 = 3 [int64];
    }
    ExecSyncResponse {
        stdout: Vec<u8> = 1 [bytes = "vec"];
        stderr: Vec<u8> = 2 [bytes = "vec"];
        exit_code: i32 = 3 [int32];
    }
    ExecRequest {
        container_id: String = 1 [string];
        cmd: Vec<String> = 2 [string, repeated];
        tty: bool = 3 [bool];
        stdin: bool = 4 [bool];
        stdout: bool = 5 [bool];
        stderr: bool = 6 [bool];
    }
    AttachRequest {
        container_id: String = 1 [string];
        stdin: bool = 2 [bool];
        tty: bool = 3 [bool];
        stdout: bool = 4 [bool];
        stderr: bool = 5 [bool];
    }
    PortForwardRequest {
        pod_sandbox_id: String = 1 [string];
        port: Vec<i32> = 2 [int32, repeated];
    }
    UrlResponse { url: String = 1 [string]; }

    ContainerStatsResponse { stats: Option<ContainerStats> = 1 [message, optional]; }
    ContainerStats {
        attributes: Option<Attributes> = 1 [message, optional];
        cpu: Option<CpuUsage> = 2 [message, optional];
        memory: Option<MemoryUsage> = 3 [message, optional];
    }
    Attributes { id: String = 1 [string]; }
    CpuUsage { usage_core_nano_seconds: Option<Uint64Value> = 2 [message, optional]; }
    MemoryUsage { working_set_bytes: Option<Uint64Value> = 2 [message, optional]; }
    ListContainerStatsRequest {}
    ListContainerStatsResponse { stats: Vec<ContainerStats> = 1 [message, repeated]; }
    ListPodSandboxStatsRequest {}
    ListPodSandboxStatsResponse { stats: Vec<PodSandboxStats> = 1 [message, repeated]; }
    PodSandboxStats {
        attributes: Option<Attributes> = 1 [message, optional];
        linux: Option<LinuxPodSandboxStats> = 2 [message, optional];
    }
    LinuxPodSandboxStats {
        cpu: Option<CpuUsage> = 1 [message, optional];
        memory: Option<MemoryUsage> = 2 [message, optional];
        network: Option<NetworkUsage> = 3 [message, optional];
        process: Option<ProcessUsage> = 4 [message, optional];
        containers: Vec<ContainerStats> = 5 [message, repeated];
    }
    NetworkUsage { default_interface: Option<NetworkInterfaceUsage> = 2 [message, optional]; }
    NetworkInterfaceUsage {
        name: String = 1 [string];
        rx_bytes: Option<Uint64Value> = 2 [message, optional];
        tx_bytes: Option<Uint64Value> = 4 [message, optional];
    }
    ProcessUsage { process_count: Option<Uint64Value> = 2 [message, optional]; }
}
