//! Names that become part of paths or reach the kernel. Values of these types are validated: none can escape its directory.
use std::fmt;

use serde::{Serialize, Serializer};

/// Longest container id or network name, in bytes: both become part of a file name, which the kernel limits to 255 bytes
/// (NAME_MAX) and which also contains `owner@`, an interface name and separators.
const MAX_NAME: usize = 200;

/// Longest interface name, in bytes: IFNAMSIZ (16) minus the terminating NUL.
const MAX_IFNAME: usize = 15;

/// `^[a-zA-Z0-9][a-zA-Z0-9_.\-]*$`: what the CNI spec allows for container ids (section 2, Parameters) and network names
/// (section 1).
fn is_cni_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    text.len() <= MAX_NAME
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(allowed)
}

/// Directories of /proc/sys/net/ipv4/conf beside those of interfaces: the kernel refuses devices of these names
/// (sysctl_dev_name_is_allowed(), include/linux/inetdevice.h).
const RESERVED_IFNAMES: [&str; 2] = ["all", "default"];

/// What the kernel's dev_valid_name() (net/core/dev.c) accepts, except `%`, which would be expanded to a number, and what it reserves.
fn is_interface_name(text: &str) -> bool {
    let forbidden = |c: char| matches!(c, '/' | ':' | '%') || c.is_whitespace() || c.is_control();
    !text.is_empty()
        && text.len() <= MAX_IFNAME
        && text != "."
        && text != ".."
        && !RESERVED_IFNAMES.contains(&text)
        && !text.contains(forbidden)
}

macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $check:ident, $rule:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) struct $name(String);

        impl $name {
            /// The rule in words, for error messages: "… must …".
            pub(crate) const RULE: &str = $rule;

            /// The name, if it follows the rule.
            pub(crate) fn new(text: &str) -> Option<Self> {
                $check(text).then(|| Self(text.to_owned()))
            }

            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

checked_name!(
    /// CNI_CONTAINERID.
    ContainerId,
    is_cni_name,
    "must start with a letter or digit, continue with letters, digits, `_`, `.` and `-`, and have at most 200 bytes"
);
checked_name!(
    /// `name` of a network configuration.
    NetworkName,
    is_cni_name,
    "must start with a letter or digit, continue with letters, digits, `_`, `.` and `-`, and have at most 200 bytes"
);
checked_name!(
    /// A valid network interface name.
    IfName,
    is_interface_name,
    "must have 1 to 15 bytes, be none of `.`, `..`, `all` and `default`, and hold no `/`, `:`, `%`, white space or control character"
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn container_ids_follow_the_spec() {
        let long = "a".repeat(200);
        for good in [
            "a",
            "0",
            "cnitool-77383ca0b6",
            "A_b.c-d",
            "a..b",
            long.as_str(),
        ] {
            assert!(ContainerId::new(good).is_some(), "{good} is refused");
        }
        let too_long = "a".repeat(201);
        for bad in [
            "",
            ".",
            "..",
            "-a",
            "_a",
            "../x",
            "a/b",
            "a b",
            "a\n",
            "é",
            "a\0",
            "a@b",
            too_long.as_str(),
        ] {
            assert!(ContainerId::new(bad).is_none(), "{bad:?} is accepted");
        }
    }

    #[test]
    fn interface_names_are_those_the_kernel_takes() {
        for good in ["e", "eth0", "fifteen-bytes-x", "eth0.100", "a@b", "ünï"] {
            assert!(IfName::new(good).is_some(), "{good} is refused");
        }
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a:b",
            "a b",
            "a\tb",
            "a\u{a0}b",
            "sixteen-bytes-xx",
            "eth%d",
            "a\u{7f}",
            "all",
            "default",
        ] {
            assert!(IfName::new(bad).is_none(), "{bad:?} is accepted");
        }
    }

    proptest! {
        #[test]
        fn no_accepted_name_can_leave_its_directory(text in "\\PC{0,20}") {
            for name in [ContainerId::new(&text).map(|n| n.0), IfName::new(&text).map(|n| n.0)].into_iter().flatten() {
                let path = std::path::Path::new("/d").join(&name);
                prop_assert_eq!(path.parent(), Some(std::path::Path::new("/d")));
                prop_assert_eq!(path.file_name().and_then(|n| n.to_str()), Some(name.as_str()));
            }
        }
    }
}
