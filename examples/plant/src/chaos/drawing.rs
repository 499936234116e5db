//! Drawing a random scenario from the vocabulary.

use std::time::Duration;

use chrono::TimeDelta;

use super::{Random, truth::concludes};
use crate::{
    device::Kind,
    operation::{Effect, Location, Operation, Owner, VOCABULARY, Word, owners},
    scenario::People,
    scenario_file::{Expectation, ScenarioFile},
};

/// At most this many parts are broken.
const MOST: usize = 3;
/// A later operation comes at most so late, in tenths of a second.
const LATEST: usize = 60;
/// What is broken is mended after at least and at most so long, in tenths of a second.
const MENDED_AFTER: (usize, usize) = (10, 80);
/// Of a hundred broken parts, so many are mended.
const MENDED: usize = 40;
/// Of a hundred later operations, so many are on the way of the device's messages.
const ON_THE_WAY: usize = 70;

/// Draws a scenario: one to three parts are broken, and some are mended. The first is broken at once, and takes the
/// device's messages away.
pub fn draw(random: &mut Random) -> ScenarioFile {
    let devices = owners(Owner::Device);
    let device = random.one_of(&devices).copied().unwrap_or_default();
    let mut operations: Vec<Operation> = Vec::new();
    let parts = 1 + random.below(MOST);
    while operations.iter().filter(|operation| operation.word.undone_by.is_some()).count() < parts {
        let is_first = operations.is_empty();
        let on_the_way = is_first || random.percent(ON_THE_WAY);
        let candidates = candidates(device, on_the_way);
        let Some((owner, word)) = random.one_of(&candidates).copied() else { break };
        let by = word.takes_amount().then(|| {
            let years = TimeDelta::days(400);
            if random.percent(50) { years } else { -years }
        });
        let at = if is_first { 0 } else { random.below(LATEST) };
        let operation = Operation { at: tenths(at), step: None, owner: owner.to_owned(), word, by };
        let is_taken = operations.iter().any(|other| other.part() == operation.part());
        if is_taken || is_first && !takes_messages_away(&operation, device) {
            continue;
        }
        if random.percent(MENDED) {
            let (least, most) = MENDED_AFTER;
            let after = at + least + random.below(most - least);
            operations.extend(undoing(&operation, tenths(after)));
        }
        operations.push(operation);
    }
    operations.sort_by_key(|operation| operation.at);
    ScenarioFile {
        title: None,
        device: device.to_owned(),
        people: People::Attentive,
        operations,
        expected: Expectation::default(),
    }
}

/// Each word that breaks something, with each owner that it can be done to.
fn candidates(device: &str, on_the_way: bool) -> Vec<(&'static str, &'static Word)> {
    let Some(location) = Location::of(device) else { return Vec::new() };
    let breaking = VOCABULARY.iter().filter(|word| word.undone_by.is_some());
    let of_owners = breaking.flat_map(|word| owners(word.owner).into_iter().map(move |owner| (owner, word)));
    of_owners
        .filter(|(owner, word)| {
            let speaks = Location::of(owner).is_none_or(|owner| owner.kind == Kind::Mqtt);
            location.depends_on(device, owner) == on_the_way && (speaks || !word.needs_session)
        })
        .collect()
}

/// Whether an operation keeps the device's messages from coming. A registry is only written in.
fn takes_messages_away(operation: &Operation, device: &str) -> bool {
    !matches!(operation.word.effect, Effect::Register(_)) && !concludes(operation, device).is_empty()
}

fn undoing(operation: &Operation, at: Duration) -> Option<Operation> {
    let verb = operation.word.undone_by?;
    let of_part = |word: &&Word| word.owner == operation.word.owner && word.part == operation.word.part;
    let word = VOCABULARY.iter().filter(of_part).find(|word| word.verb == verb)?;
    Some(Operation { at, step: None, owner: operation.owner.clone(), word, by: None })
}

fn tenths(tenths: usize) -> Duration {
    Duration::from_millis(100 * tenths as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn drawn_scenario_breaks_the_device_first() {
        let mut breaks = HashSet::new();
        for run in 1..=2000 {
            let scenario = draw(&mut Random::for_run(1, run));
            assert_eq!(scenario, draw(&mut Random::for_run(1, run)));
            let breaking = scenario.operations.iter().filter(|operation| operation.word.undone_by.is_some());
            let breaking = breaking.collect::<Vec<_>>();
            assert!((1..=MOST).contains(&breaking.len()), "{scenario}");
            assert!(takes_messages_away(breaking[0], &scenario.device), "{scenario}");
            assert_eq!(breaking[0].at, Duration::ZERO);
            let parts = breaking.iter().map(|operation| operation.part()).collect::<HashSet<_>>();
            assert_eq!(parts.len(), breaking.len(), "{scenario}");
            for mend in scenario.operations.iter().filter(|operation| operation.word.undone_by.is_none()) {
                let broken = breaking.iter().find(|broken| broken.part() == mend.part()).unwrap();
                assert_eq!(broken.word.undone_by, Some(mend.word.verb));
                assert!(broken.at < mend.at, "{scenario}");
            }
            breaks.extend(breaking.iter().map(|operation| (operation.word.part, operation.word.verb)));
        }
        // Every word that breaks something is drawn some time.
        let words = VOCABULARY.iter().filter(|word| word.undone_by.is_some());
        let all = words.map(|word| (word.part, word.verb)).collect::<HashSet<_>>();
        assert_eq!(breaks, all);
    }
}
