//! The error a plugin answers with: a code of the CNI specification, one line of message, details.

use rustix::io::Errno;
use serde::Serialize;
use std::fmt;
use tare_netlink::{RECEIVE_TIMEOUT, Refusal};

/// What kind of failure it was, numbered as the CNI specification numbers them (section 5, "Error").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The version of the configuration is not one this plugin speaks.
    Version = 1,
    /// A key of the configuration is known but not supported here.
    Unsupported = 2,
    /// A variable of the environment is missing or malformed.
    Environment = 4,
    /// A file, the kernel or another program did not do what was asked.
    Io = 5,
    /// The configuration is not JSON.
    Decode = 6,
    /// The configuration is JSON, but what it says cannot be.
    Config = 7,
    /// The network namespace is missing, or is the plugin's own. Known to the Go library, not to the specification.
    Netns = 8,
    /// Something else is using what is needed; the same call may succeed later.
    TryAgain = 11,
    /// `STATUS`: the plugin cannot serve an `ADD` now.
    Unavailable = 50,
    /// The attachment is not as `CHECK` expects it.
    Differs = 100,
    /// No address is left, or the one asked for is taken.
    Exhausted = 101,
    /// What is to be made exists already: the interface, the bridge's other address, a published port.
    Exists = 102,
    /// A fault of the plugin's own.
    Internal = 999,
}

/// A failure, worded once, with what callers need to tell it from others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Error {
    /// The number for programs. Errors passed on from another plugin keep theirs.
    pub code: u32,
    /// The sentence for people; where the Go plugins' callers match on a text, it is that text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub msg: String,
    /// The key, value or place it is about; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub details: String,
}

/// The result of everything in this library.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error without details.
    pub fn new(code: Code, msg: impl Into<String>) -> Self {
        Self { code: code as u32, msg: msg.into(), details: String::new() }
    }

    /// The configuration cannot be.
    pub fn config(msg: impl Into<String>) -> Self {
        Self::new(Code::Config, msg)
    }

    /// The environment cannot be.
    pub fn environment(msg: impl Into<String>) -> Self {
        Self::new(Code::Environment, msg)
    }

    /// `what` is what was tried, with its object: `create bridge cni0`.
    pub fn kernel(what: impl fmt::Display, why: Errno) -> Self {
        let code = match why {
            Errno::AGAIN | Errno::BUSY | Errno::INTR => Code::TryAgain,
            _ => Code::Io,
        };
        Self::new(code, format!("cannot {what}: {}", spell(why)))
    }

    /// The kernel refused a netlink message; `what` is what was tried, with its object.
    pub fn refused(what: impl fmt::Display, refusal: &Refusal) -> Self {
        let error = Self::kernel(what, refusal.errno);
        match refusal.text.is_empty() {
            true => error,
            false => error.about(refusal.text.clone()),
        }
    }

    /// The same for what the standard library opened or ran.
    pub fn io(what: impl fmt::Display, why: &std::io::Error) -> Self {
        Self::new(Code::Io, format!("cannot {what}: {why}"))
    }

    /// Adds the key, value or place it is about.
    #[must_use]
    pub fn about(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    /// Puts a text before the message: `host-local: ` or what was being done.
    #[must_use]
    pub fn within(mut self, context: &str) -> Self {
        self.msg = format!("{context}: {}", self.msg);
        self
    }

    /// One error out of several that belong to one call; `None` when there are none.
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
            Enlarge(why) => Error::kernel("make room for the answers of the kernel", why),
            Receive(why) => Error::kernel("receive from the kernel over netlink", why),
            Timeout => {
                let seconds = RECEIVE_TIMEOUT.as_secs();
                let msg = format!("the kernel has not answered over netlink for {seconds} seconds");
                Error::new(Code::TryAgain, msg)
            }
        }
    }
}

/// The kernel's words for an error, as callers know them: in lower case and without its number.
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
    fn a_kernel_that_does_not_answer_says_try_again() {
        let error = Error::from(tare_netlink::Error::Timeout);
        assert_eq!(error.code, 11);
        assert_eq!(error.msg, "the kernel has not answered over netlink for 60 seconds");
    }

    #[test]
    fn a_busy_kernel_says_try_again() {
        assert_eq!(Error::kernel("lock it", Errno::AGAIN).code, 11);
        assert_eq!(Error::kernel("read it", Errno::NOENT).code, 5);
    }
}
