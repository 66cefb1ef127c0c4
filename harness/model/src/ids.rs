//! Identifiers of the entries of catalogues.

/// `kebab-case` of a variant's name: the form that serde gives it.
pub(crate) fn kebab_case(variant: &str) -> String {
    let mut id = String::new();
    for letter in variant.chars() {
        if letter.is_ascii_uppercase() && !id.is_empty() {
            id.push('-');
        }
        id.push(letter.to_ascii_lowercase());
    }
    id
}
