//! The protobuf messages of criu's RPC (criu.org/RPC), with the fields that are used here. The tags are criu's.

use prost::{Enumeration, Message};

/// The type of a request and of its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(crate) enum Kind {
    Empty = 0,
    Dump = 1,
    Restore = 2,
    PreDump = 4,
    Notify = 6,
    FeatureCheck = 9,
    Version = 10,
}

/// A request to criu.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Request {
    #[prost(enumeration = "Kind", required, tag = "1")]
    pub(crate) kind: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) options: Option<Options>,
    /// The answer to a notice: whether criu shall go on.
    #[prost(bool, optional, tag = "3")]
    pub(crate) notify_success: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    pub(crate) keep_open: Option<bool>,
    #[prost(message, optional, tag = "5")]
    pub(crate) features: Option<Features>,
}

/// The options of a dump or a restore.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Options {
    #[prost(int32, required, tag = "1")]
    pub(crate) images: i32,
    #[prost(int32, optional, tag = "2")]
    pub(crate) pid: Option<i32>,
    #[prost(bool, optional, tag = "3")]
    pub(crate) leave_running: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    pub(crate) external_unix_sockets: Option<bool>,
    #[prost(bool, optional, tag = "5")]
    pub(crate) tcp_established: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    pub(crate) shell_job: Option<bool>,
    #[prost(bool, optional, tag = "8")]
    pub(crate) file_locks: Option<bool>,
    #[prost(int32, optional, tag = "9")]
    pub(crate) log_level: Option<i32>,
    #[prost(string, optional, tag = "10")]
    pub(crate) log_file: Option<String>,
    #[prost(message, optional, tag = "11")]
    pub(crate) page_server: Option<PageServer>,
    #[prost(bool, optional, tag = "12")]
    pub(crate) notices: Option<bool>,
    #[prost(string, optional, tag = "13")]
    pub(crate) root: Option<String>,
    #[prost(string, optional, tag = "14")]
    pub(crate) parent_images: Option<String>,
    #[prost(bool, optional, tag = "15")]
    pub(crate) track_memory: Option<bool>,
    #[prost(bool, optional, tag = "16")]
    pub(crate) auto_dedup: Option<bool>,
    #[prost(int32, optional, tag = "17")]
    pub(crate) work: Option<i32>,
    #[prost(bool, optional, tag = "18")]
    pub(crate) link_remap: Option<bool>,
    #[prost(message, repeated, tag = "23")]
    pub(crate) external_mounts: Vec<ExternalMount>,
    #[prost(bool, optional, tag = "24")]
    pub(crate) manage_cgroups: Option<bool>,
    #[prost(message, repeated, tag = "25")]
    pub(crate) cgroup_roots: Vec<CgroupRoot>,
    #[prost(bool, optional, tag = "26")]
    pub(crate) restore_sibling: Option<bool>,
    #[prost(message, repeated, tag = "27")]
    pub(crate) inherited: Vec<Inherited>,
    #[prost(int32, optional, tag = "34")]
    pub(crate) cgroups_mode: Option<i32>,
    #[prost(string, repeated, tag = "37")]
    pub(crate) external: Vec<String>,
    #[prost(uint32, optional, tag = "38")]
    pub(crate) empty_namespaces: Option<u32>,
    #[prost(string, optional, tag = "44")]
    pub(crate) freezer: Option<String>,
    #[prost(bool, optional, tag = "46")]
    pub(crate) tcp_skip_in_flight: Option<bool>,
    #[prost(bool, optional, tag = "48")]
    pub(crate) lazy_pages: Option<bool>,
    #[prost(int32, optional, tag = "49")]
    pub(crate) status: Option<i32>,
    #[prost(bool, optional, tag = "50")]
    pub(crate) orphan_terminal: Option<bool>,
    #[prost(string, optional, tag = "51")]
    pub(crate) config_file: Option<String>,
    #[prost(bool, optional, tag = "52")]
    pub(crate) tcp_close: Option<bool>,
    #[prost(string, optional, tag = "53")]
    pub(crate) lsm_profile: Option<String>,
    #[prost(string, optional, tag = "63")]
    pub(crate) lsm_mount_context: Option<String>,
}

/// A page server, which receives the memory pages instead of the directory of images.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PageServer {
    #[prost(string, optional, tag = "1")]
    pub(crate) address: Option<String>,
    #[prost(int32, optional, tag = "2")]
    pub(crate) port: Option<i32>,
}

/// A mount that criu does not create. A dump names it by its mount point, a restore gives its source.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ExternalMount {
    #[prost(string, required, tag = "1")]
    pub(crate) key: String,
    #[prost(string, required, tag = "2")]
    pub(crate) value: String,
}

/// The cgroup below which criu restores the cgroups of a hierarchy. Without controllers it is for every hierarchy.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct CgroupRoot {
    #[prost(string, optional, tag = "1")]
    pub(crate) controllers: Option<String>,
    #[prost(string, required, tag = "2")]
    pub(crate) path: String,
}

/// A file descriptor that criu inherits and uses in place of a dumped file.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Inherited {
    #[prost(string, required, tag = "1")]
    pub(crate) key: String,
    #[prost(int32, required, tag = "2")]
    pub(crate) descriptor: i32,
}

/// Features of criu and the kernel.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Features {
    #[prost(bool, optional, tag = "1")]
    pub(crate) memory_tracking: Option<bool>,
    #[prost(bool, optional, tag = "2")]
    pub(crate) lazy_pages: Option<bool>,
}

/// A response, or a notice that needs an answer.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Response {
    #[prost(enumeration = "Kind", required, tag = "1")]
    pub(crate) kind: i32,
    #[prost(bool, required, tag = "2")]
    pub(crate) success: bool,
    #[prost(message, optional, tag = "5")]
    pub(crate) notice: Option<Notice>,
    #[prost(int32, optional, tag = "7")]
    pub(crate) errno: Option<i32>,
    #[prost(message, optional, tag = "8")]
    pub(crate) features: Option<Features>,
    #[prost(string, optional, tag = "9")]
    pub(crate) message: Option<String>,
    #[prost(message, optional, tag = "10")]
    pub(crate) version: Option<Version>,
}

/// A notice: criu has reached a point of its work and waits for the answer.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Notice {
    /// The name of the point, such as `setup-namespaces`.
    #[prost(string, optional, tag = "1")]
    pub(crate) script: Option<String>,
    /// The pid of the restored init.
    #[prost(int32, optional, tag = "2")]
    pub(crate) pid: Option<i32>,
}

/// The version of criu.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Version {
    #[prost(int32, required, tag = "1")]
    pub(crate) major: i32,
    #[prost(int32, required, tag = "2")]
    pub(crate) minor: i32,
    #[prost(int32, optional, tag = "4")]
    pub(crate) sublevel: Option<i32>,
}
