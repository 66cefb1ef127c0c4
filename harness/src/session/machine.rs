//! Whether this machine lets a run have what it needs: found before anything is started, because a run that is short of it hangs or
//! tells a broken network.
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::{Error, Result};

/// Descriptors of flatnet and of the lab, each: a lab of 250 nodes and 1,000 pods was seen with 5,763.
const DESCRIPTORS: u64 = 256;
const DESCRIPTORS_EACH: u64 = 8;
/// Address space of either, bytes: most of it is stacks of threads, reserved and not used.
const ADDRESS_SPACE: u64 = 2 << 30;
const ADDRESS_SPACE_EACH: u64 = 8 << 20;

/// What a limit of this process must allow.
struct Need {
    resource: Resource,
    what: &'static str,
    least: u64,
    raise: String,
}

/// Raises what may be raised, and checks the limits of this process, which the lab and its pods inherit, for a cluster of so many
/// nodes and pods together.
///
/// # Errors
/// [`Error::Missing`] names the limit that is too low, and how to raise it.
pub(super) fn suffices(ends: usize) -> Result<()> {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Up to the hard limit everybody may; what it cannot be raised to is refused below.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
    for need in needs(ends as u64) {
        let (now, _) = getrlimit(need.resource).map_err(|e| Error::failed("read limits", e))?;
        need.met_by(now, ends)?;
    }
    Ok(())
}

fn needs(ends: u64) -> [Need; 2] {
    let files = DESCRIPTORS + DESCRIPTORS_EACH * ends;
    let space = ADDRESS_SPACE + ADDRESS_SPACE_EACH * ends;
    [
        Need {
            resource: Resource::RLIMIT_NOFILE,
            what: "open files (RLIMIT_NOFILE)",
            least: files,
            raise: format!("ulimit -n {files}"),
        },
        Need {
            resource: Resource::RLIMIT_AS,
            what: "bytes of address space (RLIMIT_AS)",
            least: space,
            raise: "ulimit -v unlimited".to_owned(),
        },
    ]
}

impl Need {
    fn met_by(&self, now: u64, ends: usize) -> Result<()> {
        if now >= self.least {
            return Ok(());
        }
        Err(Error::Missing {
            what: format!(
                "this process may have {now} {}, and a cluster of {ends} nodes and pods needs {}",
                self.what, self.least
            ),
            remedy: format!(
                "raise the limit (`{}`), or run fewer nodes and pods",
                self.raise
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_low_is_named_with_what_raises_it() {
        let [files, space] = needs(15);
        assert!(files.met_by(376, 15).is_ok());
        let error = files.met_by(64, 15).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert_eq!(
            error.to_string(),
            "this process may have 64 open files (RLIMIT_NOFILE), and a cluster of 15 nodes and pods needs 376; \
             raise the limit (`ulimit -n 376`), or run fewer nodes and pods"
        );
        assert!(space.met_by(u64::MAX, 15).is_ok(), "unlimited");
        let error = space.met_by(200_000 << 10, 15).unwrap_err().to_string();
        assert!(
            error.contains("RLIMIT_AS") && error.contains("`ulimit -v unlimited`"),
            "{error}"
        );
    }
}
