//! Rules of packet filters: how one is taken away.
use flatnet_model::follow::RuleRef;

/// The rule is deleted, or the policy that drops is one that accepts.
pub(super) fn removed(rule: &RuleRef) -> Option<Vec<String>> {
    let RuleRef {
        family,
        table,
        chain,
        handle,
        text,
    } = rule;
    if chain.is_empty() {
        return removed_legacy(rule);
    }
    let handle = handle.map(|handle| handle.to_string());
    let policy = format!("chain {family} {table} {chain} {{ policy accept ; }}");
    let argv = match &handle {
        Some(handle) => vec![
            "nft", "delete", "rule", family, table, chain, "handle", handle,
        ],
        None if text.as_deref() == Some("policy drop") => vec!["nft", &policy],
        None => return None,
    };
    Some(argv.into_iter().map(str::to_owned).collect())
}

/// A rule of legacy iptables is named by its own words. Those with quotes or escapes are not taken apart.
fn removed_legacy(rule: &RuleRef) -> Option<Vec<String>> {
    let text = rule.text.as_deref()?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let change = match words[..] {
        ["-P", chain, "DROP"] => vec!["-P", chain, "ACCEPT"],
        ["-A", ref rest @ ..] if !text.contains(['"', '\'', '\\']) => [&["-D"], rest].concat(),
        _ => return None,
    };
    let program = match rule.family.as_str() {
        "ip" => "iptables-legacy",
        "ip6" => "ip6tables-legacy",
        _ => return None,
    };
    let argv = [program, "-w", "-t", &rule.table].into_iter().chain(change);
    Some(argv.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn legacy(text: &str) -> Option<String> {
        let rule = RuleRef {
            family: "ip6".to_owned(),
            table: "mangle".to_owned(),
            chain: String::new(),
            handle: None,
            text: Some(text.to_owned()),
        };
        removed(&rule).map(|argv| argv.join(" "))
    }

    #[test]
    fn rules_of_legacy_iptables_are_deleted_by_their_words() {
        assert_eq!(
            legacy("-A FORWARD -i eth0 -p udp -j DROP").as_deref(),
            Some("ip6tables-legacy -w -t mangle -D FORWARD -i eth0 -p udp -j DROP")
        );
        assert_eq!(
            legacy("-P OUTPUT DROP").as_deref(),
            Some("ip6tables-legacy -w -t mangle -P OUTPUT ACCEPT")
        );
        assert_eq!(
            legacy("-A FORWARD -m comment --comment \"a b\" -j DROP"),
            None
        );
    }
}
