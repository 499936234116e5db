//! Records as a person reads them, a line each.

use std::fmt;

use super::{Record, Recorded, RecordedObservation, RecordedValue, Took};
use crate::diagnosis::reply::ActOutcome;
use crate::fact::Details;

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.format("%H:%M:%S%.3f");
        write!(f, "{at} {}/{}: {}", self.runbook, self.step, self.what)
    }
}

/// Writes what an adapter said on one line: its control characters could forge a line of the trace, or garble a terminal.
pub(in crate::diagnosis) struct OneLine<'a, 'b>(pub(in crate::diagnosis) &'a mut fmt::Formatter<'b>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(is_unsafe) {
            let mut safe = part.chars();
            let last = safe.next_back().filter(|last| is_unsafe(*last));
            match last {
                None => self.0.write_str(part)?,
                Some(last) => write!(self.0, "{}{}", safe.as_str(), last.escape_default())?,
            }
        }
        Ok(())
    }
}

/// Control characters, and those that turn the direction of the text.
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " [{}] -> {}", self.by, self.to)?;
        match &self.note {
            Some(note) => write!(f, " (noted: {note})"),
            None => Ok(()),
        }
    }
}

struct After<'a>(&'a Option<Took>);

impl fmt::Display for After<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |took| fmt::Display::fmt(took, f))
    }
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(&mut OneLine(f))
    }
}

impl Recorded {
    fn write_to(&self, f: &mut impl fmt::Write) -> fmt::Result {
        match self {
            Self::Asked { check, of, exploring, .. } => {
                write!(f, "{} {check} of {of}", if *exploring { "explores: asks" } else { "asks" })
            }
            Self::Explored { check, observation, .. } => write!(f, "explored: {check} = {observation}"),
            Self::Blipped { check, observation, pause, .. } => {
                write!(f, "{check} = {observation}; asked again in {pause}")
            }
            Self::News { check, observation } => write!(f, "news: {check} = {observation}"),
            Self::Answered { check, observation, took, .. }
            | Self::Rechecked { check, observation, took, .. } => {
                write!(f, "{check} = {observation}{}", After(took))
            }
            Self::Known { check, record, took } => {
                write!(f, "{check} is known from record {record}{}", After(took))
            }
            Self::NotNamed { check, part, took } => {
                write!(f, "{check} is not asked: the subject names no {part}{}", After(took))
            }
            Self::Elapsed { elapsed, took } => write!(f, "{elapsed} since the trigger{}", After(took)),
            Self::Accounted { share, took } => {
                write!(f, "the answers account for {:.0} %{}", share * 100.0, After(took))
            }
            Self::PersonAsked { question, within, .. } => {
                write!(f, "asks a person, for {within}: {question}")
            }
            Self::PersonAnswered { value, by, took, .. } => match value {
                Some(value) => write!(f, "{by} says {value}{}", After(took)),
                None => write!(f, "{by} does not know{}", After(took)),
            },
            Self::WaitBegan { length } => write!(f, "waits {length}"),
            Self::WaitEnded { idle, took } => {
                write!(f, "{}{}", if *idle { "was over already" } else { "waited" }, After(took))
            }
            Self::ApprovalAsked { action, within, .. } => {
                write!(f, "asks for approval of {action}, for {within}")
            }
            Self::Approved { by, .. } => write!(f, "{by} approves"),
            Self::Declined { by, reason, took, .. } => write!(f, "{by} declines: {reason}{}", After(took)),
            Self::ActBegan { action, within, .. } => write!(f, "acts: {action}, within {within}"),
            Self::Acted { outcome, by, details, took, .. } => {
                let outcome = match outcome {
                    ActOutcome::Done => "done",
                    ActOutcome::Refused => "refused",
                    ActOutcome::Failed => "failed",
                };
                write!(f, "{by}: {outcome}{}{}", Beside(details), After(took))
            }
            Self::Expired { took, .. } => write!(f, "no answer in time{}", After(took)),
            Self::Called { runbook } => write!(f, "hands over to {runbook}"),
            Self::Returned { conclusion, took } => {
                write!(f, "it came to {}{}", conclusion.as_deref().unwrap_or("no conclusion"), After(took))
            }
            Self::Left => f.write_str("the called runbook is left"),
            Self::WentOn => f.write_str("goes on: what failed for a moment is asked again"),
            Self::Withdrawn { by, why, acting } => {
                write!(f, "{by} withdraws it: {why}{}", if *acting { "; an act is under way" } else { "" })
            }
            Self::Alerted { severity, text } => write!(f, "alert ({severity}): {text}"),
            Self::Anomaly(anomaly) => write!(f, "anomaly: {anomaly}"),
            Self::Concluded => f.write_str("concluded"),
            Self::Undetermined => f.write_str("undetermined: only hypotheses are left"),
            Self::Aborted(anomaly) => write!(f, "cannot go on: {anomaly}"),
        }
    }
}

struct Beside<'a>(&'a Details);

impl fmt::Display for Beside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for detail in self.0 {
            write!(f, "; {}: {}", detail.name, detail.text)?;
        }
        Ok(())
    }
}

impl fmt::Display for RecordedObservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known { value, source, details, .. } => write!(f, "{value} by {source}{}", Beside(details)),
            Self::Unknown { reason, source, details, .. } => {
                write!(f, "unknown ({reason}) by {source}{}", Beside(details))
            }
        }
    }
}

impl fmt::Display for RecordedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Duration(text) | Self::Number(text) => f.write_str(text),
            Self::Instant(at) => write!(f, "{}", at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
            Self::Count(count) => count.fmt(f),
            Self::Flag(flag) => f.write_str(if *flag { "yes" } else { "no" }),
            Self::Choice(name) => f.write_str(name),
        }
    }
}
