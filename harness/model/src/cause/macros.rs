//! The form in which causes are written down.

/// `NAME { PARAMETERS } "what is wrong", "known by" => "what fixes it", [checks];` for each cause, in the order of rank. Those
/// of a group are special cases of the cause that heads it, where one does, and are known by the checks that name them.
macro_rules! causes {
    ($([$($group:ident $group_summary:literal, $group_known:literal, $group_fix:literal)?] $within:tt {$(
        $name:ident { $($field:ident: $type:ty),* } $summary:literal $(, $known:literal)? => $fix:literal, [$($check:literal),*];
    )*})*) => {
        /// Which cause, without its parameters; special cases follow what they are special cases of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[expect(missing_docs, reason = "`Entry::summary` says it")]
        pub enum CauseId {
            $($($group,)? $($name,)*)*
        }

        /// A cause with its parameters.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "id", rename_all = "kebab-case")]
        #[expect(missing_docs, reason = "`Entry::summary` says it")]
        pub enum Cause {
            $($($name { $($field: $type),* },)*)*
        }

        impl Cause {
            /// The cause without its parameters.
            pub fn id(&self) -> CauseId {
                match self {
                    $($(Cause::$name { .. } => CauseId::$name,)*)*
                }
            }
        }

        /// Every cause, in the order of rank.
        pub const ALL: &[Entry] = &[
            $(
                $(Entry {
                    cause: CauseId::$group,
                    within: None,
                    summary: $group_summary,
                    known_by: $group_known,
                    fix: $group_fix,
                    checks: &[],
                },)?
                $(Entry {
                    cause: CauseId::$name,
                    within: causes!(@within $within),
                    summary: $summary,
                    known_by: concat!($($known)?),
                    fix: $fix,
                    checks: &[$($check),*],
                },)*
            )*
        ];
    };
    (@within ()) => { None };
    (@within ($group:ident)) => { Some(CauseId::$group) };
}
pub(super) use causes;
