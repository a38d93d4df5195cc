//! Which of the kernel's two packet filters a plugin makes its rules in.

use crate::error::{Error, Result};
use crate::iptables::is_installed;
use crate::request::Command;

/// The filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Backend {
    /// Tables of our own in nf_tables: one transaction, whatever else is attached. Where nothing is to be made it makes no
    /// difference which it is: what removes looks in both.
    #[default]
    Nftables,
    /// The nat tables of iptables, as the host has them: in nf_tables, or those of legacy iptables.
    Iptables,
}

impl Backend {
    /// Reads a key; `None` when it says nothing. `unknown` words the refusal of anything else.
    ///
    /// # Errors
    /// Neither of the two.
    pub(super) fn read(text: &str, unknown: impl FnOnce(&str) -> Error) -> Result<Option<Backend>> {
        match text {
            "" => Ok(None),
            "nftables" => Ok(Some(Backend::Nftables)),
            "iptables" => Ok(Some(Backend::Iptables)),
            other => Err(unknown(other)),
        }
    }

    /// The one that is taken where nobody asks for one, as the Go plugins choose it: iptables where the host has it. Rules
    /// are made and looked at by it; all that remove some look in both.
    pub(super) fn of_host(command: Command) -> Backend {
        match command {
            Command::Add | Command::Check if is_installed() => Backend::Iptables,
            _ => Backend::Nftables,
        }
    }

    /// As the configuration names it.
    pub(super) fn text(self) -> &'static str {
        match self {
            Backend::Nftables => "nftables",
            Backend::Iptables => "iptables",
        }
    }
}
