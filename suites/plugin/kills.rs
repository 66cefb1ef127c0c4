//! SIGKILL at random points of ADD, as the out-of-memory killer or a runtime's time limit would.
use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::node::{Node, Pod, address, cni, finish, gc, isolated, start, with};

/// Numbers that look random and are the same in every run (xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        limit.mul_f64((self.0 >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

/// Starts an ADD and kills it somewhere within about the time one takes. The result, if it was done by then.
fn killed_add(
    dice: &mut Dice,
    typical: Duration,
    id: &str,
    pod: &Pod,
    conf: &Value,
) -> Option<Value> {
    let mut child = start("ADD", id, &pod.path(), conf);
    thread::sleep(dice.below(typical));
    child.kill().unwrap();
    let outcome = finish(child);
    match outcome.signal {
        Some(signal) => {
            assert_eq!(signal, Signal::SIGKILL as i32);
            None
        }
        None => Some(outcome.ok()),
    }
}

/// How long an ADD takes here and now, with some to spare: kills shall reach every part of one.
fn typical_add(node: &Node, conf: &Value) -> Duration {
    let pod = node.pod();
    cni("ADD", "warm-up", &pod.path(), conf).ok();
    cni("DEL", "warm-up", &pod.path(), conf).ok();
    let started = Instant::now();
    cni("ADD", "warm-up", &pod.path(), conf).ok();
    let took = started.elapsed();
    cni("DEL", "warm-up", &pod.path(), conf).ok();
    took
}

#[test]
fn two_hundred_kills_leave_nothing_that_gc_does_not_find() {
    isolated(
        "kills::two_hundred_kills_leave_nothing_that_gc_does_not_find",
        |node| {
            let conf = node.conf(json!([[{"subnet": "10.244.1.0/24"}]]));
            let typical = typical_add(node, &conf);
            let (mut dice, mut kills, mut round) = (Dice(0x9e37_79b9_7f4a_7c15), 0, 0);
            let (mut stray_links, mut stray_files) = (0, 0);
            while kills < 200 {
                round += 1;
                let mut alive: Vec<(String, Pod, Value)> = Vec::new();
                let mut killed: Vec<Pod> = Vec::new();
                while killed.len() < 20 {
                    let (pod, id) = (
                        node.pod(),
                        format!("r{round}-{}", alive.len() + killed.len()),
                    );
                    match killed_add(&mut dice, typical, &id, &pod, &conf) {
                        Some(result) => alive.push((id, pod, result)),
                        None => killed.push(pod),
                    }
                }
                kills += killed.len();
                // One that surely lives: it must not get what a killed one may still have.
                let (pod, id) = (node.pod(), format!("r{round}-late"));
                let result = cni("ADD", &id, &pod.path(), &conf).ok();
                alive.push((id, pod, result));

                stray_links += node.ip("link show type veth", "ifname").len() - alive.len();
                stray_files += node.reservations().len() - 2 * alive.len();
                gc(&conf, alive.iter().map(|(id, ..)| id.clone()));
                let given: BTreeSet<String> =
                    alive.iter().map(|(.., result)| address(result)).collect();
                assert_eq!(given.len(), alive.len(), "an address was given twice");
                let records = alive.iter().map(|(id, ..)| format!("owner@{id}@eth0"));
                assert_eq!(
                    node.reservations(),
                    given.iter().cloned().chain(records).collect()
                );
                assert_eq!(node.ip("link show type veth", "ifname").len(), alive.len());
                assert_eq!(node.ip("neigh show nud permanent", "dst"), given);
                for (id, pod, result) in &alive {
                    cni(
                        "CHECK",
                        id,
                        &pod.path(),
                        &with(&conf, "prevResult", result.clone()),
                    )
                    .ok();
                }
                // The pods of the killed can be used again.
                for (index, pod) in killed.iter().enumerate() {
                    cni(
                        "ADD",
                        &format!("r{round}-again-{index}"),
                        &pod.path(),
                        &conf,
                    )
                    .ok();
                }
                gc(&conf, std::iter::empty());
                node.assert_clean();
            }
            assert!(
                stray_links > 0 && stray_files > 0,
                "the kills came too early or too late to prove anything"
            );
        },
    );
}

#[test]
fn a_killed_add_is_made_good_by_del_and_add_of_the_same_container() {
    isolated(
        "kills::a_killed_add_is_made_good_by_del_and_add_of_the_same_container",
        |node| {
            let conf = node
                .conf(json!([[{"subnet": "10.244.1.0/24"}], [{"subnet": "fd00:10:244:1::/64"}]]));
            let typical = typical_add(node, &conf);
            let mut dice = Dice(0x2545_f491_4f6c_dd1d);
            for id in (0..60).map(|id| format!("c{id}")) {
                let pod = node.pod();
                killed_add(&mut dice, typical, &id, &pod, &conf);
                cni("DEL", &id, &pod.path(), &conf).ok();
                let result = cni("ADD", &id, &pod.path(), &conf).ok();
                cni(
                    "CHECK",
                    &id,
                    &pod.path(),
                    &with(&conf, "prevResult", result),
                )
                .ok();
                cni("DEL", &id, "", &conf).ok();
                let mut left = node.reservations();
                left.retain(|name| !name.starts_with("tmp@"));
                assert_eq!(left, BTreeSet::new());
            }
            gc(&conf, std::iter::empty());
            node.assert_clean();
        },
    );
}
