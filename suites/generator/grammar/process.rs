//! Processes that are stopped, killed, or in the way: the network of a pod outlasts what runs in it.
use flatnet_model::cause::CauseId as C;

use super::{Draw, Drawn, Truth, step};
use crate::ground::Spot;

pub(super) fn draw(draw: &mut Draw<'_>) -> Drawn {
    let pod = draw.pod();
    let pid = draw.ground.pods[pod].pid;
    let inside = Spot::Pod(pod);
    let note = draw.note();
    let mut truth = Truth::default();
    let (spot, plant, undo) = match draw.dice.below(3) {
        0 => (
            inside,
            format!("kill -STOP {pid}"),
            format!("kill -CONT {pid}"),
        ),
        // The kubelet starts the container again, in the same sandbox; not at once, where it was killed before.
        1 => {
            truth = Truth {
                culprits: vec![inside],
                causes: vec![C::CrashLoop],
                may: &["pod-ip-present"],
                ..truth
            };
            (inside, format!("kill -KILL {pid}"), String::new())
        }
        _ => {
            let spot = draw.spot();
            let plant =
                format!("setsid nc -lk -p 7411 < /dev/null > /dev/null 2>&1 & echo $! > {note}");
            (spot, plant, format!("kill $(cat {note})"))
        }
    };
    Some((vec![step(spot, plant, undo)], truth))
}
