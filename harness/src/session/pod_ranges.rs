//! Ranges for pods that no cluster can have.
use flatnet_model::reserved;
use ipnet::IpNet;

use crate::{Error, Result};

/// # Errors
/// [`Error::Input`] for the first range that shares addresses with one that is for something else.
pub(super) fn check(ranges: &[IpNet]) -> Result<()> {
    for range in ranges {
        if let Some((other, purpose)) = reserved::overlapping(range) {
            return Err(Error::Input(format!(
                "--pod-cidr {range}: overlaps {other}, which is {purpose}; choose another range, such as 10.244.0.0/16 or fd00:10:244::/48"
            )));
        }
    }
    Ok(())
}
