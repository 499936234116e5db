//! A blip is no answer: what may pass is asked again, each time after a longer pause.

use chrono::TimeDelta;

use super::super::log::Event;
use super::super::open::{Asking, ExpectedReply};
use crate::diagnosis::{Diagnosis, Phase};
use crate::fact::Observation;

/// For as long a question is asked again at the most, even where its `stale_after` is longer: an alert that waits for a
/// registry is an incident that nobody works on. What is unknown then is noted, and a second look asks it again later.
const RETRY_FOR: TimeDelta = TimeDelta::seconds(30);
/// For as long where the answer could only call off a conclusion: the walk has asked the same adapters before, and one
/// that hung then would hold the conclusion back a second time.
const RETRY_LAST_LOOK_FOR: TimeDelta = TimeDelta::seconds(5);

/// A question that is asked again later.
#[derive(Clone, Copy, Debug)]
pub(in crate::diagnosis) struct Retry {
    /// As it was asked last.
    pub(in crate::diagnosis) asking: Asking,
    /// When it is asked again, on the diagnosis's own account of time.
    pub(in crate::diagnosis) due: TimeDelta,
}

impl Diagnosis {
    /// The pause before the question is asked again; `None` where the answer is final.
    pub(in crate::diagnosis) fn pause_before_retry(
        &self,
        asking: &Asking,
        observation: &Observation,
    ) -> Option<TimeDelta> {
        let Observation::Unknown(unknown) = observation else { return None };
        // A refusal, or a missing adapter, gives the same answer in a second.
        if !unknown.reason.is_transient() {
            return None;
        }
        let query = self.context.set.queries().get(asking.query as usize)?;
        let spent = self.elapsed.checked_sub(&asking.first)?;
        let longest = match self.phase {
            Phase::LookingAgain(_) => RETRY_LAST_LOOK_FOR,
            _ => RETRY_FOR,
        };
        let left = query.stale_after.unwrap_or(longest).min(longest).checked_sub(&spent)?;
        if left <= TimeDelta::zero() {
            return None;
        }
        // 1 s, 2 s, 4 s and so on: from the fifth on it is longer than what is left.
        let pause = TimeDelta::seconds(1 << asking.attempt.min(5));
        Some(unknown.retry_after.map_or(pause, |named| named.max(pause)).min(left))
    }

    pub(in crate::diagnosis) fn ask_again_after(
        &mut self,
        asking: Asking,
        observation: Observation,
        pause: TimeDelta,
    ) {
        self.close(asking.request);
        let observed = self.log.keep(observation);
        self.push(Event::Blipped { request: asking.request, query: asking.query, observed, pause });
        self.retries.push(Retry { asking, due: self.after(pause) });
    }

    /// Asks the question again whose pause is over first.
    pub(super) fn retry(&mut self) {
        let first = self.retries.iter().enumerate().min_by_key(|(_, retry)| retry.due);
        let Some((at, _)) = first else { return };
        let Asking { query, place, exploring, attempt, first, .. } = self.retries.remove(at).asking;
        let request = self.open_at(place, ExpectedReply::Answer { query });
        self.open.count(request, attempt.saturating_add(1), first);
        self.push_at(place, Event::Asked { request, query, exploring });
        // The phase knows the request by its number, and a retry has a new one: with the old, its expiry
        // would name a request that nobody made.
        if let Phase::Rechecking { request: open, .. } = &mut self.phase {
            *open = request;
        }
    }

    /// Drops what is asked: the walk leaves the step, or ends.
    pub(super) fn ask_no_more(&mut self) {
        self.open.clear();
        self.retries.clear();
    }
}
