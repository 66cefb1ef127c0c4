//! Reserves the next free address of every range set.
use std::collections::HashSet;
use std::net::IpAddr;

use super::range::RangeSet;
use super::{Assigned, Held, Pools, Store};
use crate::error::{Error, Result};
use crate::owner::Owner;

/// How many taken addresses to check one by one before listing the directory instead.
const PROBES: u32 = 8;

/// A pod's newly reserved addresses, one per range set, and their locked record.
#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) held: Held,
    pub(crate) assigned: Vec<Assigned>,
}

/// Reserves one address from each set for `owner`; [`Error::Busy`] if it has a record already.
///
/// The search starts after the address assigned last, so that an address is not reused immediately, and checks only file
/// names, so that its cost does not depend on the number of pods until a range is nearly full.
///
/// A store from which some set has assigned nothing yet may have been lost, or be that of a network with another name before: then `living`
/// says which addresses something on this node has, and those are reserved first.
pub(crate) fn allocate(
    store: &Store,
    owner: &Owner,
    pools: &Pools,
    living: impl FnOnce() -> Result<HashSet<IpAddr>>,
) -> Result<Allocation> {
    let sets = pools.sets();
    let hints: Vec<Option<IpAddr>> = (0..sets.len()).map(|set| store.hint(set)).collect();
    if hints.contains(&None) {
        store.adopt(pools, &living()?)?;
    }
    let mut searches = Vec::with_capacity(sets.len());
    let mut picks = Vec::with_capacity(sets.len());
    for (set, hint) in sets.iter().zip(hints) {
        let mut search = Search::new(store, set, hint);
        picks.push(search.next()?);
        searches.push(search);
    }
    let mut held = store.claim(owner, &addresses(&picks))?;
    match take(store, &mut held, &mut picks, &mut searches) {
        Ok(()) => Ok(Allocation {
            held,
            assigned: picks,
        }),
        Err(error) => {
            // Report the first error; what cannot be released stays on record for DEL and GC.
            let _ = store.release(held);
            Err(error)
        }
    }
}

fn take(
    store: &Store,
    held: &mut Held,
    picks: &mut [Assigned],
    searches: &mut [Search<'_>],
) -> Result<()> {
    for index in 0..picks.len() {
        while !store.take(held, picks[index].address)? {
            // Another process took it first: choose the next address, and record it before taking it.
            picks[index] = searches[index].next()?;
            store.amend(held, &addresses(picks))?;
        }
    }
    picks
        .iter()
        .enumerate()
        .try_for_each(|(index, pick)| store.set_hint(index, pick.address))
}

fn addresses(picks: &[Assigned]) -> Vec<IpAddr> {
    picks.iter().map(|pick| pick.address).collect()
}

/// The error for a set whose addresses are all in `taken`.
pub(crate) fn exhausted(set: &RangeSet, taken: &HashSet<IpAddr>) -> Error {
    let reserved = taken
        .iter()
        .filter(|address| set.contains(**address))
        .count();
    Error::Exhausted {
        ranges: set.describe(),
        reserved,
    }
}

/// Iterates over the addresses of a set that appear to be free.
struct Search<'a> {
    store: &'a Store,
    set: &'a RangeSet,
    candidates: Box<dyn Iterator<Item = Assigned> + 'a>,
    probes: u32,
    taken: Option<HashSet<IpAddr>>,
}

impl<'a> Search<'a> {
    fn new(store: &'a Store, set: &'a RangeSet, after: Option<IpAddr>) -> Self {
        Search {
            store,
            set,
            candidates: Box::new(set.candidates(after)),
            probes: 0,
            taken: None,
        }
    }

    fn next(&mut self) -> Result<Assigned> {
        for candidate in self.candidates.by_ref() {
            let taken = match &self.taken {
                Some(taken) => taken.contains(&candidate.address),
                None => self.store.is_taken(candidate.address)?,
            };
            if !taken {
                return Ok(candidate);
            }
            self.probes += 1;
            if self.probes == PROBES {
                self.taken = Some(self.store.taken()?);
            }
        }
        let taken = self.taken.take().map_or_else(|| self.store.taken(), Ok)?;
        Err(exhausted(self.set, &taken))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::thread;

    use proptest::prelude::*;

    use super::*;
    use crate::ipam::{Wait, allocate_alone};
    use crate::validate::{ContainerId, IfName, NetworkName};

    fn owner(id: impl std::fmt::Display) -> Owner {
        Owner {
            container: ContainerId::new(&format!("c{id}")).unwrap(),
            ifname: IfName::new("eth0").unwrap(),
        }
    }

    fn pools(json: &str) -> Pools {
        Pools::new(serde_json::from_str(json).unwrap()).unwrap()
    }

    fn store(dir: &tempfile::TempDir) -> Store {
        Store::open(dir.path(), &NetworkName::new("net").unwrap()).unwrap()
    }

    fn text(allocation: &Allocation) -> Vec<String> {
        allocation
            .assigned
            .iter()
            .map(|one| one.address.to_string())
            .collect()
    }

    fn sorted(store: &Store) -> BTreeSet<IpAddr> {
        store.taken().unwrap().into_iter().collect()
    }

    fn release(store: &Store, owner: &Owner) {
        // Child processes of concurrent tests may hold an inherited lock for a moment.
        let held = store.record(owner, Wait::Forever).unwrap().unwrap();
        store.release(held).unwrap();
    }

    #[test]
    fn one_address_comes_out_of_each_set_and_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let (store, pools) = (
            store(&dir),
            pools(r#"[[{"subnet":"10.1.0.0/24"}],[{"subnet":"fd00::/64"}]]"#),
        );
        assert_eq!(
            text(&allocate_alone(&store, &owner(1), &pools).unwrap()),
            ["10.1.0.2", "fd00::2"]
        );
        assert_eq!(
            text(&allocate_alone(&store, &owner(2), &pools).unwrap()),
            ["10.1.0.3", "fd00::3"]
        );
        assert_eq!(store.owners().unwrap().len(), 2);
        release(&store, &owner(1));
        assert_eq!(store.owner_of("10.1.0.2".parse().unwrap()).unwrap(), None);
        assert_eq!(
            store.owner_of("fd00::3".parse().unwrap()).unwrap(),
            Some(owner(2))
        );
        // The freed address is not reused before the search wraps around.
        assert_eq!(
            text(&allocate_alone(&store, &owner(3), &pools).unwrap()),
            ["10.1.0.4", "fd00::4"]
        );
        let content = std::fs::read_to_string(dir.path().join("net/10.1.0.4")).unwrap();
        assert_eq!(
            content,
            r#"{"containerID":"c3","ifname":"eth0","addresses":["10.1.0.4","fd00::4"]}"#
        );
    }

    #[test]
    fn a_full_range_says_so_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let (store, pools) = (
            store(&dir),
            pools(r#"[[{"subnet":"fd00::/64"}],[{"subnet":"10.1.0.0/28"}]]"#),
        );
        for id in 0..13 {
            allocate_alone(&store, &owner(id), &pools).unwrap();
        }
        let error = allocate_alone(&store, &owner("late"), &pools).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no free addresses in 10.1.0.0/28 (13 reserved)"
        );
        assert_eq!(error.code(), 100);
        assert_eq!(store.owners().unwrap().len(), 13);
        assert_eq!(store.taken().unwrap().len(), 26);
        release(&store, &owner(4));
        assert_eq!(
            text(&allocate_alone(&store, &owner("late"), &pools).unwrap())[1],
            "10.1.0.6"
        );
    }

    #[test]
    fn an_owner_gets_only_one_allocation() {
        let dir = tempfile::tempdir().unwrap();
        let (store, pools) = (store(&dir), pools(r#"[[{"subnet":"10.1.0.0/24"}]]"#));
        let first = allocate_alone(&store, &owner(1), &pools).unwrap();
        assert_eq!(
            allocate_alone(&store, &owner(1), &pools)
                .unwrap_err()
                .code(),
            11
        );
        assert_eq!(store.record(&owner(1), Wait::No).unwrap_err().code(), 11);
        assert_eq!(store.taken().unwrap().len(), 1);
        drop(first);
        assert!(store.record(&owner(1), Wait::Forever).unwrap().is_some());
    }

    #[test]
    fn a_record_never_frees_what_another_owner_has() {
        let dir = tempfile::tempdir().unwrap();
        let (store, pools) = (store(&dir), pools(r#"[[{"subnet":"10.1.0.0/24"}]]"#));
        let taken = allocate_alone(&store, &owner(1), &pools)
            .unwrap()
            .held
            .addresses;
        // The state after a process was killed between recording and taking the address.
        drop(store.claim(&owner(2), &taken).unwrap());
        release(&store, &owner(2));
        assert_eq!(store.owner_of(taken[0]).unwrap(), Some(owner(1)));
        assert_eq!(store.owners().unwrap(), [owner(1)]);
    }

    #[test]
    fn addresses_of_another_networks_pods_are_free_again_when_nothing_has_them() {
        let dir = tempfile::tempdir().unwrap();
        let (store, pools) = (store(&dir), pools(r#"[[{"subnet":"10.1.0.0/29"}]]"#));
        let living = HashSet::from(["10.1.0.2".parse().unwrap(), "10.1.0.3".parse().unwrap()]);
        let first = allocate(&store, &owner("a"), &pools, || Ok(living.clone())).unwrap();
        assert_eq!(text(&first), ["10.1.0.4"]);
        assert_eq!(sorted(&store).len(), 3);
        let one = HashSet::from(["10.1.0.3".parse().unwrap(), "10.1.0.4".parse().unwrap()]);
        store.release_adopted(|| Ok(one)).unwrap();
        assert_eq!(sorted(&store).len(), 2);
        store.release_adopted(|| Ok(HashSet::new())).unwrap();
        let own: IpAddr = "10.1.0.4".parse().unwrap();
        assert_eq!(sorted(&store), BTreeSet::from([own]));
        // Nothing more to ask for.
        store
            .release_adopted(|| panic!("nothing was adopted"))
            .unwrap();
    }

    #[test]
    fn a_lost_record_is_replaced_by_reading_the_address_files() {
        let dir = tempfile::tempdir().unwrap();
        let (store, pools) = (store(&dir), pools(r#"[[{"subnet":"10.1.0.0/24"}]]"#));
        for id in 1..4 {
            allocate_alone(&store, &owner(id), &pools).unwrap();
        }
        let record = dir.path().join("net/owner@c2@eth0");
        std::fs::remove_file(&record).unwrap();
        assert_eq!(
            store.scan(&owner(2)).unwrap(),
            ["10.1.0.3".parse::<IpAddr>().unwrap()]
        );
        std::fs::write(&record, "cut sho").unwrap();
        assert_eq!(
            store
                .record(&owner(2), Wait::Forever)
                .unwrap()
                .unwrap()
                .addresses
                .len(),
            1
        );
        std::fs::write(dir.path().join("net/10.1.0.3"), "").unwrap();
        store.free_unowned("10.1.0.3".parse().unwrap()).unwrap();
        store.free_unowned("10.1.0.2".parse().unwrap()).unwrap();
        assert_eq!(store.taken().unwrap().len(), 2);
    }

    #[test]
    fn threads_that_race_never_share_an_address() {
        let dir = tempfile::tempdir().unwrap();
        let (workers, each) = (8, 25);
        let all: Vec<IpAddr> = thread::scope(|scope| {
            let workers: Vec<_> = (0..workers)
                .map(|worker| {
                    let (store, pools) = (store(&dir), pools(r#"[[{"subnet":"10.1.0.0/24"}]]"#));
                    scope.spawn(move || {
                        let mut kept = Vec::new();
                        for round in 0..each {
                            let (keep, drop) = (
                                owner(format!("{worker}-{round}")),
                                owner(format!("{worker}-{round}-x")),
                            );
                            kept.push(
                                allocate_alone(&store, &keep, &pools).unwrap().assigned[0].address,
                            );
                            allocate_alone(&store, &drop, &pools).unwrap();
                            release(&store, &drop);
                        }
                        kept
                    })
                })
                .collect();
            workers
                .into_iter()
                .flat_map(|worker| worker.join().unwrap())
                .collect()
        });
        let unique: BTreeSet<IpAddr> = all.iter().copied().collect();
        assert_eq!(unique.len(), workers * each);
        assert_eq!(sorted(&store(&dir)), unique);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_order_of_adding_and_deleting_is_consistent(steps in prop::collection::vec((any::<bool>(), 0u8..20), 1..80)) {
            let dir = tempfile::tempdir().unwrap();
            let (store, pools) = (store(&dir), pools(r#"[[{"subnet":"10.1.0.0/28"}],[{"subnet":"fd00::/64"}]]"#));
            let mut model = std::collections::BTreeMap::new();
            for (add, id) in steps {
                let who = owner(id);
                if add && !model.contains_key(&who) {
                    match allocate_alone(&store, &who, &pools) {
                        Ok(allocation) => { model.insert(who, allocation.held.addresses.clone()); }
                        Err(error) => { prop_assert_eq!(error.code(), 100); prop_assert_eq!(model.len(), 13); }
                    }
                } else if !add && model.remove(&who).is_some() {
                    release(&store, &who);
                }
                let expected: BTreeSet<IpAddr> = model.values().flatten().copied().collect();
                prop_assert_eq!(expected.len(), model.len() * 2);
                prop_assert_eq!(sorted(&store), expected);
                prop_assert_eq!(store.owners().unwrap().into_iter().collect::<BTreeSet<_>>(), model.keys().cloned().collect());
            }
        }
    }
}
