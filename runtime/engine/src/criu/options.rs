//! The options of `checkpoint` and `restore`, translated to criu's.

use super::message::{self, ExternalMount, Options};
use crate::error::{Error, Result};
use crate::mounts::root_dir::RootDir;
use rustix::fd::{AsRawFd, BorrowedFd, RawFd};
use rustix::fs::OFlags;
use std::ffi::CString;
use tare_plan::criu::Externals;

/// The options that `checkpoint` and `restore` share.
#[derive(Clone, Debug, Default)]
pub struct CriuOptions {
    /// The path of criu; without one, criu is found along PATH.
    pub program: Option<String>,
    /// The directory of the images.
    pub images: String,
    /// The directory of the log; by default that of the images.
    pub work: Option<String>,
    /// Dumps and restores established TCP connections.
    pub tcp_established: bool,
    /// Allows Unix sockets that are connected to processes outside the container.
    pub external_unix_sockets: bool,
    /// Allows a container that is a job of a shell, with a session and a terminal from outside.
    pub shell_job: bool,
    /// Dumps and restores file locks.
    pub file_locks: bool,
    /// The mode in which criu restores cgroups: `soft`, `full`, `strict` or `ignore`.
    pub cgroups_mode: Option<String>,
    /// Leaves the network namespace empty. The caller configures it, with a CNI plugin for example.
    pub empty_network: bool,
    /// Deletes pages from the images of an earlier dump when a later one has them too.
    pub auto_dedup: bool,
    /// Restores pages when the process touches them (userfaultfd(2)).
    pub lazy_pages: bool,
}

/// A page server (`--page-server`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageServer {
    /// Its IP address or host name.
    pub address: String,
    /// Its TCP port.
    pub port: u16,
}

/// criu's configuration file without the annotation `org.criu.config`, as in runc.
const DEFAULT_CONFIG: &str = "/etc/criu/runc.conf";

/// The file descriptors of the directories that criu uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Directories {
    /// The images.
    pub(crate) images: RawFd,
    /// The log and other working files.
    pub(crate) work: RawFd,
}

/// Translates the options that both verbs share.
pub(crate) fn shared(
    given: &CriuOptions,
    externals: &Externals,
    directories: Directories,
) -> Result<Options> {
    let Directories { images, work } = directories;
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
        config_file: externals.config_file.clone().or_else(default),
        ..Options::default()
    })
}

/// Translates `--manage-cgroups-mode` to criu's number.
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

/// Parses `ADDRESS:PORT`. The address may have colons itself (IPv6).
///
/// # Errors
/// [`Error::Usage`] without an address or with an invalid port.
pub fn page_server(text: &str) -> Result<PageServer> {
    let wrong = || Error::Usage(format!("invalid --page-server {text:?}: expected ADDRESS:PORT"));
    let (address, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    if address.is_empty() || port == 0 {
        return Err(wrong());
    }
    Ok(PageServer { address: address.to_owned(), port })
}

impl From<PageServer> for message::PageServer {
    fn from(server: PageServer) -> Self {
        Self { address: Some(server.address), port: Some(server.port.into()) }
    }
}

/// The name of masked files in the images, and their source on the host.
const NULL: &str = "/dev/null";

/// Returns the mounts that criu does not dump, by their real paths below `root`. The images know them by their configured paths.
///
/// `mounted` is the `mountinfo` of init. It shows which masked paths are files: a masked directory is a tmpfs, which criu dumps.
pub(crate) fn dumped_mounts(
    externals: &Externals,
    root: Option<BorrowedFd<'_>>,
    mounted: &str,
) -> Vec<ExternalMount> {
    let places = externals.mounts.iter().map(|mount| &mount.destination);
    let places = places.map(|place| ExternalMount {
        key: root.and_then(|root| real(root, place)).unwrap_or_else(|| place.clone()),
        value: place.clone(),
    });
    let masked = externals.masked_paths.iter().filter(|path| shows_null(mounted, path));
    let masked = masked.map(|path| ExternalMount { key: path.clone(), value: NULL.to_owned() });
    places.chain(masked).collect()
}

/// Resolves the symbolic links of a path below `root`: criu compares mount points as the kernel shows them.
fn real(root: BorrowedFd<'_>, place: &str) -> Option<String> {
    let file = RootDir::new(root).open(&CString::new(place).ok()?, OFlags::PATH).ok()?;
    let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
    path.into_os_string().into_string().ok()
}

/// Whether the null device is mounted at a path (proc_pid_mountinfo(5): field 4 is the root of the mount, field 5 its mount point).
fn shows_null(mounted: &str, place: &str) -> bool {
    mounted.lines().any(|line| {
        let mut fields = line.split(' ').skip(3);
        fields.next().is_some_and(|shown| shown.ends_with("/null")) && fields.next() == Some(place)
    })
}

/// Returns the external mounts of the images with their sources on this host.
pub(crate) fn restored_mounts(externals: &Externals) -> Vec<ExternalMount> {
    let masked = (!externals.masked_paths.is_empty())
        .then(|| ExternalMount { key: NULL.to_owned(), value: NULL.to_owned() });
    let mounts = externals.mounts.iter();
    let mounts =
        mounts.map(|mount| ExternalMount { key: mount.destination.clone(), value: mount.source.clone() });
    mounts.chain(masked).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_server_has_an_address_and_a_port() {
        assert_eq!(page_server("::1:27").unwrap(), PageServer { address: "::1".to_owned(), port: 27 });
        for wrong in ["localhost", ":27", "localhost:", "localhost:0", "localhost:x"] {
            assert!(page_server(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_masked_file_shows_the_null_device() {
        let mounted = "90 78 0:6 /null /proc/keys rw - devtmpfs devtmpfs rw\n\
                       92 83 0:46 / /sys/firmware ro - tmpfs tmpfs ro\n";
        assert!(shows_null(mounted, "/proc/keys"));
        assert!(!shows_null(mounted, "/sys/firmware") && !shows_null(mounted, "/proc/kcore"));
    }

    #[test]
    fn cgroup_modes_have_crius_numbers() {
        assert_eq!(cgroups_mode("soft").unwrap(), 3);
        assert!(cgroups_mode("none").unwrap_err().to_string().contains("--manage-cgroups-mode"));
    }
}
