//! Values of cgroup files of either version, for `stats` and `update`.

use super::files::{self, Cgroup};
use rustix::fd::{AsFd, OwnedFd};
use std::ffi::CString;

/// The open cgroups of a container, one in each hierarchy.
#[derive(Debug)]
pub(crate) struct Values {
    hierarchies: Vec<(Cgroup, OwnedFd)>,
}

impl Values {
    /// Opens the cgroups. A cgroup that does not exist any more is left out.
    pub(crate) fn open(cgroups: &[Cgroup]) -> Self {
        let open = |cgroup: &Cgroup| Some((cgroup.clone(), cgroup.open().ok()??));
        Self { hierarchies: cgroups.iter().filter_map(open).collect() }
    }

    /// Reads a file in the v1 hierarchy with `controller`, or in the v2 hierarchy if no v1 hierarchy has it.
    pub(crate) fn text(&self, controller: &str, file: &str) -> Option<String> {
        let name = CString::new(file).ok()?;
        let v1 = self.hierarchies.iter().find(|(cgroup, _)| cgroup.has(controller));
        let hierarchy = v1.or(self.hierarchies.first());
        let text = files::read(hierarchy?.1.as_fd(), &name).ok()?;
        String::from_utf8(text).ok()
    }

    /// Reads a file with one number; `None` for a word such as `max`.
    pub(crate) fn number(&self, controller: &str, file: &str) -> Option<u64> {
        self.text(controller, file)?.trim().parse().ok()
    }

    /// Reads a limit. `max` is the largest number, as v1 shows a missing limit.
    pub(crate) fn limit(&self, controller: &str, file: &str) -> Option<u64> {
        match self.text(controller, file)?.trim() {
            "max" => Some(u64::MAX),
            text => text.parse().ok(),
        }
    }

    /// Reads the number of `key` in a flat keyed file (cgroup-v2.rst of the kernel, "Format").
    pub(crate) fn keyed(&self, controller: &str, file: &str, key: &str) -> Option<u64> {
        keyed(&self.text(controller, file)?, key)
    }
}

/// Returns the number of `key` in a text with lines `KEY VALUE`.
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
