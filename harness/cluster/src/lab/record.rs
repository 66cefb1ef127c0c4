//! What a lab was booted with, in a label of the lab: it outlives the process that booted it.
use flatnet_lab::LabSpec;
use flatnet_model::booted::Booted;

const LABEL: &str = "booted";

/// The label, JSON: paths may hold any character.
///
/// # Errors
/// None in practice: text is always JSON.
pub fn label(booted: &Booted) -> serde_json::Result<(String, String)> {
    Ok((LABEL.to_owned(), serde_json::to_string(booted)?))
}

/// What the label says; nothing where another program made the lab.
pub(super) fn booted(spec: &LabSpec) -> Option<Booted> {
    serde_json::from_str(spec.labels.get(LABEL)?).ok()
}
