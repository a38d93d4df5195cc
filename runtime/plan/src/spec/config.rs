//! config.json: the top level, the root filesystem, mounts and hooks.

use std::collections::BTreeMap;

use super::linux::{IdMapping, Linux};
use super::object::object;
use super::process::Process;

object! {
    /// The configuration of a container (config.md).
    pub struct Spec ignoring("solaris" "windows" "vm" "zos" "freebsd") {
        /// The version of the specification that the configuration complies with (config.md, Specification
        /// version).
        oci_version: String = "ociVersion",
        /// The process. `create` does without, `start` needs one.
        process: Option<Process> = "process",
        /// The root filesystem. Required on Linux.
        root: Option<Root> = "root",
        /// The hostname in the container.
        hostname: Option<String> = "hostname",
        /// The NIS domain name in the container.
        domainname: Option<String> = "domainname",
        /// The mounts in addition to the root filesystem, in the order in which they are made.
        mounts: Vec<Mount> = "mounts",
        /// Programs to run at points of the container's lifecycle.
        hooks: Hooks = "hooks",
        /// Metadata by key. No annotation weakens the isolation of the container.
        annotations: BTreeMap<String, String> = "annotations",
        /// The Linux-specific configuration.
        linux: Linux = "linux",
    }
}

object! {
    /// The root filesystem (config.md, Root).
    pub struct Root {
        /// The path of its directory, absolute or relative to the bundle.
        path: String = "path",
        /// Whether it is read-only in the container.
        readonly: bool = "readonly",
    }
}

object! {
    /// A mount (config.md, Mounts).
    pub struct Mount {
        /// The mount point in the container. A relative path is relative to `/`.
        destination: String = "destination",
        /// The type of the filesystem. Ignored for bind mounts.
        kind: Option<String> = "type",
        /// A device, a dummy name, or for a bind mount a path, absolute or relative to the bundle.
        source: Option<String> = "source",
        /// Mount options: flags and options of the filesystem (mount(8)).
        options: Vec<String> = "options",
        /// The uid mappings of an idmapped mount.
        uid_mappings: Vec<IdMapping> = "uidMappings",
        /// The gid mappings of an idmapped mount.
        gid_mappings: Vec<IdMapping> = "gidMappings",
    }
}

object! {
    /// The hooks by stage (config.md, POSIX-platform Hooks).
    pub struct Hooks {
        /// Deprecated: run by `create` in the runtime's namespaces, before `create_runtime`.
        prestart: Vec<Hook> = "prestart",
        /// Run by `create` in the runtime's namespaces, before pivot_root.
        create_runtime: Vec<Hook> = "createRuntime",
        /// Run by `create` in the container's namespaces, before pivot_root. The path is one of the host.
        create_container: Vec<Hook> = "createContainer",
        /// Run by `start` in the container's namespaces, before the process. The path is one of the
        /// container.
        start_container: Vec<Hook> = "startContainer",
        /// Run by `start` in the runtime's namespaces, after the process started.
        poststart: Vec<Hook> = "poststart",
        /// Run by `delete` in the runtime's namespaces, after the container is gone.
        poststop: Vec<Hook> = "poststop",
    }
}

impl Hooks {
    /// The names of the stages in the document, in the order of the lifecycle.
    pub const NAMES: [&'static str; 6] =
        ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

    /// The hooks of each stage by its name in the document, in the order of the lifecycle.
    pub fn by_name(&self) -> [(&'static str, &[Hook]); 6] {
        [
            ("prestart", &self.prestart),
            ("createRuntime", &self.create_runtime),
            ("createContainer", &self.create_container),
            ("startContainer", &self.start_container),
            ("poststart", &self.poststart),
            ("poststop", &self.poststop),
        ]
    }
}

object! {
    /// A hook (config.md, POSIX-platform Hooks).
    pub struct Hook {
        /// The absolute path of the program.
        path: String = "path",
        /// The argument vector, as in execv(3). Default: the path alone.
        args: Option<Vec<String>> = "args",
        /// The environment. Default: that of the runtime or, in the container, of the process.
        env: Option<Vec<String>> = "env",
        /// The seconds after which the runtime aborts the hook.
        timeout: Option<i64> = "timeout",
    }
}
