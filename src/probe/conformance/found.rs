//! What breaks the rules, gathered question by question; and the rules that all answers share.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Rule, Violation};
use crate::fact::Source;
use crate::probe::{ClientPublishing, Messages};
use crate::time::{Period, saturating_add};

/// Two clocks may differ by this much before a fact counts as one of the future.
const TOLERANCE: TimeDelta = TimeDelta::seconds(30);

pub(super) struct Found {
    latest: DateTime<Utc>,
    pub(super) violations: Vec<Violation>,
}

impl Found {
    /// Begins with the source, asked twice: it has a name, and the same one each time.
    pub(super) fn of(source: impl Fn() -> Source, now: DateTime<Utc>) -> Self {
        let mut found = Self { latest: saturating_add(now, TOLERANCE), violations: Vec::new() };
        found.source(&source(), &source());
        found
    }

    pub(super) fn add(&mut self, method: &'static str, rule: Rule, text: String) {
        self.violations.push(Violation { method, rule, text });
    }

    fn source(&mut self, one: &Source, again: &Source) {
        if one.as_str().is_empty() {
            self.add("source", Rule::Source, "the source has no name".to_owned());
        }
        if one != again {
            self.add("source", Rule::Source, format!("the source is once {one} and once {again}"));
        }
    }

    pub(super) fn at(&mut self, method: &'static str, name: &'static str, at: DateTime<Utc>) {
        if at > self.latest {
            self.add(method, Rule::Future, format!("{name} is in the future: {at}"));
        }
    }

    pub(super) fn all_at(&mut self, method: &'static str, name: &'static str, at: Option<DateTime<Utc>>) {
        if let Some(at) = at {
            self.at(method, name, at);
        }
    }

    pub(super) fn within(
        &mut self,
        method: &'static str,
        name: &'static str,
        at: Option<DateTime<Utc>>,
        period: Period,
    ) {
        if let Some(at) = at.filter(|at| !period.contains(*at)) {
            let (from, to) = (period.start(), period.end());
            self.add(
                method,
                Rule::Outside,
                format!("{name} at {at} is not within {from} to {to} (end excluded)"),
            );
        }
    }

    pub(super) fn share(&mut self, method: &'static str, name: &'static str, share: Option<f64>) {
        if let Some(share) = share.filter(|share| !(0.0..=1.0).contains(share)) {
            self.add(method, Rule::Number, format!("{name}: a share must be from 0 to 1, got {share}"));
        }
    }

    /// No part is more than the whole, where both are known.
    pub(super) fn part(
        &mut self,
        method: &'static str,
        name: &'static str,
        part: impl Into<Option<u64>>,
        whole: impl Into<Option<u64>>,
    ) {
        if let (Some(part), Some(whole)) = (part.into(), whole.into())
            && part > whole
        {
            self.add(method, Rule::Contradiction, format!("{part} {name} of {whole}"));
        }
    }

    pub(super) fn log(&mut self, method: &'static str, observed_at: DateTime<Utc>, covers: Period) {
        self.at(method, "observed_at", observed_at);
        if covers.end() > self.latest {
            self.add(method, Rule::Covers, format!("no log covers the future: {}", covers.end()));
        }
    }

    /// The counts of a device's messages: not more in a part than arrived.
    pub(super) fn messages(&mut self, answer: &Messages) {
        let method = "messages";
        self.log(method, answer.observed_at, answer.covers);
        let dropped = answer.dropped.iter().flatten().map(|drop| drop.messages).fold(0, u64::saturating_add);
        self.part(method, "live", answer.live, answer.arrived);
        self.part(method, "dropped", dropped, answer.arrived);
    }

    /// The counts of a client's messages: inside the period, and not more in the parts than in all.
    pub(super) fn publishing(&mut self, answer: &ClientPublishing, period: Period) {
        let method = "publishing";
        self.log(method, answer.observed_at, answer.covers);
        let parts = [&answer.device, &answer.others, &answer.itself];
        for counts in parts.iter().copied().chain([&answer.all]).flatten() {
            self.within(method, "last_accepted", counts.last_accepted, period);
            if counts.accepted == 0 && counts.last_accepted.is_some() {
                let text = "last_accepted is there, and nothing was accepted".to_owned();
                self.add(method, Rule::Contradiction, text);
            }
        }
        let sum = parts.iter().copied().flatten().fold(0u64, |sum, part| sum.saturating_add(part.accepted));
        if let Some(all) = answer.all.as_ref().filter(|all| sum > all.accepted) {
            let text = format!("{sum} accepted in parts, and {} in all", all.accepted);
            self.add(method, Rule::Contradiction, text);
        }
    }
}
