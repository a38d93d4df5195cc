//! containerd by its Container Runtime Interface: what a kubelet asks of it, asked by a client of ours.

mod client;
pub mod message;
mod streaming;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use prost::Message;

use crate::engines::{Containerd, Image, NAME, PAUSE};
use crate::{Host, eventually};
use client::Client;
use message::{
    ContainerConfig, ContainerMetadata, ContainerState, ContainerStatus, ContainerStatusResponse,
    CreateContainerRequest, Empty, ExecSyncRequest, ExecSyncResponse, IdRequest, IdResponse, ImageSpec,
    LinuxContainerConfig, LinuxContainerResources, LinuxContainerSecurityContext, LinuxPodSandboxConfig,
    LinuxSandboxSecurityContext, ListImagesRequest, ListImagesResponse, ListPodSandboxRequest,
    ListPodSandboxResponse, NamespaceMode, NamespaceOption, PodSandboxConfig, PodSandboxMetadata,
    PodSandboxStatus, PodSandboxStatusResponse, RunPodSandboxRequest, StopContainerRequest,
};

pub use client::Refused;
pub use streaming::Stream;

/// The name by which pods ask for the runtime under test.
const HANDLER: &str = "tested";

/// A containerd of its own that serves the interface, and its client.
#[derive(Debug)]
pub struct Cri<'a> {
    host: &'a Host,
    handler: &'static str,
    client: Client,
    containerd: Containerd<'a>,
}

/// A pod that was asked for.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Its id.
    pub id: String,
    config: PodSandboxConfig,
}

impl<'a> Cri<'a> {
    /// Starts the daemon, whose plugins lie in one directory, and loads the images. It has no network yet.
    ///
    /// # Panics
    /// containerd is not installed, or is not ready in time.
    #[must_use]
    pub fn start(host: &'a Host, plugins: &Path, image: &Image) -> Self {
        let cri = Self::configured(host, &configuration(host, plugins), HANDLER);
        cri.containerd.import(image);
        cri.containerd.import(&Image::pause(host));
        let has = |name: &str| {
            let all: ListImagesResponse = cri.ok("ListImages", &ListImagesRequest {});
            all.images.iter().any(|image| image.repo_tags.iter().any(|tag| tag == name))
        };
        eventually("the images are known", || has(NAME) && has(PAUSE));
        cri
    }

    /// Starts the daemon with lines of configuration, which name the handler, and no image.
    ///
    /// # Panics
    /// As [`Cri::start`].
    #[must_use]
    pub fn configured(host: &'a Host, lines: &str, handler: &'static str) -> Self {
        std::fs::create_dir_all(networks(host)).unwrap();
        let containerd = Containerd::launch(host, lines, "k8s.io");
        Self { host, handler, client: Client::new(&containerd.socket()), containerd }
    }

    /// Writes the network of all pods.
    ///
    /// # Panics
    /// It can't be written, or the daemon does not take it.
    pub fn network(&self, list: &serde_json::Value) {
        std::fs::write(networks(self.host).join("10-test.conflist"), list.to_string()).unwrap();
        eventually("the network is ready", || self.is_ready("NetworkReady"));
    }

    /// Whether the daemon says so of itself: `RuntimeReady` or `NetworkReady`.
    #[must_use]
    pub fn is_ready(&self, condition: &str) -> bool {
        let told: message::StatusResponse = self.ok("Status", &message::StatusRequest { verbose: false });
        told.status.unwrap().conditions.iter().any(|one| one.kind == condition && one.status)
    }

    /// Calls a method.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn ask<A: Message + Default>(&self, method: &str, request: &impl Message) -> Result<A, Refused> {
        self.client.call(method, request)
    }

    /// Calls a method that must succeed.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn ok<A: Message + Default>(&self, method: &str, request: &impl Message) -> A {
        match self.ask(method, request) {
            Ok(answer) => answer,
            // What the server has to say is in its log.
            Err(refused) => panic!("{method}: {refused:?}\n{}", self.containerd.log()),
        }
    }

    /// Calls a method that has nothing to tell, of a pod or a container.
    ///
    /// # Panics
    /// It is refused.
    #[track_caller]
    pub fn tell(&self, method: &str, id: &str) {
        let _: Empty = self.ok(method, &IdRequest { id: id.to_string() });
    }

    /// A pod's configuration, of a network of its own. Its logs lie where [`Cri::log`] finds them.
    #[must_use]
    pub fn pod(&self, name: &str) -> PodSandboxConfig {
        PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: name.to_string(),
                uid: format!("{}-{name}", self.host.marker()),
                namespace: "default".to_string(),
                attempt: 0,
            }),
            hostname: name.to_string(),
            log_directory: self.logs(name).display().to_string(),
            labels: HashMap::from([("pod".to_string(), name.to_string())]),
            linux: Some(LinuxPodSandboxConfig {
                // On a machine that all tests share, the name says which test owns it.
                cgroup_parent: format!("/{}", self.host.marker()),
                security_context: Some(LinuxSandboxSecurityContext::default()),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    /// The same without a network of its own: most tests need none.
    #[must_use]
    pub fn host_pod(&self, name: &str) -> PodSandboxConfig {
        let mut config = self.pod(name);
        config.hostname = String::new();
        let context = config.linux.as_mut().unwrap().security_context.as_mut().unwrap();
        let network = NamespaceMode::Node.into();
        context.namespace_options = Some(NamespaceOption { network, ..Default::default() });
        config
    }

    /// Asks for a pod.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn try_pod(&self, config: &PodSandboxConfig) -> Result<Pod, Refused> {
        std::fs::create_dir_all(&config.log_directory).unwrap();
        let asked =
            RunPodSandboxRequest { config: Some(config.clone()), runtime_handler: self.handler.to_string() };
        let IdResponse { id } = self.ask("RunPodSandbox", &asked)?;
        Ok(Pod { id, config: config.clone() })
    }

    /// Asks for a pod that must come up.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    #[must_use]
    pub fn run_pod(&self, config: &PodSandboxConfig) -> Pod {
        self.try_pod(config).unwrap_or_else(|refused| panic!("{refused:?}\n{}", self.containerd.log()))
    }

    /// What is said of a pod.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn pod_status(&self, pod: &Pod) -> PodSandboxStatus {
        let told: PodSandboxStatusResponse = self.ok("PodSandboxStatus", &IdRequest { id: pod.id.clone() });
        told.status.unwrap()
    }

    /// Stops a pod and removes it.
    ///
    /// # Panics
    /// Either is refused.
    pub fn end_pod(&self, pod: &Pod) {
        self.tell("StopPodSandbox", &pod.id);
        self.tell("RemovePodSandbox", &pod.id);
    }

    /// Creates a container in a pod; its id. It shares what namespaces the pod shares.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn try_create(&self, pod: &Pod, mut config: ContainerConfig) -> Result<String, Refused> {
        let of_pod = pod.config.linux.as_ref().unwrap().security_context.as_ref().unwrap();
        let context = config.linux.as_mut().unwrap().security_context.as_mut().unwrap();
        if context.namespace_options.is_none() {
            context.namespace_options.clone_from(&of_pod.namespace_options);
        }
        let asked = CreateContainerRequest {
            pod_sandbox_id: pod.id.clone(),
            config: Some(config),
            sandbox_config: Some(pod.config.clone()),
        };
        self.ask("CreateContainer", &asked).map(|IdResponse { id }| id)
    }

    /// Creates a container, which must work, and starts it.
    ///
    /// # Panics
    /// Either is refused.
    #[track_caller]
    #[must_use]
    pub fn run(&self, pod: &Pod, config: ContainerConfig) -> String {
        let id = self.try_create(pod, config).unwrap_or_else(|refused| panic!("{refused:?}"));
        self.tell("StartContainer", &id);
        id
    }

    /// What is said of a container.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn status(&self, id: &str) -> ContainerStatus {
        let told: ContainerStatusResponse = self.ok("ContainerStatus", &IdRequest { id: id.to_string() });
        told.status.unwrap()
    }

    /// Waits for a container's end; what is said of it then.
    ///
    /// # Panics
    /// It does not end in time.
    #[track_caller]
    #[must_use]
    pub fn ended(&self, id: &str) -> ContainerStatus {
        eventually("the container ends", || self.status(id).state() == ContainerState::Exited);
        self.status(id)
    }

    /// Runs a container to its end; its exit code, why it ended, and what it printed.
    ///
    /// # Panics
    /// It can't be created or started, or does not end.
    #[track_caller]
    #[must_use]
    pub fn runs(&self, pod: &Pod, config: ContainerConfig) -> (i32, String, String) {
        let name = config.metadata.as_ref().unwrap().name.clone();
        let id = self.run(pod, config);
        let status = self.ended(&id);
        let log = self.log(pod, &name);
        self.tell("RemoveContainer", &id);
        // The next one of this name begins anew.
        std::fs::remove_file(self.log_file(pod, &name)).unwrap();
        (status.exit_code, status.reason, log)
    }

    /// Stops a container, in seconds at most.
    ///
    /// # Panics
    /// It is refused.
    #[track_caller]
    pub fn stop(&self, id: &str, timeout: i64) {
        let asked = StopContainerRequest { container_id: id.to_string(), timeout };
        let _: Empty = self.ok("StopContainer", &asked);
    }

    /// Runs words in a container, for some seconds at most (0: for ever).
    ///
    /// # Errors
    /// The server's refusal.
    pub fn try_exec(&self, id: &str, words: &[&str], timeout: i64) -> Result<ExecSyncResponse, Refused> {
        let cmd = words.iter().map(ToString::to_string).collect();
        self.ask("ExecSync", &ExecSyncRequest { container_id: id.to_string(), cmd, timeout })
    }

    /// What words print that run in a container and must succeed.
    ///
    /// # Panics
    /// They do not.
    #[track_caller]
    #[must_use]
    pub fn exec(&self, id: &str, words: &[&str]) -> String {
        let done = self.try_exec(id, words, 0).unwrap_or_else(|refused| panic!("{refused:?}"));
        assert_eq!(done.exit_code, 0, "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim_end().to_string()
    }

    fn logs(&self, pod: &str) -> PathBuf {
        self.host.files().join("logs").join(pod)
    }

    fn log_file(&self, pod: &Pod, name: &str) -> PathBuf {
        self.logs(&pod.config.metadata.as_ref().unwrap().name).join(format!("{name}.log"))
    }

    /// What a container has printed, by its log file, without times and tags.
    #[must_use]
    pub fn log(&self, pod: &Pod, name: &str) -> String {
        let text = std::fs::read_to_string(self.log_file(pod, name)).unwrap_or_default();
        text.lines().filter_map(|line| line.splitn(4, ' ').nth(3)).map(|line| format!("{line}\n")).collect()
    }

    /// The daemon, to be killed and started again, and to be asked by `ctr`.
    pub fn daemon(&mut self) -> &mut Containerd<'a> {
        &mut self.containerd
    }
}

impl Drop for Cri<'_> {
    fn drop(&mut self) {
        // A test that has failed says why; what it leaves has no owner any more.
        let all = self.ask("ListPodSandbox", &ListPodSandboxRequest::default());
        for pod in all.unwrap_or(ListPodSandboxResponse { items: Vec::new() }).items {
            let request = IdRequest { id: pod.id };
            let _ = self.ask::<Empty>("StopPodSandbox", &request);
            let _ = self.ask::<Empty>("RemovePodSandbox", &request);
        }
    }
}

/// A container's configuration: the test image, to run these words.
#[must_use]
pub fn container(name: &str, words: &[&str]) -> ContainerConfig {
    ContainerConfig {
        metadata: Some(ContainerMetadata { name: name.to_string(), attempt: 0 }),
        image: Some(ImageSpec { image: NAME.to_string() }),
        command: words.iter().map(ToString::to_string).collect(),
        labels: HashMap::from([("container".to_string(), name.to_string())]),
        log_path: format!("{name}.log"),
        linux: Some(LinuxContainerConfig {
            resources: Some(LinuxContainerResources::default()),
            security_context: Some(LinuxContainerSecurityContext::default()),
        }),
        ..Default::default()
    }
}

impl ContainerConfig {
    /// The same with something changed about its security.
    ///
    /// # Panics
    /// It was not made by [`container`].
    #[must_use]
    pub fn secured(mut self, change: impl FnOnce(&mut LinuxContainerSecurityContext)) -> Self {
        change(self.linux.as_mut().unwrap().security_context.as_mut().unwrap());
        self
    }

    /// The same with something changed about its resources.
    ///
    /// # Panics
    /// It was not made by [`container`].
    #[must_use]
    pub fn limited(mut self, change: impl FnOnce(&mut LinuxContainerResources)) -> Self {
        change(self.linux.as_mut().unwrap().resources.as_mut().unwrap());
        self
    }
}

/// Where the networks of pods lie.
fn networks(host: &Host) -> PathBuf {
    host.files().join("pod-networks")
}

/// The lines about the interface: the runtime under test as a handler, and what a test machine needs besides, which may
/// not lower the score by which the OOM killer chooses its victim.
fn configuration(host: &Host, plugins: &Path) -> String {
    format!(
        "[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"{PAUSE}\"\nrestrict_oom_score_adj = true\n\
         [plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = \"{}\"\nconf_dir = \"{}\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd]\ndefault_runtime_name = \"{HANDLER}\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.{HANDLER}]\n\
         runtime_type = \"io.containerd.runc.v2\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.{HANDLER}.options]\nBinaryName = \"{}\"\n",
        plugins.display(),
        networks(host).display(),
        host.runtime().program().display(),
    )
}
