//! What callers say of checkpoints and restores, in criu's terms.

use super::message::{ExternalMount, Options, PageServer};
use crate::error::{Error, Result};
use crate::mounts::inside::Inside;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::fs::OFlags;
use std::ffi::CString;
use tare_plan::host::{CgroupVersion, Host};
use tare_plan::spec::{Mount, NamespaceKind, Spec};
use tare_plan::{cgroup_path, is_bind};

/// What both verbs take.
#[derive(Clone, Debug, Default)]
pub struct Common {
    /// Where criu is.
    pub criu: Option<String>,
    /// The directory of the images.
    pub images: String,
    /// The directory of the log; the images' own without one.
    pub work: Option<String>,
    /// Connections stay as they are.
    pub tcp_established: bool,
    /// Sockets may have their other ends outside.
    pub external_unix_sockets: bool,
    /// The container is a job of somebody's shell.
    pub shell_job: bool,
    /// File locks are kept.
    pub file_locks: bool,
    /// How cgroups are brought back: `soft`, `full`, `strict` or `ignore`.
    pub cgroups_mode: Option<String>,
    /// The network namespace is left empty, for somebody else to fill.
    pub empty_network: bool,
    /// Pages that a later image replaces are punched out of the earlier one.
    pub auto_dedup: bool,
    /// Pages come when they are asked for.
    pub lazy_pages: bool,
}

/// The annotation that names a file with criu's own options.
const CONFIG: &str = "org.criu.config";
/// The file that is taken where no annotation names one, as with runc.
const DEFAULT_CONFIG: &str = "/etc/criu/runc.conf";

/// The options of both verbs; `images` and `work` are descriptors.
pub(crate) fn common(given: &Common, spec: &Spec, (images, work): (i32, i32)) -> Result<Options> {
    let named = spec.annotations.get(CONFIG).filter(|path| !path.is_empty()).cloned();
    let default = || std::path::Path::new(DEFAULT_CONFIG).exists().then(|| DEFAULT_CONFIG.to_owned());
    Ok(Options {
        images,
        work: Some(work),
        log_level: Some(4),
        notices: Some(true),
        manage_cgroups: Some(true),
        cgroups_mode: given.cgroups_mode.as_deref().map(cgroups_mode).transpose()?,
        tcp_established: Some(given.tcp_established),
        external_unix_sockets: Some(given.external_unix_sockets),
        shell_job: Some(given.shell_job),
        file_locks: Some(given.file_locks),
        auto_dedup: Some(given.auto_dedup),
        lazy_pages: Some(given.lazy_pages),
        empty_namespaces: given.empty_network.then_some(libc::CLONE_NEWNET.cast_unsigned()),
        orphan_terminal: Some(true),
        config_file: named.or_else(default),
        ..Options::default()
    })
}

fn cgroups_mode(word: &str) -> Result<i32> {
    match word {
        "ignore" => Ok(0),
        "soft" => Ok(3),
        "full" => Ok(4),
        "strict" => Ok(5),
        _ => Err(Error::Usage(format!(
            "invalid --manage-cgroups-mode {word:?}: expected soft, full, strict or ignore"
        ))),
    }
}

/// `ADDRESS:PORT`.
pub fn page_server(text: &str) -> Result<(String, i32)> {
    let wrong = || Error::Usage(format!("invalid --page-server {text:?}: expected ADDRESS:PORT"));
    let (address, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    if address.is_empty() || port == 0 {
        return Err(wrong());
    }
    Ok((address.to_owned(), i32::from(port)))
}

pub(crate) fn page_server_message((address, port): (String, i32)) -> PageServer {
    PageServer { address: Some(address), port: Some(port) }
}

/// What hides a file, in the images and on the host.
const NULL: &str = "/dev/null";

/// The mounts that are not criu's to make, by where they really are below `root`; the images know them by the values.
/// `mounted` is what init has mounted, as in its `mountinfo`: a directory is hidden by a tmpfs, which is criu's to make.
pub(crate) fn external_mounts(
    spec: &Spec,
    (host, id): (&Host, &str),
    root: Option<BorrowedFd<'_>>,
    mounted: &str,
) -> Vec<ExternalMount> {
    let places = restored_mounts(spec, host, id, "").into_iter();
    let places = places.map(|(place, _)| (root.and_then(|root| real(root, &place)), place));
    let places = places.map(|(real, place)| (real.unwrap_or_else(|| place.clone()), place));
    let hidden = spec.linux.masked_paths.iter().filter(|path| shows_null(mounted, path));
    let hidden = hidden.map(|path| (path.clone(), NULL.to_owned()));
    places.chain(hidden).map(|(key, value)| ExternalMount { key, value }).collect()
}

/// Where a place with symbolic links on the way really is.
fn real(root: BorrowedFd<'_>, place: &str) -> Option<String> {
    let file = Inside::new(root).open(&CString::new(place).ok()?, OFlags::PATH).ok()?;
    let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
    path.into_os_string().into_string().ok()
}

/// Whether the null device is mounted at a place (proc_pid_mountinfo(5): the fourth field is what is shown, the fifth where).
fn shows_null(mounted: &str, place: &str) -> bool {
    mounted.lines().any(|line| {
        let mut fields = line.split(' ').skip(3);
        fields.next().is_some_and(|shown| shown.ends_with("/null")) && fields.next() == Some(place)
    })
}

/// What those of the images show now, by the names they have there; relative sources count from `bundle`.
pub(crate) fn restored_external_mounts(
    spec: &Spec,
    host: &Host,
    id: &str,
    bundle: &str,
) -> Vec<ExternalMount> {
    let hidden = (!spec.linux.masked_paths.is_empty()).then(|| (NULL.to_owned(), NULL.to_owned()));
    let all = restored_mounts(spec, host, id, bundle).into_iter().chain(hidden);
    all.map(|(key, value)| ExternalMount { key, value }).collect()
}

/// The same mounts with what they show on the host; relative sources count from `bundle`.
pub(crate) fn restored_mounts(spec: &Spec, host: &Host, id: &str, bundle: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for mount in &spec.mounts {
        let place = absolute(&mount.destination, "");
        if is_bind(mount) {
            all.push((place, source(mount, bundle)));
        } else if matches!(mount.kind.as_deref(), Some("cgroup" | "cgroup2")) {
            all.extend(cgroup_mounts(spec, host, id, &place));
        }
    }
    all
}

/// What a bind shows; a relative path counts from `bundle`.
pub(crate) fn source(mount: &Mount, bundle: &str) -> String {
    absolute(mount.source.as_deref().unwrap_or_default(), bundle)
}

/// The copies of the container's own directories: one on v2, one for each hierarchy on v1.
fn cgroup_mounts(spec: &Spec, host: &Host, id: &str, place: &str) -> Vec<(String, String)> {
    let Some(path) = cgroup_path(spec, host, id) else { return Vec::new() };
    let own = |mount: &str| format!("{mount}/{path}");
    if host.is_unified() {
        return host.hierarchies.iter().map(|one| (place.to_owned(), own(&one.mount))).collect();
    }
    let v1 = host.hierarchies.iter().filter(|one| one.version == CgroupVersion::V1);
    v1.map(|one| {
        let name = one.mount.rsplit('/').next().unwrap_or_default();
        (format!("{place}/{name}"), own(&one.mount))
    })
    .collect()
}

fn absolute(path: &str, base: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{base}/{path}") }
}

/// Namespaces of the container that somebody else made: criu takes them as they are. The name goes into the images.
pub(crate) fn external_namespaces(spec: &Spec) -> Vec<(&'static str, &'static str, String)> {
    const KINDS: &[(NamespaceKind, &str, &str)] = &[
        (NamespaceKind::Network, "net", "extRootNetNS"),
        (NamespaceKind::Pid, "pid", "extRootPidNS"),
        (NamespaceKind::Ipc, "ipc", "extRootIpcNS"),
        (NamespaceKind::Uts, "uts", "extRootUtsNS"),
        (NamespaceKind::Time, "time", "extRootTimeNS"),
    ];
    let path = |kind: NamespaceKind| {
        let found = spec.linux.namespaces.iter().find(|one| one.kind == kind)?;
        found.path.clone().filter(|path| !path.is_empty())
    };
    KINDS.iter().filter_map(|(kind, word, name)| Some((*word, *name, path(*kind)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_server_has_an_address_and_a_port() {
        assert_eq!(page_server("::1:27").unwrap(), ("::1".to_owned(), 27));
        for wrong in ["localhost", ":27", "localhost:", "localhost:0", "localhost:x"] {
            assert!(page_server(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_is_hidden_by_the_null_device() {
        let mounted = "90 78 0:6 /null /proc/keys rw - devtmpfs devtmpfs rw\n\
                       92 83 0:46 / /sys/firmware ro - tmpfs tmpfs ro\n";
        assert!(shows_null(mounted, "/proc/keys"));
        assert!(!shows_null(mounted, "/sys/firmware") && !shows_null(mounted, "/proc/kcore"));
    }

    #[test]
    fn modes_are_crius_numbers() {
        assert_eq!(cgroups_mode("soft").unwrap(), 3);
        assert!(cgroups_mode("none").unwrap_err().to_string().contains("--manage-cgroups-mode"));
    }
}
