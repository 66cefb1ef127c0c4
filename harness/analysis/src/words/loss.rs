//! Where packets get lost, as far as requests and answers that were counted at both ends tell.
use flatnet_model::cause::Loss;

/// What keeps them is concluded.
pub(super) fn lost(loss: &Loss, at: &str) -> String {
    match loss {
        Loss::Unrecorded => format!("a packet filter or a missing route {at} loses the packets"),
        Loss::OnTheWayIn { node } => format!(
            "a packet filter on {node} loses what is sent to its pods, while what they send arrives"
        ),
        Loss::BothWays { node } => format!(
            "{node} does not forward for its pods: a packet filter (FORWARD policy) or a cut link"
        ),
        Loss::OnTheWayTo { node } => format!(
            "a packet filter on {node}, or a missing route to its pods, loses what is sent to them"
        ),
        Loss::Answers => format!(
            "a packet filter, or a missing route back, {at} loses the answers, while requests arrive"
        ),
        Loss::Requests => format!(
            "a packet filter (FORWARD policy), a missing route or a cut link {at} loses the packets"
        ),
        Loss::OneDirection => format!(
            "a missing route or a packet filter {at} loses the packets of one direction, while those of the other arrive"
        ),
        Loss::Partly => format!(
            "a packet filter, a missing route or a bad link {at} loses some packets, while others arrive"
        ),
    }
}
