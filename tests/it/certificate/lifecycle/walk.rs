//! Every event in every order: all that can happen to a device, walked breadth-first over the states that it leads to.
//!
//! The world asserts at each command that nothing is issued twice and that the only working certificate is never retired.
//! From each state that is found, a world in which all goes well from then on must come to a device that works.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::TimeDelta;
use iot_runbook::certificate::lifecycle::Reachability;
use iot_runbook::certificate::message::Outcome;
use proptest::prelude::*;

use super::super::random::cases;

use super::world::{Action, World};
use super::{NOW, day, under_issuer};

/// Walks all that can happen in that world after these actions, so many deep. Gives how many states there are.
fn walk(mut start: World, first: &[Action], depth: usize, actions: impl Fn(&World) -> Vec<Action>) -> usize {
    for action in first {
        start.act(action);
    }
    let mut states = BTreeSet::from([start.state()]);
    let mut queue = VecDeque::from([(start, first.to_vec())]);
    while let Some((world, path)) = queue.pop_front() {
        for reaches in [true, false] {
            let good = catch_unwind(AssertUnwindSafe(|| world.clone().ends_well(reaches)));
            assert!(matches!(good, Ok(true)), "it does not end well (reaches: {reaches}) after {path:#?}");
        }
        if path.len() - first.len() == depth {
            continue;
        }
        for action in actions(&world) {
            let mut next = world.clone();
            let mut path = path.clone();
            path.push(action);
            let last = &path[path.len() - 1];
            if catch_unwind(AssertUnwindSafe(|| next.act(last))).is_err() {
                panic!("a rule is broken after {path:#?}");
            }
            if states.insert(next.state()) {
                queue.push_back((next, path));
            }
        }
    }
    states.len()
}

fn answer(key: &str) -> Action {
    Action::Answer(key.to_owned())
}

/// The ways into the states from which it is walked.
fn starts() -> BTreeMap<&'static str, (i64, bool, Vec<Action>)> {
    let published = vec![answer("d/1/issue"), answer("d/1/publish")];
    let with = |more: &[Action]| published.iter().chain(more).cloned().collect::<Vec<_>>();
    BTreeMap::from([
        ("due", (19, true, vec![])),
        ("published", (19, true, published.clone())),
        ("in the overlap", (19, true, with(&[Action::Switch]))),
        ("the overlap ends", (19, true, with(&[Action::Switch, Action::Pass(day(7) - TimeDelta::hours(1))]))),
        ("switched unseen, and followed up", (19, true, with(&[Action::SwitchUnseen, Action::Pass(day(9))]))),
        ("ended", (19, true, with(&[Action::Pass(day(9)), Action::Pass(day(9)), Action::Pass(day(9))]))),
        ("compromised", (19, true, with(&[Action::Compromise]))),
        ("by hand", (19, false, vec![])),
        ("ended by hand", (1, false, vec![Action::Pass(day(9))])),
    ])
}

/// How deep: from each start all that can happen in so many events.
const DEPTH: usize = 3;

#[test]
fn whatever_happens_no_device_is_lost() {
    let mut states = 0;
    for (name, (left, auto_renewal, first)) in starts() {
        let found = walk(World::new(left, auto_renewal), &first, DEPTH, World::actions);
        assert!(found > 100, "from `{name}` there are {found} states");
        states += found;
    }
    assert!(states > 5_000, "{states} states");
}

/// Issuers that end and are replaced, keys that are offered and found in other hands, certificates for another key, words
/// that come late: what happens more rarely, with all else, not as deep.
#[test]
fn nor_by_what_happens_more_rarely() {
    let mut states = 0;
    let bound = under_issuer(1, NOW - day(10), NOW + day(50), NOW + day(15));
    let held = |auto_renewal| (World::with(bound.clone(), auto_renewal), vec![]);
    let started = |(left, auto_renewal, first)| (World::new(left, auto_renewal), first);
    for (world, first) in starts().into_values().map(started).chain([held(true), held(false)]) {
        states += walk(world, &first, DEPTH - 1, World::all_actions);
    }
    assert!(states > 2_000, "{states} states");
}

/// The device has one by hand beside the one that it was told to use, whose key is then compromised.
#[test]
fn compromised_key_is_not_published_again() {
    let (left, auto_renewal, first) = starts().remove("published").unwrap();
    let mut world = World::new(left, auto_renewal);
    first.iter().for_each(|action| world.act(action));
    for action in [Action::ByHand, Action::Report(Outcome::Downloaded), Action::Switch, Action::Compromise] {
        world.act(&action);
    }
    let issue = world.orders.keys().find(|key| key.ends_with("/issue")).cloned().unwrap();
    assert_eq!(issue, "d/3/issue");
    world.act(&Action::AnswerLost(issue));
    let alert = world.orders.keys().find(|key| key.contains("key-compromised")).cloned().unwrap();
    for action in [Action::Answer(alert), Action::Restart, Action::Wake, Action::Restart] {
        world.act(&action);
    }
    for reaches in [true, false] {
        assert!(world.clone().ends_well(reaches), "reaches: {reaches}");
    }
}

/// Lives that chance found. A key that the device had only asked for was told to be compromised, was not remembered, and was
/// taken when the device offered it again.
#[test]
fn key_that_was_compromised_once_never_gets_in() {
    let (left, auto_renewal, first) = starts().remove("compromised").unwrap();
    let mut world = World::new(left, auto_renewal);
    first.iter().for_each(|action| world.act(action));
    let answer_retire = |world: &mut World| {
        let key = world.orders.keys().find(|key| key.contains("/retire/")).cloned().unwrap();
        world.act(&answer(&key));
    };
    for action in [Action::Wake, Action::ByHand, Action::Reconnect] {
        world.act(&action);
    }
    answer_retire(&mut world);
    for action in [Action::OfferKey, Action::CompromiseIssued] {
        world.act(&action);
    }
    assert!(world.orders.contains_key("d/4/issue"));
    world.act(&Action::IssueUnderAnEndingIssuer("d/4/issue".to_owned()));
    answer_retire(&mut world);
    for action in [
        Action::Reachability(Reachability::Offline { back_at: None }),
        Action::Reachability(Reachability::Online),
        Action::CompromiseIssued,
        Action::IssuerReplaced,
        Action::AnswerLost("d/5/issue".to_owned()),
        Action::Pass(day(9)),
        answer("d/5/contact/1"),
        Action::Pass(day(9)),
    ] {
        world.act(&action);
    }
    for at in 0..world.told.len() {
        let mut world = world.clone();
        world.act(&Action::Again(at));
        for reaches in [true, false] {
            assert!(world.clone().ends_well(reaches), "{:?}, reaches: {reaches}", world.told[at]);
        }
    }
}

proptest! {
    #![proptest_config(cases(60))]

    /// The same, far deeper, along paths that chance picks.
    #[test]
    fn a_long_life_keeps_the_rules_too(
        start in 0usize..11,
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..60),
    ) {
        let mut world = match starts().into_values().nth(start) {
            Some((left, auto_renewal, first)) => {
                let mut world = World::new(left, auto_renewal);
                first.iter().for_each(|action| world.act(action));
                world
            }
            None => World::with(under_issuer(1, NOW - day(10), NOW + day(50), NOW + day(15)), start == 9),
        };
        let mut path = Vec::new();
        for pick in picks {
            let actions: Vec<_> =
                world.all_actions().into_iter().filter(|action| *action != Action::Decommission).collect();
            let action = pick.get(&actions).clone();
            path.push(action.clone());
            let kept = catch_unwind(AssertUnwindSafe(|| world.act(&action)));
            prop_assert!(kept.is_ok(), "a rule is broken after {path:#?}");
        }
        for reaches in [true, false] {
            let good = catch_unwind(AssertUnwindSafe(|| world.clone().ends_well(reaches)));
            prop_assert!(matches!(good, Ok(true)), "it does not end well (reaches: {reaches}) after {path:#?}");
        }
    }
}
