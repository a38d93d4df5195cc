//! `resolvConf`: DNS settings for the container, read from a file in the format of resolv.conf(5).

use crate::dns::Dns;
use crate::error::{Error, Result};

/// Reads the file.
pub(super) fn read(path: &str) -> Result<Dns> {
    let text = std::fs::read(path)
        .map_err(|why| Error::io(format!("read {path}"), &why).about("ipam.resolvConf"))?;
    // A comment may have any encoding.
    Ok(parse(&String::from_utf8_lossy(&text)))
}

fn parse(text: &str) -> Dns {
    let mut dns = Dns::default();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        let mut words = line.split_whitespace().map(str::to_owned);
        match (words.next().as_deref(), words) {
            (Some("nameserver"), words) => dns.nameservers.extend(words.take(1)),
            (Some("domain"), mut words) => dns.domain = words.next().unwrap_or_default(),
            (Some("search"), words) => dns.search.extend(words),
            (Some("options"), words) => dns.options.extend(words),
            _ => {}
        }
    }
    dns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_keywords_are_read_and_comments_are_skipped() {
        let dns = parse(
            "# no\n;no\nnameserver 1.1.1.1\nnameserver ::1 x\ndomain a.b\nsearch c d\noptions ndots:2 e\n\nsortlist z\n",
        );
        assert_eq!(dns.nameservers, ["1.1.1.1", "::1"]);
        assert_eq!(dns.domain, "a.b");
        assert_eq!(dns.search, ["c", "d"]);
        assert_eq!(dns.options, ["ndots:2", "e"]);
    }
}
