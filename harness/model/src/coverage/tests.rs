//! What each covering promises, over clusters of every shape.
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// A cluster by its nodes: pods with a network of their own, and hostNetwork pods.
fn cluster(nodes: &[(usize, usize)]) -> Vec<End> {
    let pod = |node: usize, on_host| End {
        endpoint: Endpoint::Pod(crate::PodRef::new("default", "pod")),
        node,
        on_host,
    };
    let pods = nodes.iter().enumerate().flat_map(|(node, (own, host))| {
        let own = std::iter::repeat_n(pod(node, false), *own);
        own.chain(std::iter::repeat_n(pod(node, true), *host))
    });
    let nodes = (0..nodes.len()).map(|node| End {
        endpoint: Endpoint::Node(node.to_string()),
        node,
        on_host: true,
    });
    pods.chain(nodes).collect()
}

fn clusters() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0_usize..9, 0_usize..3), 1..14)
}

fn dialled(rows: &[Vec<usize>]) -> impl Iterator<Item = (usize, usize)> + '_ {
    let rows = rows.iter().enumerate();
    rows.flat_map(|(from, row)| row.iter().map(move |to| (from, *to)))
}

/// In the pod network, or two nodes.
fn is_pair(from: &End, to: &End) -> bool {
    let is_node = |end: &End| matches!(end.endpoint, Endpoint::Node(_));
    let nodes = is_node(from) && is_node(to) && from.node != to.node;
    !from.on_host || !to.on_host || nodes
}

fn check_pairs(ends: &[End], rows: &[Vec<usize>]) -> Result<(), TestCaseError> {
    prop_assert_eq!(rows.len(), ends.len());
    for row in rows {
        prop_assert!(row.is_sorted_by(|a, b| a < b), "each peer once: {row:?}");
    }
    for (from, to) in dialled(rows) {
        prop_assert!(is_pair(&ends[from], &ends[to]), "{from} → {to} is no pair");
    }
    for (place, end) in ends.iter().enumerate() {
        prop_assert_eq!(
            !end.on_host,
            rows[place].contains(&place),
            "hairpin of {}",
            place
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn full_is_every_pair(nodes in clusters()) {
        let ends = cluster(&nodes);
        let rows = pairs(&ends, Covering::Full);
        check_pairs(&ends, &rows)?;
        prop_assert_eq!(dialled(&rows).count(), count(&ends));
    }

    #[test]
    fn nodes_covers_every_ordered_pair_of_nodes_and_every_end_both_ways(nodes in clusters(), seed: u64) {
        let ends = cluster(&nodes);
        let rows = pairs(&ends, Covering::Nodes { seed });
        check_pairs(&ends, &rows)?;
        let others: Vec<(usize, usize)> = dialled(&rows).filter(|(from, to)| from != to).collect();
        let between: BTreeSet<(usize, usize)> = others
            .iter()
            .filter(|(from, to)| !ends[*from].on_host && !ends[*to].on_host)
            .map(|(from, to)| (ends[*from].node, ends[*to].node))
            .collect();
        for (a, (a_pods, _)) in nodes.iter().enumerate() {
            for (b, (b_pods, _)) in nodes.iter().enumerate() {
                let has_pair = *a_pods > 0 && *b_pods > 0 && (a != b || *a_pods > 1);
                prop_assert_eq!(between.contains(&(a, b)), has_pair, "{} → {}", a, b);
            }
        }
        for (place, end) in ends.iter().enumerate() {
            // A peer of the other kind, or another of its own where that has a network.
            let peers = ends.iter().enumerate().filter(|(other, peer)| *other != place && is_pair(end, peer));
            if peers.count() > 0 {
                prop_assert!(others.iter().any(|(from, _)| *from == place), "{place} dials nobody: {nodes:?}");
                prop_assert!(others.iter().any(|(_, to)| *to == place), "{place} is not dialled: {nodes:?}");
            }
        }
    }

    #[test]
    fn nodes_is_bounded_per_end(nodes in 1_usize..40, pods in 1_usize..9, hosts in 0_usize..3, seed: u64) {
        let ends = cluster(&vec![(pods, hosts); nodes]);
        let rows = pairs(&ends, Covering::Nodes { seed });
        // Other nodes shared among a node's pods; itself; four pods and a node or two on its own node; what nodes dial.
        let most = (nodes - 1).max(pods).div_ceil(pods) + 1 + 4 + (hosts + 1).div_ceil(pods) + 4 * (hosts + 1);
        for (place, row) in rows.iter().enumerate().filter(|(place, _)| !ends[*place].on_host) {
            prop_assert!(row.len() <= most + 4 * (hosts + 1), "{place} dials {} of at most {most}", row.len());
        }
        for (place, row) in rows.iter().enumerate().filter(|(place, _)| ends[*place].on_host) {
            prop_assert!(row.len() <= 4 + 4 + pods.div_ceil(hosts + 1), "{place} dials {}", row.len());
        }
    }

    #[test]
    fn a_sample_has_the_wanted_size(nodes in clusters(), seed: u64, wanted in 1_usize..300) {
        let ends = cluster(&nodes);
        let covering = Covering::Sampled { seed, pairs: wanted };
        let rows = pairs(&ends, covering);
        check_pairs(&ends, &rows)?;
        let hairpins: usize = nodes.iter().map(|(pods, _)| pods).sum();
        prop_assert_eq!(dialled(&rows).count() - hairpins, wanted.min(count(&ends) - hairpins));
        prop_assert_eq!(rows, pairs(&ends, covering));
    }

    #[test]
    fn failed_pairs_are_widened_to_all_of_their_nodes(nodes in clusters(), seed: u64, pick: prop::sample::Index) {
        let ends = cluster(&nodes);
        let rows = pairs(&ends, Covering::Nodes { seed });
        let all: Vec<(usize, usize)> = dialled(&rows).filter(|(from, to)| from != to).collect();
        prop_assume!(!all.is_empty());
        let (from, to) = all[pick.index(all.len())];
        let more = widened(&ends, &rows, &[(from, to)], 10_000);
        let (a, b) = (ends[from].node, ends[to].node);
        let both: BTreeSet<(usize, usize)> = dialled(&rows).chain(dialled(&more)).collect();
        prop_assert_eq!(both.len(), dialled(&rows).count() + dialled(&more).count(), "no pair twice");
        for (x, client) in ends.iter().enumerate() {
            for (y, server) in ends.iter().enumerate() {
                let of_those = [(a, b), (b, a)].contains(&(client.node, server.node));
                if of_those && x != y && is_pair(client, server) {
                    prop_assert!(both.contains(&(x, y)), "{x} → {y}");
                }
            }
        }
        prop_assert!(dialled(&more).all(|(x, y)| [(a, b), (b, a)].contains(&(ends[x].node, ends[y].node))));
        let few = widened(&ends, &rows, &all, 7);
        prop_assert!(dialled(&few).count() <= 7);
    }
}

#[test]
fn a_thousand_pods_on_250_nodes() {
    let ends = cluster(&[(3, 1); 250]);
    assert_eq!(count(&ends), 750 * 750 + 2 * 750 * 500 + 250 * 249);
    let rows = pairs(&ends, Covering::Nodes { seed: 1 });
    // 250 × 249 between nodes; itself, two pods and one host end on its own node, hosts to pods there and far.
    let all = dialled(&rows).count();
    assert!((62_250..75_000).contains(&all), "{all}");
    assert!(rows.iter().all(|row| row.len() < 110));
}

#[test]
fn another_seed_pairs_other_pods() {
    let ends = cluster(&[(3, 1); 20]);
    let rows = |seed| pairs(&ends, Covering::Nodes { seed });
    assert_eq!(rows(1), rows(1));
    assert_ne!(rows(1), rows(2));
}

#[test]
fn words_are_read_and_what_is_none_is_refused() {
    for (text, coverage) in [
        ("auto", Coverage::Auto),
        ("full", Coverage::Full),
        ("nodes", Coverage::Nodes),
        ("sampled", Coverage::Sampled(None)),
        ("sampled=7", Coverage::Sampled(NonZeroUsize::new(7))),
    ] {
        assert_eq!(text.parse(), Ok(coverage));
    }
    for text in ["", "all", "sampled=", "sampled=0", "sampled=-1", "nodes=3"] {
        assert!(text.parse::<Coverage>().is_err(), "{text}");
    }
    assert_eq!(Coverage::Auto.decide(FULL_UP_TO, 5), Covering::Full);
    assert_eq!(
        Coverage::Auto.decide(FULL_UP_TO + 1, 5),
        Covering::Nodes { seed: 5 }
    );
}
