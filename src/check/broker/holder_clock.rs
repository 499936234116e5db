use chrono::{DateTime, TimeDelta, Utc};

use crate::check::broker::broker_connect::{last_receipt, last_seen};
use crate::check::broker::holder::{Holder, holder};
use crate::check::prelude::*;
use crate::check::window::ONE_DAY;
use crate::probe::{ClockReading, ClockReadings, ClockRequest, ClockSource};
use crate::time::format_duration;

/// The widest that local time is away from UTC.
const WIDEST_ZONE: TimeDelta = TimeDelta::hours(14);
/// Local times differ from UTC by a multiple of this.
const ZONE_STEP: i64 = 15 * 60;

choices! {
    State {
        Right = "right",
        Off = "off",
        TimeZone = "time-zone",
    }
}

check! {
    /// Is the session holder's own clock right?
    HolderClock = "holder-clock", Session, Now, State::VALUES;
    off_from: TimeDelta,
}

impl Builtin for HolderClock {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let broker = adapter(probes.broker(), "broker probe")?;
        let holder = holder(request, probes).await?;
        let asked = ClockRequest::new(holder.client.clone(), request.last(ONE_DAY));
        let readings = broker.clock_readings(&asked).await.by(broker.source())?;
        let seen = last_receipt(last_seen(request, probes).await?.as_ref());
        Ok(judge(&readings, &holder, self.off_from, seen, request).by(broker.source()))
    }
}

/// The newest request for time or token decides; where there is none, the newest message. It is off from `off_from` on,
/// or beyond what was allowed for what was refused. A message alone that is off by a time zone, up to 14 hours in steps of
/// 15 minutes, shows local time and no wrong clock. A clock of the future is evidence here, not an anomaly.
///
/// That it was right up to the device's last message, `seen`, says nothing of now: a restart with an empty clock battery ends
/// the messages too. A clock that was off then is still off, unless somebody set it.
fn judge(
    readings: &ClockReadings,
    holder: &Holder,
    off_from: TimeDelta,
    seen: Option<DateTime<Utc>>,
    request: &CheckRequest<'_>,
) -> Verdict {
    // Only the platform's own time of receipt must be believed.
    let (received, ahead): (Vec<_>, Vec<_>) =
        readings.readings.iter().partition(|reading| request.has_happened(reading.at));
    let newest = |is: fn(ClockSource) -> bool| {
        received
            .iter()
            .copied()
            .filter(|reading| is(reading.from))
            .max_by_key(|reading| (reading.at, reading.from))
    };
    let exact = newest(|from| from != ClockSource::Message);
    let mut details = vec![holder.detail()];
    let Some(reading) = exact.or_else(|| newest(|from| from == ClockSource::Message)) else {
        if let Some(reading) = ahead.first() {
            return Verdict::future("every reading of its clock was received in the future")
                .with(details.into_iter().chain([when("received", reading.at)]));
        }
        return Verdict::undetermined("nobody read a time of its clock").with(details);
    };
    let off = offset(reading);
    details.push(Detail::new(
        "read in",
        match reading.from {
            ClockSource::Message => "a message",
            ClockSource::Token => "a token",
            ClockSource::TimeRequest => "a request for time",
        },
    ));
    details.push(when("its clock showed", reading.shown));
    details.push(when("at", reading.at));
    details.push(Detail::new("off by", format_duration(off)));
    let bound = match readings.allowed {
        Some(allowed) if allowed >= TimeDelta::zero() && allowed < off_from => {
            details.push(Detail::new("allowed", format_duration(allowed)));
            off.abs() > allowed
        }
        _ => off.abs() >= off_from,
    };
    let state = match (bound, exact) {
        (false, _) => State::Right,
        (true, None) if is_time_zone(off, request.clock_tolerance()) => State::TimeZone,
        (true, _) => State::Off,
    };
    if state != State::Off && seen.is_some_and(|seen| reading.at <= seen) {
        return Verdict::undetermined("nobody has read its clock since the device fell silent").with(details);
    }
    Verdict::known(state, readings.observed_at).with(details)
}

fn offset(reading: &ClockReading) -> TimeDelta {
    reading.shown.signed_duration_since(reading.at)
}

/// True if it is a multiple of a quarter of an hour, give or take the tolerance, from one hour up to the widest zone.
fn is_time_zone(off: TimeDelta, tolerance: TimeDelta) -> bool {
    let seconds = off.abs().num_seconds();
    let steps = (seconds + ZONE_STEP / 2) / ZONE_STEP;
    let zone = TimeDelta::seconds(steps.saturating_mul(ZONE_STEP));
    steps >= 4 && zone <= WIDEST_ZONE && (off.abs() - zone).abs() <= tolerance
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;

    const HOUR: i64 = 3600;

    fn reading(from: ClockSource, received: i64, off: i64) -> ClockReading {
        ClockReading::new(at(received), at(received + off), from)
    }

    fn judged(readings: Vec<ClockReading>, allowed: Option<i64>) -> Verdict {
        judged_since(None, readings, allowed)
    }

    fn judged_since(seen: Option<i64>, readings: Vec<ClockReading>, allowed: Option<i64>) -> Verdict {
        let answer = ClockReadings {
            allowed: allowed.map(secs),
            ..ClockReadings::new(at(NOW)).with_readings(readings)
        };
        judge(&answer, &Holder::of_test(true), secs(HOUR), seen.map(at), &Asked::new().request())
    }

    #[test]
    fn clock_that_was_right_before_the_silence_is_unknown() {
        use ClockSource::{Message, Token};
        for (off, at_reading, seen, state) in [
            (0, NOW - 600, Some(NOW - 600), None),
            (0, NOW - 601, Some(NOW - 600), None),
            (0, NOW - 599, Some(NOW - 600), Some(State::Right)),
            (0, NOW - 600, None, Some(State::Right)),
            // It was off already.
            (HOUR + 1000, NOW - 600, Some(NOW - 600), Some(State::Off)),
        ] {
            judged_since(seen, vec![reading(Token, at_reading, off)], None)
                .expect_of(&(off, at_reading, seen), state);
        }
        let zone = judged_since(Some(NOW - 60), vec![reading(Message, NOW - 60, 2 * HOUR)], None);
        zone.expect(Undetermined);
        assert_eq!(zone.detail("read in"), Some("a message"));
    }

    #[test]
    fn it_is_off_from_its_bound_on_to_either_side() {
        use ClockSource::{TimeRequest, Token};
        for (from, off, state) in [
            (Token, 0, State::Right),
            (Token, HOUR - 1, State::Right),
            (Token, HOUR, State::Off),
            (Token, -HOUR, State::Off),
            (Token, 1 - HOUR, State::Right),
            (TimeRequest, 9000, State::Off),
            (TimeRequest, -86_400 * 365, State::Off),
        ] {
            judged(vec![reading(from, NOW - 60, off)], None).expect_of(&(from, off), state);
        }
        let mut short = reading(Token, NOW - 60, HOUR);
        short.shown -= NANO;
        judged(vec![short], None).expect(State::Right);
    }

    #[test]
    fn what_was_refused_may_allow_less() {
        for (off, allowed, state) in [
            (300, Some(300), State::Right),
            (301, Some(300), State::Off),
            (-301, Some(300), State::Off),
            (HOUR, Some(2 * HOUR), State::Off),
            (301, Some(-5), State::Right),
        ] {
            judged(vec![reading(ClockSource::Token, NOW - 60, off)], allowed)
                .expect_of(&(off, allowed), state);
        }
    }

    #[test]
    fn whole_hours_are_a_time_zone() {
        use ClockSource::{Message, TimeRequest, Token};
        let message = |off| vec![reading(Message, NOW - 60, off)];
        for (readings, state) in [
            (message(2 * HOUR), State::TimeZone),
            (message(2 * HOUR + 30), State::TimeZone),
            (message(2 * HOUR + 31), State::Off),
            (message(-5 * HOUR - 29), State::TimeZone),
            // India and Nepal.
            (message(5 * HOUR + 1800), State::TimeZone),
            (message(5 * HOUR + 2700), State::TimeZone),
            (message(14 * HOUR), State::TimeZone),
            (message(15 * HOUR), State::Off),
            (message(5 * HOUR + 600), State::Off),
            // A token or a request for time is in UTC: it decides.
            (vec![reading(Message, NOW - 5, 2 * HOUR), reading(Token, NOW - 60, 0)], State::Right),
            (vec![reading(Message, NOW - 5, 0), reading(Token, NOW - 60, 2 * HOUR)], State::Off),
            (vec![reading(TimeRequest, NOW - 5, 0), reading(Token, NOW - 60, 2 * HOUR)], State::Right),
        ] {
            judged(readings.clone(), None).expect_of(&readings, state);
        }
    }

    #[test]
    fn less_than_an_hour_is_no_time_zone() {
        for (off, state) in
            [(900, State::Off), (2700, State::Off), (3600, State::TimeZone), (-4500, State::TimeZone)]
        {
            judged(vec![reading(ClockSource::Message, NOW - 60, off)], Some(300)).expect_of(&off, state);
        }
    }

    #[test]
    fn receipt_of_the_future_is_not_believed() {
        judged(vec![], None).expect(Undetermined);
        let ahead = reading(ClockSource::Token, NOW + 31, 0);
        judged(vec![ahead], None).expect(Future);
        // What the clock showed may lie in the future: that is the evidence.
        let shown = reading(ClockSource::Token, NOW + 30, 86_400);
        judged(vec![shown], None).expect(State::Off);
    }
}
