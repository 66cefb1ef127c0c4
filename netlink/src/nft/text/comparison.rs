//! What a field is compared with, in nft's words.
use super::field::Field;
use super::registers::Loaded;
use crate::nft::uapi::expr;

/// Operator and value.
pub(super) fn compared(loaded: &Loaded, operation: u32, value: &[u8]) -> String {
    let operator = match operation {
        expr::CMP_EQ => "",
        expr::CMP_NEQ => "!= ",
        2 => "< ",
        3 => "<= ",
        4 => "> ",
        _ => ">= ",
    };
    let Field {
        kind, length, of, ..
    } = loaded.field;
    let zero = value.iter().all(|byte| *byte == 0);
    match &loaded.mask {
        // Any of the flags, or none of them.
        Some(mask) if zero && kind.flags(mask).is_some() => {
            let not = if operation == expr::CMP_EQ { "! " } else { "" };
            format!("{not}{}", kind.flags(mask).unwrap_or_default())
        }
        Some(mask) if kind.flags(mask).is_some() => format!(
            "{operator}{} / {}",
            kind.write(value),
            kind.flags(mask).unwrap_or_default()
        ),
        Some(mask) => {
            let (value, mask) = (padded(value, of), padded(mask, of));
            match kind.write_masked(&value, &mask) {
                Some(masked) => format!("{operator}{masked}"),
                None => format!(
                    "& {} {}{}",
                    kind.write(&mask),
                    if operator.is_empty() { "== " } else { operator },
                    kind.write(&value)
                ),
            }
        }
        // iptables loads no more of an address than the prefix is long.
        None if length < of => {
            format!(
                "{operator}{}/{}",
                kind.write(&padded(value, of)),
                value.len() * 8
            )
        }
        None => format!("{operator}{}", kind.write(value)),
    }
}

fn padded(value: &[u8], length: usize) -> Vec<u8> {
    let mut value = value.to_vec();
    value.resize(length.max(value.len()), 0);
    value
}
