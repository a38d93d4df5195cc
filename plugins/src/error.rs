//! The error of a plugin: a code of the CNI specification, a message, details.

use rustix::io::Errno;
use serde::Serialize;
use std::fmt;
use tare_netlink::{RECEIVE_TIMEOUT, Refusal};

/// The error codes of the CNI specification (section 5, "Error").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The plugin does not support the version of the configuration.
    Version = 1,
    /// The plugin does not support a key of the configuration.
    Unsupported = 2,
    /// A CNI variable of the environment is missing or malformed.
    Environment = 4,
    /// A system call or another program failed.
    Io = 5,
    /// The configuration is not JSON.
    Decode = 6,
    /// The configuration is JSON, but invalid.
    Config = 7,
    /// The network namespace is missing, or is the plugin's own. The Go library defines this code, the specification
    /// does not.
    Netns = 8,
    /// A resource is busy; the same call may succeed later.
    TryAgain = 11,
    /// `STATUS`: the plugin can't serve an `ADD` now.
    Unavailable = 50,
    /// `CHECK`: the attachment differs from its declaration.
    Differs = 100,
    /// No address is free, or the requested one is leased.
    Exhausted = 101,
    /// An object exists already: the interface, another bridge address, a published port.
    Exists = 102,
    /// A bug in the plugin.
    Internal = 999,
}

/// An error as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Error {
    /// The code. Errors of a delegated plugin keep theirs.
    pub code: u32,
    /// The message. Where callers match the text of the Go plugins, it is that text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub msg: String,
    /// The key, value or place of the error; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub details: String,
}

/// The result type of this library.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Creates an error without details.
    pub fn new(code: Code, msg: impl Into<String>) -> Self {
        Self { code: code as u32, msg: msg.into(), details: String::new() }
    }

    /// Creates an error about the configuration.
    pub fn config(msg: impl Into<String>) -> Self {
        Self::new(Code::Config, msg)
    }

    /// Creates an error about the environment.
    pub fn environment(msg: impl Into<String>) -> Self {
        Self::new(Code::Environment, msg)
    }

    /// Creates an error of a system call; `what` is a verb with its object: `create bridge cni0`.
    pub fn kernel(what: impl fmt::Display, why: Errno) -> Self {
        let code = match why {
            Errno::AGAIN | Errno::BUSY | Errno::INTR => Code::TryAgain,
            _ => Code::Io,
        };
        Self::new(code, format!("cannot {what}: {}", spell(why)))
    }

    /// Creates an error of a refused netlink message; `what` is a verb with its object.
    pub fn refused(what: impl fmt::Display, refusal: &Refusal) -> Self {
        let error = Self::kernel(what, refusal.errno);
        match refusal.text.is_empty() {
            true => error,
            false => error.about(refusal.text.clone()),
        }
    }

    /// Creates an error of the standard library; `what` is a verb with its object.
    pub fn io(what: impl fmt::Display, why: &std::io::Error) -> Self {
        Self::new(Code::Io, format!("cannot {what}: {why}"))
    }

    /// Sets the details.
    #[must_use]
    pub fn about(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    /// Prefixes the message with a context, such as `host-local: `.
    #[must_use]
    pub fn within(mut self, context: &str) -> Self {
        self.msg = format!("{context}: {}", self.msg);
        self
    }

    /// Joins the messages of several errors; `None` if there are none.
    pub fn joined(mut errors: Vec<Error>) -> Option<Error> {
        let mut first = if errors.is_empty() { return None } else { errors.remove(0) };
        for other in errors {
            first.msg = format!("{}; {}", first.msg, other.msg);
        }
        Some(first)
    }
}

impl From<tare_netlink::Error> for Error {
    fn from(error: tare_netlink::Error) -> Self {
        use tare_netlink::Error::{Enlarge, Receive, Send, Timeout};
        match error {
            Send(why) => Error::kernel("send to the kernel over netlink", why),
            Enlarge(why) => Error::kernel("enlarge the receive buffer of a netlink socket", why),
            Receive(why) => Error::kernel("receive from the kernel over netlink", why),
            Timeout => {
                let seconds = RECEIVE_TIMEOUT.as_secs();
                let msg = format!("the kernel has not answered over netlink for {seconds} seconds");
                Error::new(Code::TryAgain, msg)
            }
        }
    }
}

/// Returns the text of an error number, in lower case and without the number.
pub(crate) fn spell(why: Errno) -> String {
    let text = std::io::Error::from(why).to_string();
    text.split(" (os error").next().unwrap_or_default().to_ascii_lowercase()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.details.is_empty() {
            true => f.write_str(&self.msg),
            false => write!(f, "{}: {}", self.msg, self.details),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_errors_become_one_with_the_code_of_the_first() {
        let errors = vec![Error::config("a"), Error::environment("b")];
        let joined = Error::joined(errors).unwrap();
        assert_eq!((joined.code, joined.msg.as_str()), (7, "a; b"));
        assert_eq!(Error::joined(Vec::new()), None);
    }

    #[test]
    fn a_silent_kernel_is_an_error_to_try_again() {
        let error = Error::from(tare_netlink::Error::Timeout);
        assert_eq!(error.code, 11);
        assert_eq!(error.msg, "the kernel has not answered over netlink for 60 seconds");
    }

    #[test]
    fn a_busy_kernel_is_an_error_to_try_again() {
        assert_eq!(Error::kernel("lock it", Errno::AGAIN).code, 11);
        assert_eq!(Error::kernel("read it", Errno::NOENT).code, 5);
    }
}
