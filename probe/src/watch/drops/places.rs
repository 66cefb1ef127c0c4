//! Functions of the kernel by addresses in them (/proc/kallsyms).
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};

/// The function that each address is in; an address that the kernel does not tell is written as it is.
pub(super) fn names(addresses: impl Iterator<Item = u64>) -> BTreeMap<u64, String> {
    let addresses: BTreeSet<u64> = addresses.collect();
    if addresses.is_empty() {
        return BTreeMap::new();
    }
    match File::open("/proc/kallsyms") {
        Ok(file) => find(&addresses, BufReader::new(file)),
        Err(_) => find(&addresses, &b""[..]),
    }
}

/// Lines of `ffffffff81b3a0d0 t ip_rcv_core` or `… [module]`, in no order.
fn find(addresses: &BTreeSet<u64>, mut symbols: impl BufRead) -> BTreeMap<u64, String> {
    let mut nearest: BTreeMap<u64, (u64, String)> = BTreeMap::new();
    let mut line = String::new();
    while symbols.read_line(&mut line).is_ok_and(|read| read > 0) {
        if let Some((start, name)) = function(&line) {
            for address in addresses.iter().filter(|address| start <= **address) {
                let known = nearest.get(address).map_or(0, |(start, _)| *start);
                if start > known {
                    nearest.insert(*address, (start, name.to_owned()));
                }
            }
        }
        line.clear();
    }
    let named = addresses.iter().map(|address| {
        let name = nearest.remove(address).map(|(_, name)| name);
        (*address, name.unwrap_or_else(|| format!("{address:#x}")))
    });
    named.collect()
}

/// Start and name of a function; where addresses are hidden from this user, all of them are 0.
fn function(line: &str) -> Option<(u64, &str)> {
    let mut words = line.split_whitespace();
    let start = u64::from_str_radix(words.next()?, 16).ok()?;
    let kind = words.next()?;
    (start > 0 && matches!(kind, "t" | "T" | "w" | "W")).then_some((start, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_the_function_that_begins_before_it() {
        let symbols = "0000000000001000 T ip_rcv\n0000000000003000 t ip_forward\n0000000000001800 d some_data\n\
            0000000000002000 t ip_rcv_core\t[module]\n";
        let names = find(&[0x1900, 0x2000, 0x2fff, 0x10].into(), symbols.as_bytes());
        let names: Vec<_> = names.values().map(String::as_str).collect();
        assert_eq!(names, ["0x10", "ip_rcv", "ip_rcv_core", "ip_rcv_core"]);
        assert_eq!(
            find(&[7].into(), &b"0000000000000000 T ip_rcv\n"[..])[&7],
            "0x7"
        );
    }
}
