//! What callers say of checkpoints and restores, in criu's terms.

use super::message::{ExternalMount, Options, PageServer};
use crate::error::{Error, Result};
use crate::mounts::inside::Inside;
use rustix::fd::{AsRawFd, BorrowedFd, RawFd};
use rustix::fs::OFlags;
use std::ffi::CString;
use tare_plan::criu::Externals;

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

/// The file that is taken where no annotation names one, as with runc.
const DEFAULT_CONFIG: &str = "/etc/criu/runc.conf";

/// The file descriptors of the directories that criu uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Directories {
    /// The images.
    pub(crate) images: RawFd,
    /// The log and other working files.
    pub(crate) work: RawFd,
}

/// The options of both verbs.
pub(crate) fn common(given: &Common, externals: &Externals, directories: Directories) -> Result<Options> {
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

/// The mounts that criu does not dump, by their real paths below `root`. The images know them by their configured paths.
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

/// The mounts that criu finds in the images as external, with their sources on this host.
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
