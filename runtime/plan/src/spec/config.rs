//! The document config.json: its top level, root, mounts and hooks.

use std::collections::BTreeMap;

use super::linux::{IdMapping, Linux};
use super::object::object;
use super::process::Process;

object! {
    /// A container as its bundle describes it (config.md).
    pub struct Spec ignoring("solaris" "windows" "vm" "zos" "freebsd") {
        /// The version of the specification that the bundle was written for (config.md, Specification version).
        oci_version: String = "ociVersion",
        /// The program to run; a container can be described without, but not started.
        process: Option<Process> = "process",
        /// The root file system; required on Linux.
        root: Option<Root> = "root",
        /// The host name inside.
        hostname: Option<String> = "hostname",
        /// The NIS domain name inside.
        domainname: Option<String> = "domainname",
        /// The file systems to mount besides the root, in this order.
        mounts: Vec<Mount> = "mounts",
        /// Programs to run along the container's life.
        hooks: Hooks = "hooks",
        /// Free metadata; nothing in it weakens the sandbox.
        annotations: BTreeMap<String, String> = "annotations",
        /// The Linux part.
        linux: Linux = "linux",
    }
}

object! {
    /// The root file system (config.md, Root).
    pub struct Root {
        /// Its directory: absolute, or relative to the bundle.
        path: String = "path",
        /// Whether it is read-only inside.
        readonly: bool = "readonly",
    }
}

object! {
    /// A file system to mount (config.md, Mounts).
    pub struct Mount {
        /// Where, inside the container; a relative path counts from `/`.
        destination: String = "destination",
        /// The type of file system; a dummy for bind mounts.
        kind: Option<String> = "type",
        /// What: a device, a dummy, or for bind mounts a path, absolute or relative to the bundle.
        source: Option<String> = "source",
        /// The options, flags and data alike, in this order.
        options: Vec<String> = "options",
        /// How user ids of the source appear at the destination.
        uid_mappings: Vec<IdMapping> = "uidMappings",
        /// How group ids of the source appear at the destination.
        gid_mappings: Vec<IdMapping> = "gidMappings",
    }
}

object! {
    /// The hooks of each moment of a container's life (config.md, POSIX-platform Hooks).
    pub struct Hooks {
        /// Deprecated: in the runtime's namespaces at create, before `create_runtime`.
        prestart: Vec<Hook> = "prestart",
        /// In the runtime's namespaces at create, before pivot_root.
        create_runtime: Vec<Hook> = "createRuntime",
        /// In the container's namespaces at create, before pivot_root; the path is the host's.
        create_container: Vec<Hook> = "createContainer",
        /// In the container's namespaces at start, before the program.
        start_container: Vec<Hook> = "startContainer",
        /// In the runtime's namespaces after the program was started.
        poststart: Vec<Hook> = "poststart",
        /// In the runtime's namespaces after the container was deleted.
        poststop: Vec<Hook> = "poststop",
    }
}

impl Hooks {
    /// The names of the moments in the document, in the order of a container's life.
    pub const NAMES: [&'static str; 6] =
        ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

    /// Each moment by its name in the document, in the order of a container's life.
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
    /// A program to run at a moment of the container's life (config.md, POSIX-platform Hooks).
    pub struct Hook {
        /// Its absolute path.
        path: String = "path",
        /// Its argument vector, the name first; `None` leaves the vector to the runtime.
        args: Option<Vec<String>> = "args",
        /// Its environment; `None` where the document gives none.
        env: Option<Vec<String>> = "env",
        /// Seconds until it is aborted.
        timeout: Option<i64> = "timeout",
    }
}
