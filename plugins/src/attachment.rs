//! An attachment: one interface of one container on one network. Everything that a plugin makes belongs to an
//! attachment.

use crate::error::{Error, Result};
use crate::hash::fnv;
use std::fmt;

/// Network name, container ID and interface name. The CNI specification requires the combination to be unique.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attachment {
    /// The name of the network.
    pub network: String,
    /// The container ID.
    pub container: String,
    /// The name of the interface inside the container.
    pub interface: String,
}

impl Attachment {
    /// Returns a name for the host end of the veth pair. It depends only on the attachment and the attempt, so that
    /// `DEL` finds the interface without any state.
    pub fn host_interface(&self, attempt: u32) -> String {
        let hash = fnv(&format!("{self}#{attempt}"));
        format!("veth{:08x}", (hash ^ (hash >> 32)) & 0xffff_ffff)
    }

    /// Returns the name of this attachment in tables of nftables. It is short enough for an nftables object.
    pub fn table_name(&self) -> String {
        let readable = self.to_string();
        match readable.len() <= LONGEST_READABLE && readable.chars().all(is_plain) {
            true => format!("{IN_TABLES}{readable}"),
            false => format!("{IN_TABLES}{}", self.hashed()),
        }
    }

    /// Returns the prefixes of the table names of all attachments to a network. `GC` selects attachments by them.
    pub fn table_prefixes(network: &str) -> [String; 2] {
        prefixes(network).map(|prefix| format!("{IN_TABLES}{prefix}"))
    }

    /// Returns the interface alias that marks an interface as this attachment's, cut to the kernel's limit.
    pub fn alias(&self) -> String {
        let readable = self.to_string();
        if readable.len() <= LONGEST_ALIAS { readable } else { self.hashed() }
    }

    /// Whether an alias belongs to an attachment to this network.
    pub fn is_alias_in(network: &str, alias: &str) -> bool {
        prefixes(network).iter().any(|prefix| alias.starts_with(prefix))
    }

    fn hashed(&self) -> String {
        let readable = self.to_string();
        let hash = format!("{:016x}{:016x}", fnv(&readable), fnv(&format!("{readable}/")));
        let [named, hashed] = prefixes(&self.network);
        let is_short = self.network.len() <= LONGEST_NETWORK && self.network.chars().all(is_plain);
        format!("{}{hash}/-", if is_short { named } else { hashed })
    }
}

/// The readable and the hashed prefix of a network's attachments. They can't clash: no network name starts with a dash.
fn prefixes(network: &str) -> [String; 2] {
    [format!("{network}/"), format!("-{:016x}/", fnv(network))]
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/-_.".contains(c)
}

const IN_TABLES: &str = "at/";
/// `IFALIASZ`, less the terminating NUL.
const LONGEST_ALIAS: usize = 255;
/// Older kernels limit nftables names to 127 bytes. The rest is for a prefix and a number.
const LONGEST_READABLE: usize = 110;
const LONGEST_NETWORK: usize = 60;

impl fmt::Display for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.network, self.container, self.interface)
    }
}

/// Checks a container ID (CNI specification, section 2, "Parameters").
///
/// # Errors
/// Code 4 with the Go plugins' text.
pub fn check_container(id: &str) -> Result<()> {
    match is_name(id) {
        true => Ok(()),
        false => Err(Error::environment("invalid characters in containerID").about(id)),
    }
}

/// Checks a network name (section 1, "Network configuration format").
///
/// # Errors
/// Code 7 with the Go plugins' text.
pub fn check_network(name: &str) -> Result<()> {
    match name {
        "" => Err(Error::config("missing network name").about("name")),
        name if is_name(name) => Ok(()),
        name => Err(Error::config("invalid characters found in network name").about(name)),
    }
}

/// Checks an interface name by the kernel's rules.
///
/// # Errors
/// Code 4 with the Go plugins' texts.
pub fn check_interface(name: &str) -> Result<()> {
    let error = |msg: &str, details: &str| Err(Error::environment(msg).about(details));
    match name {
        "" => error("interface name is empty", ""),
        name if name.len() > 15 => {
            error("interface name is too long", "interface name should be less than 16 characters")
        }
        "." | ".." => error("interface name is . or ..", ""),
        name if name.contains(['/', ':', '\0']) || name.contains(char::is_whitespace) => {
            error("interface name contains / or : or whitespace characters", "")
        }
        _ => Ok(()),
    }
}

/// `^[a-zA-Z0-9][a-zA-Z0-9_.\-]*$`. The first character is no dot, so that no name escapes a directory.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(container: &str) -> Attachment {
        Attachment { network: "net".into(), container: container.into(), interface: "eth0".into() }
    }

    #[test]
    fn names_that_could_escape_a_directory_are_refused() {
        for bad in ["../../evil", "a/b", ".", "..", ".hidden", "", "a\nb", "-x", "a b"] {
            assert_eq!(check_container(bad).unwrap_err().code, 4, "{bad:?}");
            assert_eq!(check_network(bad).unwrap_err().code, 7, "{bad:?}");
        }
        assert_eq!(check_network("").unwrap_err().msg, "missing network name");
        for good in ["a", "0abc", "a.b-c_d", "A..b"] {
            check_container(good).unwrap();
            check_network(good).unwrap();
        }
    }

    #[test]
    fn interface_names_follow_the_kernels_rules() {
        for good in ["eth0", "a.b", "fifteen-chars-x"] {
            check_interface(good).unwrap();
        }
        for bad in ["", ".", "..", "a/b", "a:b", "a b", "a\tb", "a\0b", "sixteen-chars-xx"] {
            assert_eq!(check_interface(bad).unwrap_err().code, 4, "{bad:?}");
        }
    }

    #[test]
    fn each_wrong_interface_name_has_its_message() {
        for (name, msg, details) in [
            ("", "interface name is empty", ""),
            (
                "sixteen-chars-xx",
                "interface name is too long",
                "interface name should be less than 16 characters",
            ),
            ("..", "interface name is . or ..", ""),
            ("a b", "interface name contains / or : or whitespace characters", ""),
        ] {
            let error = check_interface(name).unwrap_err();
            assert_eq!((error.msg.as_str(), error.details.as_str()), (msg, details));
        }
    }

    #[test]
    fn the_name_of_the_host_end_is_stable_and_fits_the_kernel() {
        let name = attachment("c1").host_interface(0);
        assert_eq!(name, attachment("c1").host_interface(0));
        assert_ne!(name, attachment("c2").host_interface(0));
        assert_ne!(name, attachment("c1").host_interface(1));
        assert_eq!(name.len(), 12);
    }

    #[test]
    fn an_alias_is_readable_or_short_and_identifies_the_network() {
        assert_eq!(attachment("c1").alias(), "net/c1/eth0");
        for (network, container) in [("net".to_owned(), "c".repeat(300)), ("n".repeat(300), "c1".to_owned())]
        {
            let long = Attachment { network: network.clone(), ..attachment(&container) };
            assert!(long.alias().len() < 100 && Attachment::is_alias_in(&network, &long.alias()));
            assert!(!Attachment::is_alias_in("ne", &long.alias()));
        }
    }

    #[test]
    fn a_long_container_id_has_a_table_name() {
        assert_eq!(attachment("c1").table_name(), "at/net/c1/eth0");
        let long = attachment(&"x".repeat(300)).table_name();
        assert!(long.starts_with("at/net/") && long.ends_with("/-") && long.len() == 41);
        assert_ne!(long, attachment(&"x".repeat(301)).table_name());
        let network = "n".repeat(200);
        let name = Attachment { network: network.clone(), ..attachment("c1") }.table_name();
        assert!(
            name.len() < 60 && Attachment::table_prefixes(&network).iter().any(|it| name.starts_with(it))
        );
        assert!(!Attachment::table_prefixes("other").iter().any(|it| name.starts_with(it)));
    }
}
