//! Versions of the CNI specification.
use std::fmt;
use std::str::FromStr;

/// A release of the specification (containernetworking/cni, SPEC.md), older before newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the name is the version")]
pub enum Version {
    V0_1_0,
    V0_2_0,
    V0_3_0,
    V0_3_1,
    V0_4_0,
    V1_0_0,
    V1_1_0,
}

/// Not a release of the CNI specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a version of the CNI specification")]
pub struct UnknownVersion;

impl Version {
    /// Every release, oldest first.
    pub const ALL: [Version; 7] = [
        Version::V0_1_0,
        Version::V0_2_0,
        Version::V0_3_0,
        Version::V0_3_1,
        Version::V0_4_0,
        Version::V1_0_0,
        Version::V1_1_0,
    ];

    /// Those that flatnet's own plugin and runtime speak, oldest first. 0.1.0 and 0.2.0 have another result format, which
    /// plugins of today no longer need.
    pub const SPOKEN: [Version; 5] = [
        Version::V0_3_0,
        Version::V0_3_1,
        Version::V0_4_0,
        Version::V1_0_0,
        Version::V1_1_0,
    ];

    /// The latest release.
    pub const NEWEST: Version = Version::V1_1_0;

    /// Whether flatnet's own plugin and runtime speak it.
    pub fn is_spoken(self) -> bool {
        Version::SPOKEN.contains(&self)
    }

    /// [`Version::SPOKEN`], for messages.
    pub fn spoken() -> String {
        Version::SPOKEN.map(Version::as_str).join(", ")
    }

    /// CHECK, and `prevResult` for DEL, came with 0.4.0.
    pub fn has_check(self) -> bool {
        self >= Version::V0_4_0
    }

    /// GC and STATUS came with 1.1.0.
    pub fn has_gc(self) -> bool {
        self >= Version::V1_1_0
    }

    /// As `cniVersion` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Version::V0_1_0 => "0.1.0",
            Version::V0_2_0 => "0.2.0",
            Version::V0_3_0 => "0.3.0",
            Version::V0_3_1 => "0.3.1",
            Version::V0_4_0 => "0.4.0",
            Version::V1_0_0 => "1.0.0",
            Version::V1_1_0 => "1.1.0",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Version {
    type Err = UnknownVersion;
    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        Version::ALL
            .into_iter()
            .find(|version| version.as_str() == text)
            .ok_or(UnknownVersion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_they_are_written_and_ordered_by_age() {
        for version in Version::ALL {
            assert_eq!(version.to_string().parse(), Ok(version));
        }
        assert_eq!("1.0".parse::<Version>(), Err(UnknownVersion));
        assert!(Version::ALL.is_sorted() && Version::SPOKEN.is_sorted());
        assert!(!Version::V0_3_1.has_check() && Version::V0_4_0.has_check());
        assert!(!Version::V1_0_0.has_gc() && Version::NEWEST.has_gc());
        assert!(!Version::V0_2_0.is_spoken() && Version::V0_3_0.is_spoken());
    }
}
