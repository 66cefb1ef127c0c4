//! What people call pods and other ends of conversations.
use flatnet_model::PodRef;
use flatnet_model::observations::PodNames;
use flatnet_model::reference::Endpoint;

/// How pods are called.
#[derive(Clone, Debug)]
pub enum Names<'a> {
    /// By their name alone.
    Bare,
    /// `NAMESPACE/NAME`.
    Full,
    /// As short as the observed pods allow.
    Short(PodNames<'a>),
}

impl Names<'_> {
    pub(super) fn pod(&self, pod: &PodRef) -> String {
        match self {
            Names::Bare => pod.name.clone(),
            Names::Full => pod.to_string(),
            Names::Short(names) => names.pod(pod),
        }
    }

    pub(super) fn end(&self, end: &Endpoint) -> String {
        match end {
            Endpoint::Pod(pod) => self.pod(pod),
            Endpoint::Node(name) | Endpoint::Outside(name) => name.clone(),
        }
    }

    /// The end that calls itself so; any other text as it is.
    pub(super) fn own(&self, text: &str) -> String {
        match text.parse() {
            Ok(end) => self.end(&end),
            Err(_) => text.to_owned(),
        }
    }
}
