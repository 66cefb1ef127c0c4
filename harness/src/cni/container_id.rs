//! Ids of containers in the names of what plugins and runtimes keep.

/// Digits of an id that are enough to know it by; containerd and CRI-O make 64 (lower-case hexadecimal).
const DIGITS: usize = 32;

/// Those in `text`: what is long enough, and of hexadecimal digits alone.
pub fn container_ids(text: &str) -> impl Iterator<Item = &str> {
    let runs = text.split(|c: char| !c.is_ascii_hexdigit());
    runs.filter(|run| run.len() >= DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_in_the_name_of_a_record() {
        let id = "0123456789abcdef".repeat(4);
        let name = format!("/var/lib/cni/results/cbr0-{id}-eth0");
        assert_eq!(container_ids(&name).collect::<Vec<_>>(), [&id]);
        assert_eq!(
            container_ids("10.244.0.2 last_reserved_ip.0 cafe").count(),
            0
        );
    }
}
