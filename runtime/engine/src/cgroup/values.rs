//! The files of a container's cgroups, of either version, as numbers.

use super::files::{self, Cgroup};
use rustix::fd::{AsFd, OwnedFd};
use std::ffi::CString;

/// The container's directory in every hierarchy, open.
#[derive(Debug)]
pub(crate) struct Values {
    hierarchies: Vec<(Cgroup, OwnedFd)>,
}

impl Values {
    /// Opens the directories; one that is gone is left out.
    pub(crate) fn open(cgroups: &[Cgroup]) -> Self {
        let open = |cgroup: &Cgroup| Some((cgroup.clone(), cgroup.open().ok()??));
        Self { hierarchies: cgroups.iter().filter_map(open).collect() }
    }

    /// The text of a file: of the v1 hierarchy that has `controller`, or of the v2 one.
    pub(crate) fn text(&self, controller: &str, file: &str) -> Option<String> {
        let name = CString::new(file).ok()?;
        let v1 = self.hierarchies.iter().find(|(cgroup, _)| cgroup.has(controller));
        let hierarchy = v1.or(self.hierarchies.first());
        let text = files::read(hierarchy?.1.as_fd(), &name).ok()?;
        String::from_utf8(text).ok()
    }

    /// A file that holds one number. A word such as `max` is none.
    pub(crate) fn number(&self, controller: &str, file: &str) -> Option<u64> {
        self.text(controller, file)?.trim().parse().ok()
    }

    /// A file that holds one number, or `max` for none: then as large as can be.
    pub(crate) fn limit(&self, controller: &str, file: &str) -> Option<u64> {
        match self.text(controller, file)?.trim() {
            "max" => Some(u64::MAX),
            text => text.parse().ok(),
        }
    }

    /// The number after `key` in a file with a key and a number on each line.
    pub(crate) fn keyed(&self, controller: &str, file: &str, key: &str) -> Option<u64> {
        keyed(&self.text(controller, file)?, key)
    }
}

/// The number after `key` in a text with a key and a number on each line.
pub(crate) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::keyed;

    #[test]
    fn a_key_is_a_whole_word() {
        assert_eq!(keyed("file_mapped 7\nfile 5\n", "file"), Some(5));
        assert_eq!(keyed("file 5\n", "fil"), None);
    }
}
