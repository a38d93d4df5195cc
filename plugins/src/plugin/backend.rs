//! The backend of a plugin's packet filter rules.

use crate::error::{Error, Result};
use crate::iptables::is_installed;
use crate::request::Command;

/// The backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Backend {
    /// nftables: own tables, changed in one transaction. Also the default when there is nothing to create, since
    /// removal looks in both backends.
    #[default]
    Nftables,
    /// iptables: the nat tables of the host, in nf_tables or legacy iptables.
    Iptables,
}

impl Backend {
    /// Reads a key; `None` if it is empty. `unknown` returns the error for another value.
    ///
    /// # Errors
    /// The value is neither backend.
    pub(super) fn read(text: &str, unknown: impl FnOnce(&str) -> Error) -> Result<Option<Backend>> {
        match text {
            "" => Ok(None),
            "nftables" => Ok(Some(Backend::Nftables)),
            "iptables" => Ok(Some(Backend::Iptables)),
            other => Err(unknown(other)),
        }
    }

    /// Returns the default, like the Go plugins: iptables if the host has it. `ADD`, `CHECK` and `STATUS` use it;
    /// removal looks in both backends.
    pub(super) fn of_host(command: Command) -> Backend {
        match command {
            Command::Add | Command::Check if is_installed() => Backend::Iptables,
            _ => Backend::Nftables,
        }
    }

    /// Returns the value in the configuration.
    pub(super) fn text(self) -> &'static str {
        match self {
            Backend::Nftables => "nftables",
            Backend::Iptables => "iptables",
        }
    }
}
