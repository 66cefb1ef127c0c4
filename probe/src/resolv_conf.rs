//! resolv.conf(5): nameservers and search list.
use std::fs;
use std::io::Read;

use crate::ResolvConf;
use crate::error::{Error, Result};

/// Longer files are cut: no resolver reads so many lines.
const MOST: u64 = 64 * 1024;

/// Reads the file at `path`. Lines that are not understood are passed over, as every resolver does.
pub(crate) fn read(path: &str) -> Result<ResolvConf> {
    let failed = |error| Error::system(format!("read {path}"), error);
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(MOST).read_to_end(&mut bytes).map_err(failed)?;
    Ok(parse(&String::from_utf8_lossy(&bytes)))
}

fn parse(text: &str) -> ResolvConf {
    let mut conf = ResolvConf::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            // A zone (`fe80::1%eth0`) is meaningless on another machine.
            Some("nameserver") => conf.nameservers.extend(
                words
                    .next()
                    .and_then(|word| word.parse::<std::net::IpAddr>().ok()),
            ),
            Some("search" | "domain") => conf.search = words.map(str::to_owned).collect(),
            _ => {}
        }
    }
    conf
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_file_is_understood() {
        let conf = parse(
            "search ns.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\nnameserver fd00::a\noptions ndots:5\n",
        );
        assert_eq!(
            conf.nameservers,
            [
                "10.96.0.10".parse::<std::net::IpAddr>().unwrap(),
                "fd00::a".parse().unwrap()
            ]
        );
        assert_eq!(
            conf.search,
            ["ns.svc.cluster.local", "svc.cluster.local", "cluster.local"]
        );
    }

    #[test]
    fn the_last_search_line_counts_and_nonsense_does_not() {
        let conf = parse("# nameserver 1.1.1.1\nnameserver nonsense\nsearch a b\ndomain c\n;x\n");
        assert!(conf.nameservers.is_empty());
        assert_eq!(conf.search, ["c"]);
    }
}
