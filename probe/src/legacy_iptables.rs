//! Rules of legacy iptables (x_tables), which only its own program lists.
use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use crate::programs;

/// Bytes of a listing that are read.
const MOST: u64 = 16 << 20;
/// How long one listing may take.
const LIMIT: Duration = Duration::from_secs(3);
/// Folders besides those of PATH, which a runtime may have left short.
const FOLDERS: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";

/// Family, file of /proc/net that names the tables, program.
const FAMILIES: [(&str, &str, &str); 2] = [
    ("ip", "ip_tables_names", "iptables-legacy-save"),
    ("ip6", "ip6_tables_names", "ip6tables-legacy-save"),
];

/// What the program prints, with counters, of each family that has tables in this namespace: `*TABLE`, `:CHAIN POLICY [packets:bytes]`,
/// `[packets:bytes] -A CHAIN …`. The error says why the tables that there are cannot be listed.
pub(crate) async fn listings() -> Result<Vec<(&'static str, String)>, String> {
    let mut listings = Vec::new();
    for (family, tables, program) in FAMILIES {
        let tables = fs::read_to_string(format!("/proc/thread-self/net/{tables}"));
        if tables.is_ok_and(|names| !names.trim().is_empty()) {
            let listing = list(program).await;
            listings.push((family, listing.map_err(|why| format!("{program}: {why}"))?));
        }
    }
    Ok(listings)
}

async fn list(program: &str) -> Result<String, String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(FOLDERS.split(':'));
    let found = folders
        .filter(|folder| folder.starts_with('/'))
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.is_file());
    let Some(found) = found else {
        return Err("not found, and there are rules that only it can list".to_owned());
    };
    let mut command = Command::new(found);
    let said = programs::run(command.arg("-c"), b"", MOST, LIMIT).await?;
    if !said.status.success() {
        let why = String::from_utf8_lossy(&said.err);
        return Err(format!("{}: {}", said.status, why.trim()));
    }
    Ok(String::from_utf8_lossy(&said.out).into_owned())
}
