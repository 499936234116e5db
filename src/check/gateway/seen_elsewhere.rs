use chrono::TimeDelta;

use crate::check::prelude::*;
use crate::probe::{Sighting, Sightings, SightingsRequest};
use crate::subject::GatewayId;

check! {
    /// Does another gateway than its own see the device?
    SeenElsewhere = "seen-elsewhere", Gateway, Now, FLAG;
    within: TimeDelta,
}

impl Builtin for SeenElsewhere {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.device(), "device probe")?;
        let gateway = request.gateway(probe.source())?;
        let asked = SightingsRequest::new(request.device(), request.last(self.within));
        let answer = probe.sightings(&asked).await.by(probe.source())?;
        Ok(judge(&answer, gateway, self.within, request).by(probe.source()))
    }
}

/// Yes: within the period another gateway saw it, and later than its own gateway did by more than the clock tolerance. An
/// older sighting is of the past: a device that came back from there was seen by its own gateway since. One at the same
/// time is the same message: several gateways hear a radio device, each by its own clock.
fn judge(answer: &Sightings, own: &GatewayId, within: TimeDelta, request: &CheckRequest<'_>) -> Verdict {
    let of = |sightings: &[&Sighting]| {
        let latest = |is_own: bool| {
            let seen = sightings.iter().filter(|one| (one.gateway == *own) == is_own);
            seen.max_by_key(|one| one.at)
        };
        let (here, elsewhere) = (latest(true), latest(false));
        let details = [("its own gateway saw it", here), ("another gateway saw it", elsewhere)];
        let details = details.into_iter().filter_map(|(name, seen)| Some(Detail::new(name, written(seen?))));
        let is_later = |other: &Sighting, here: &Sighting| {
            other.at.signed_duration_since(here.at) > request.clock_tolerance()
        };
        let is_elsewhere = elsewhere.is_some_and(|other| here.is_none_or(|here| is_later(other, here)));
        Verdict::known(Value::Flag(is_elsewhere), answer.observed_at).with(details)
    };
    let from = request.last(within).start();
    let recent = answer.sightings.iter().filter(|one| one.at >= from);
    let (happened, ahead): (Vec<_>, Vec<_>) = recent.partition(|one| request.has_happened(one.at));
    let counted: Vec<_> = happened.iter().chain(&ahead).copied().collect();
    let ahead = ahead.iter().map(|one| ("sighting", one.at));
    Verdict::despite_future(of(&happened), &of(&counted), ahead)
}

fn written(seen: &Sighting) -> String {
    let by = seen.by.as_deref().map_or_else(String::new, |by| format!(", by {by}"));
    format!("{} at {}{by}", seen.gateway, moment(seen.at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;

    fn judged(sightings: &[(&str, chrono::DateTime<chrono::Utc>)]) -> Verdict {
        let sightings = sightings.iter().map(|(gateway, at)| Sighting::new((*gateway).into(), *at)).collect();
        let answer = Sightings::new(at(NOW)).with_sightings(sightings);
        judge(&answer, &"gw-2".into(), secs(1800), &Asked::new().request())
    }

    #[test]
    fn the_latest_gateway_that_saw_it_decides() {
        for (sightings, elsewhere) in [
            (vec![], false),
            (vec![("gw-2", at(NOW - 5))], false),
            (vec![("gw-3", at(NOW - 1800))], true),
            // Of the past: its address may still be in a table.
            (vec![("gw-3", at(NOW - 1800) - NANO)], false),
            // One message of a radio device, heard by both.
            (vec![("gw-2", at(NOW - 60)), ("gw-3", at(NOW - 30))], false),
            (vec![("gw-2", at(NOW - 60)), ("gw-3", at(NOW - 30) + NANO)], true),
            (vec![("gw-3", at(NOW - 60)), ("gw-2", at(NOW - 60))], false),
            (vec![("gw-3", at(NOW - 60)), ("gw-2", at(NOW - 5)), ("gw-4", at(NOW - 30))], false),
            (vec![("gw-2", at(NOW - 1700)), ("gw-4", at(NOW + 30))], true),
        ] {
            judged(&sightings).expect_of(&sightings, elsewhere);
        }
        let verdict = judged(&[("gw-3", at(NOW - 60))]);
        assert!(verdict.detail("another gateway saw it").unwrap().starts_with("gw-3 at "));
    }

    #[test]
    fn sighting_of_the_future_decides_nothing() {
        judged(&[("gw-3", at(NOW + 31))]).expect(Future);
        let beside = judged(&[("gw-3", at(NOW - 5)), ("gw-4", at(NOW + 31))]);
        beside.expect(true);
        assert!(beside.detail("dated in the future").is_some());
    }
}
