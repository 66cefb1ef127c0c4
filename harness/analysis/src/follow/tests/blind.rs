//! What nobody looked at.
use super::Scene;
use crate::follow::{Ground, picture};

#[test]
fn rules_that_could_not_be_traced_are_told() {
    let mut scene = Scene::new();
    assert_eq!(picture::blind(&scene.followed), [""; 0]);
    let place = &mut scene.followed.places[1];
    let netns = place.netns.clone();
    place.watching.as_mut().unwrap().no_device_rules = Some("too many".to_owned());
    assert_eq!(
        picture::blind(&scene.followed),
        [format!(
            "rules of family netdev not watched at {netns}: too many"
        )]
    );
}

#[test]
fn where_nobody_watched_nothing_is_said_to_be_unseen() {
    let mut scene = Scene::new();
    for place in &mut scene.followed.places {
        place.watching = Err("no probe runs there".to_owned());
        place.watched = Err("no probe runs there".to_owned());
    }
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    assert_eq!((found.fate, found.rewrites.len()), (None, 0));
}
