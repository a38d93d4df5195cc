//! The names of kernel parameters, as `linux.sysctl` writes them (config-linux.md, Sysctl).

/// The name of a kernel parameter.
///
/// The specification only says "kernel parameters"; callers write what sysctl(8) takes. sysctl.d(5): the
/// separator that comes first separates. After a slash, dots are part of a name
/// (`net/ipv4/conf/eth0.100/forwarding`). After a dot, slashes stand for the dots in a name
/// (`net.ipv4.conf.eth0/100.forwarding`). runc 1.1.5 opens `eth0/100` for both of them and fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SysctlName {
    /// The names of the directories below /proc/sys and of the file, dots included.
    components: Vec<String>,
}

impl SysctlName {
    /// Splits a name; `None` if it can't be a file below /proc/sys.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let first = name.chars().find(|letter| matches!(letter, '.' | '/'));
        let components: Vec<String> = if first == Some('/') {
            name.split('/').map(str::to_owned).collect()
        } else {
            name.split('.').map(|component| component.replace('/', ".")).collect()
        };
        components.iter().all(|component| is_file_name(component)).then_some(Self { components })
    }

    /// The file, as a path relative to /proc/sys.
    pub(crate) fn path(&self) -> String {
        self.components.join("/")
    }

    /// The name with dots as separators, as runc's messages have it.
    pub(crate) fn dotted(&self) -> String {
        let components: Vec<String> = self.components.iter().map(|name| name.replace('.', "/")).collect();
        components.join(".")
    }

    /// The first component, such as `net`.
    pub(crate) fn family(&self) -> &str {
        self.components.first().map_or("", String::as_str)
    }
}

/// Whether a component names a file of procfs: letters, digits and what names of network interfaces may have.
/// `..` would lead out of /proc/sys.
fn is_file_name(component: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.@:".contains(&byte);
    !matches!(component, "" | "." | "..") && component.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::SysctlName;

    /// The path and the dotted name.
    fn read(name: &str) -> Option<(String, String)> {
        SysctlName::parse(name).map(|name| (name.path(), name.dotted()))
    }

    #[test]
    fn names_without_dots_in_components_read_the_same_with_either_separator() {
        let expected = Some(("net/ipv4/conf/lo/forwarding".into(), "net.ipv4.conf.lo.forwarding".into()));
        assert_eq!(read("net.ipv4.conf.lo.forwarding"), expected);
        assert_eq!(read("net/ipv4/conf/lo/forwarding"), expected);
    }

    // The example of sysctl.d(5).
    #[test]
    fn the_first_separator_separates() {
        let expected = Some((
            "net/ipv4/conf/enp3s0.200/forwarding".into(),
            "net.ipv4.conf.enp3s0/200.forwarding".into(),
        ));
        assert_eq!(read("net.ipv4.conf.enp3s0/200.forwarding"), expected);
        assert_eq!(read("net/ipv4/conf/enp3s0.200/forwarding"), expected);
        assert_eq!(read("net.ipv4.conf.eth0.1.forwarding").unwrap().0, "net/ipv4/conf/eth0/1/forwarding");
        assert_eq!(read("x"), Some(("x".into(), "x".into())));
    }

    #[test]
    fn the_first_component_is_the_family() {
        assert_eq!(SysctlName::parse("net/core.x").unwrap().family(), "net");
        assert_eq!(SysctlName::parse("fs.mqueue.msg_max").unwrap().family(), "fs");
    }

    #[test]
    fn names_that_lead_out_of_proc_sys_are_refused() {
        for name in [
            "",
            ".",
            "/",
            "..",
            "net/../vm/x",
            "net.//.x",
            "net..x",
            "net/ipv4/",
            "/net/x",
            "net.a b",
            "net.ä",
        ] {
            assert_eq!(read(name), None, "{name}");
        }
    }
}
