//! What breaks the rules, gathered question by question; and the rules that all answers share.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Rule, Violation};
use crate::fact::Source;
use crate::probe::layer::Observed;
use crate::probe::{ClientPublishing, Messages, ProbeError};
use crate::time::{Period, saturating_add};

/// Two clocks may differ by this much before a fact counts as one of the future.
const TOLERANCE: TimeDelta = TimeDelta::seconds(30);

pub(super) struct Found {
    latest: DateTime<Utc>,
    /// The method that answered last.
    method: &'static str,
    pub(super) violations: Vec<Violation>,
}

impl Found {
    /// Begins with the source, asked twice: it has a name, and the same one each time.
    pub(super) fn of(source: impl Fn() -> Source, now: DateTime<Utc>) -> Self {
        let mut found =
            Self { latest: saturating_add(now, TOLERANCE), method: "source", violations: Vec::new() };
        found.source(&source(), &source());
        found
    }

    /// The answer of that method, which what follows is about.
    pub(super) fn answer<A: Observed>(
        &mut self,
        method: &'static str,
        answer: Result<A, ProbeError>,
    ) -> Option<A> {
        self.method = method;
        let answer = answer.ok()?;
        self.all_at("observed_at", answer.observed_at());
        Some(answer)
    }

    pub(super) fn add(&mut self, rule: Rule, text: impl Into<String>) {
        self.violations.push(Violation { method: self.method, rule, text: text.into() });
    }

    fn source(&mut self, one: &Source, again: &Source) {
        if one.as_str().is_empty() {
            self.add(Rule::Source, "the source has no name");
        }
        if one != again {
            self.add(Rule::Source, format!("the source is once {one} and once {again}"));
        }
    }

    pub(super) fn at(&mut self, name: &'static str, at: DateTime<Utc>) {
        if at > self.latest {
            self.add(Rule::Future, format!("{name} is in the future: {at}"));
        }
    }

    pub(super) fn all_at(&mut self, name: &'static str, at: Option<DateTime<Utc>>) {
        if let Some(at) = at {
            self.at(name, at);
        }
    }

    pub(super) fn within(&mut self, name: &'static str, at: Option<DateTime<Utc>>, period: Period) {
        if let Some(at) = at.filter(|at| !period.contains(*at)) {
            let (from, to) = (period.start(), period.end());
            self.add(Rule::Outside, format!("{name} at {at} is not within {from} to {to} (end excluded)"));
        }
    }

    pub(super) fn share(&mut self, name: &'static str, share: Option<f64>) {
        if let Some(share) = share.filter(|share| !(0.0..=1.0).contains(share)) {
            self.add(Rule::Number, format!("{name}: a share must be from 0 to 1, got {share}"));
        }
    }

    /// No part is more than the whole, where both are known.
    pub(super) fn part(
        &mut self,
        name: &'static str,
        part: impl Into<Option<u64>>,
        whole: impl Into<Option<u64>>,
    ) {
        if let (Some(part), Some(whole)) = (part.into(), whole.into())
            && part > whole
        {
            self.add(Rule::Contradiction, format!("{part} {name} of {whole}"));
        }
    }

    pub(super) fn covers(&mut self, covers: Period) {
        if covers.end() > self.latest {
            self.add(Rule::Covers, format!("no log covers the future: {}", covers.end()));
        }
    }

    /// The counts of a device's messages: not more in a part than arrived.
    pub(super) fn messages(&mut self, answer: &Messages) {
        self.covers(answer.covers);
        let dropped = answer.dropped.iter().flatten().map(|drop| drop.messages).fold(0, u64::saturating_add);
        self.part("live", answer.live, answer.arrived);
        self.part("dropped", dropped, answer.arrived);
    }

    /// The counts of a client's messages: inside the period, and not more in the parts than in all.
    pub(super) fn publishing(&mut self, answer: &ClientPublishing, period: Period) {
        self.covers(answer.covers);
        let parts = [&answer.device, &answer.others, &answer.itself];
        for counts in parts.iter().copied().chain([&answer.all]).flatten() {
            self.within("last_accepted", counts.last_accepted, period);
            if counts.accepted == 0 && counts.last_accepted.is_some() {
                let text = "last_accepted is there, and nothing was accepted";
                self.add(Rule::Contradiction, text);
            }
        }
        let sum = parts.iter().copied().flatten().fold(0u64, |sum, part| sum.saturating_add(part.accepted));
        if let Some(all) = answer.all.as_ref().filter(|all| sum > all.accepted) {
            let text = format!("{sum} accepted in parts, and {} in all", all.accepted);
            self.add(Rule::Contradiction, text);
        }
    }
}
