//! Which checks have to be judged: a skip of one of them fails the run.
use flatnet_model::nearest::nearest;
use flatnet_model::required::by_default;
use flatnet_model::verdict::Verdict;

use super::Check;
use super::catalogue::{UnknownCheck, find};

/// What `--require` takes for every check that is judged.
pub const ALL: &str = "all";

/// Checks that a run has to judge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Required {
    /// Those of the provider ([`by_default`]), except where the question does not arise on the cluster that was looked at.
    #[default]
    OfProvider,
    /// Every check of the run, whatever the reason of a skip.
    All,
    /// These, by id, whatever the reason of a skip.
    Named(Vec<&'static str>),
}

impl Required {
    /// From the words of `--require`; none are the provider's default.
    ///
    /// # Errors
    /// [`UnknownCheck`] names the word that is neither a check nor [`ALL`].
    pub fn parse(words: &[String]) -> Result<Self, UnknownCheck> {
        let ids = words.iter().filter(|word| *word != ALL);
        let or_all = |word: &str, e: UnknownCheck| UnknownCheck {
            nearest: e.nearest.or_else(|| nearest(word, &[ALL])),
            ..e
        };
        let ids = ids.map(|word| match find(word) {
            Ok(check) => Ok(check.id),
            Err(e) => Err(or_all(word, e)),
        });
        let ids: Result<Vec<&str>, _> = ids.collect();
        match (ids?, words) {
            (_, []) => Ok(Required::OfProvider),
            (_, words) if words.iter().any(|word| word == ALL) => Ok(Required::All),
            (ids, _) => Ok(Required::Named(ids)),
        }
    }

    /// The ids that were named and are not among the checks of the run.
    pub fn beyond(&self, judged: &[&Check]) -> Vec<&'static str> {
        let Required::Named(ids) = self else {
            return Vec::new();
        };
        let absent = |id: &&&str| !judged.iter().any(|check| check.id == **id);
        ids.iter().filter(absent).copied().collect()
    }

    /// Whether a run on `provider` must judge that check, of which this became.
    pub fn demands<E>(&self, check: &str, provider: &str, verdict: &Verdict<E>) -> bool {
        match self {
            Required::OfProvider => {
                let arises =
                    !matches!(verdict, Verdict::Skip { reason } if reason.is_inapplicable());
                arises && by_default(provider).contains(&check)
            }
            Required::All => true,
            Required::Named(ids) => ids.contains(&check),
        }
    }
}

/// The providers on which a check is required by default, for the catalogue.
pub fn required_on(check: &Check) -> Vec<&'static str> {
    let providers = ["lab", "kind", "kubeconfig"].into_iter();
    providers
        .filter(|provider| by_default(provider).contains(&check.id))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::checks::all;
    use flatnet_model::evidence::Evidence;
    use flatnet_model::skip::SkipReason;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn every_default_is_a_check() {
        for provider in ["lab", "kind", "kubeconfig"] {
            assert!(!by_default(provider).is_empty());
            for id in by_default(provider) {
                find(id).unwrap();
            }
        }
        assert!(all().iter().any(|check| required_on(check).is_empty()));
    }

    #[test]
    fn words_are_checks_or_all() {
        assert_eq!(Required::parse(&[]).unwrap(), Required::OfProvider);
        assert_eq!(Required::parse(&words("mtu all")).unwrap(), Required::All);
        let named = Required::parse(&words("no-nat mtu")).unwrap();
        assert_eq!(named, Required::Named(vec!["no-nat", "mtu"]));

        let error = Required::parse(&words("all nodeprt")).unwrap_err();

        assert_eq!(
            (error.asked.as_str(), error.nearest),
            ("nodeprt", Some("nodeport"))
        );
        let error = Required::parse(&words("al")).unwrap_err();
        assert_eq!(error.nearest, Some("all"));
        let only = [find("mtu").unwrap()];
        assert_eq!(named.beyond(&only), ["no-nat"]);
        assert_eq!(Required::All.beyond(&only), [""; 0]);
    }

    #[test]
    fn by_default_a_question_that_does_not_arise_may_be_skipped_and_one_that_was_not_asked_may_not()
    {
        let skipped = |reason: SkipReason| Verdict::<Evidence>::Skip { reason };
        let absent = skipped(SkipReason::NotAvailable {
            why: "flatnet-outside is not installed".to_owned(),
        });
        let one_node = skipped(SkipReason::OneNode);
        let by_provider = Required::OfProvider;
        assert!(by_provider.demands("nodeport", "kind", &absent));
        assert!(!by_provider.demands("nodeport", "lab", &absent));
        assert!(!by_provider.demands("cross-node", "lab", &one_node));

        let named = Required::Named(vec!["cross-node"]);
        assert!(named.demands("cross-node", "lab", &one_node));
        assert!(!named.demands("nodeport", "kind", &absent));
        assert!(Required::All.demands("bridge", "lab", &skipped(SkipReason::NoBridge)));
    }
}
