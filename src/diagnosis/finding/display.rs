//! A finding and its hypotheses as a log shows them, a line each.

use std::fmt;

use super::{Ending, Finding, Hypothesis};
use crate::diagnosis::bundle::OneLine;
use crate::fact::Value;

/// One line: the runbook and the device, then the conclusion, or what is still possible and what to find out next.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(&mut OneLine(f))
    }
}

/// One line: the cause and its share, what supports it, what is unknown on the way to it, and where the walk stopped.
impl fmt::Display for Hypothesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(&mut OneLine(f))
    }
}

impl Finding {
    fn write_to(&self, to: &mut impl fmt::Write) -> fmt::Result {
        write!(to, "{} of {}: ", self.runbook, self.subject.device)?;
        match &self.ending {
            Ending::Concluded => self.write_conclusion(to),
            Ending::Undetermined => self.write_hypotheses(to),
            Ending::Aborted(anomaly) => write!(to, "aborted: {anomaly}"),
            Ending::Withdrawn { by, why, under_way } => {
                write!(to, "withdrawn by {by}: {why}")?;
                let Some(act) = under_way else { return Ok(()) };
                write!(to, "; {} is still under way", act.action)
            }
        }
    }

    fn write_conclusion(&self, to: &mut impl fmt::Write) -> fmt::Result {
        let Some(conclusion) = &self.conclusion else { return to.write_str("no conclusion") };
        write!(to, "{} ({conclusion}", self.title.as_deref().unwrap_or(conclusion))?;
        if let Some(severity) = self.severity {
            write!(to, ", {severity}")?;
        }
        to.write_str(if self.recovered { ", recovered)" } else { ")" })
    }

    fn write_hypotheses(&self, to: &mut impl fmt::Write) -> fmt::Result {
        to.write_str("no conclusion")?;
        let possible = self.hypotheses.iter().map(Hypothesis::cause_and_share);
        write_list(to, "; possible: ", possible)?;
        match &self.next_probe {
            Some(next) => write!(to, "; find out next: {}", next.step),
            None => {
                let unanswered = self.unanswered.iter().map(|step| format!("{} ({})", step.step, step.why));
                write_list(to, "; unanswered: ", unanswered)
            }
        }
    }
}

impl Hypothesis {
    fn cause_and_share(&self) -> String {
        format!("{} {}", self.cause, Value::Number(self.share).in_percent().unwrap_or_default())
    }

    fn write_to(&self, to: &mut impl fmt::Write) -> fmt::Result {
        to.write_str(&self.cause_and_share())?;
        let facts = self.supported_by.iter().map(|fact| format!("{} = {}", fact.check, fact.value));
        write_list(to, "; supported by ", facts)?;
        write_list(to, "; unknown: ", &self.needs)?;
        self.blocked_at.as_ref().map_or(Ok(()), |step| write!(to, "; only behind {step}"))
    }
}

/// The items after `before`; nothing where there are none.
fn write_list(
    to: &mut impl fmt::Write,
    before: &str,
    items: impl IntoIterator<Item = impl fmt::Display>,
) -> fmt::Result {
    for (position, item) in items.into_iter().enumerate() {
        write!(to, "{}{item}", if position == 0 { before } else { ", " })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::super::{Fact, NextProbe, Unanswered, UnderWay};
    use super::*;
    use crate::diagnosis::{Anomaly, DiagnosisId, Unanswerable};
    use crate::fact::Details;
    use crate::runbook::step::Severity;
    use crate::subject::{Scope, Subject};

    fn blank(ending: Ending) -> Finding {
        let (at, subject) = (DateTime::UNIX_EPOCH, Subject::device("press-07"));
        Finding { ending, ..Finding::blank(DiagnosisId::random(at).unwrap(), "device-offline", subject, at) }
    }

    fn hypothesis(cause: &str, share: f64) -> Hypothesis {
        Hypothesis {
            cause: cause.into(),
            share,
            conclusions: Vec::new(),
            outcomes: Vec::new(),
            blocked_at: None,
            supported_by: Vec::new(),
            needs: Vec::new(),
        }
    }

    #[test]
    fn finding_is_one_line_for_each_ending() {
        let concluded = Finding {
            conclusion: Some("power-fault".into()),
            title: Some("The device has no power".into()),
            severity: Some(Severity::Critical),
            ..blank(Ending::Concluded)
        };
        let recovered = Finding { recovered: true, severity: Some(Severity::Info), ..concluded.clone() };
        let open = Finding {
            hypotheses: vec![hypothesis("power-loss", 0.615), hypothesis("gateway-fault", 0.385)],
            unanswered: vec![Unanswered { step: "power".into(), why: Unanswerable::NoAdapter }],
            ..blank(Ending::Undetermined)
        };
        let next_probe = Some(NextProbe { step: "health".into(), check: "gateway-health".into(), bits: 0.5 });
        let withdrawn = |why: &str, act: Option<&str>| Ending::Withdrawn {
            by: "shift lead".into(),
            why: why.into(),
            under_way: act.map(|action| UnderWay { action: action.into(), target: None }),
        };
        for (finding, line) in [
            (concluded, "The device has no power (power-fault, critical)"),
            (recovered, "The device has no power (power-fault, info, recovered)"),
            (
                open.clone(),
                "no conclusion; possible: power-loss 62 %, gateway-fault 39 %; unanswered: power (no adapter answers it)",
            ),
            (
                Finding { next_probe, ..open },
                "no conclusion; possible: power-loss 62 %, gateway-fault 39 %; find out next: health",
            ),
            (blank(Ending::Undetermined), "no conclusion"),
            (blank(Ending::Aborted(Anomaly::NoBranch)), "aborted: no branch takes the value"),
            (blank(withdrawn("planned work", None)), "withdrawn by shift lead: planned work"),
            (
                blank(withdrawn("two\nlines", Some("restart-gateway"))),
                "withdrawn by shift lead: two\\nlines; restart-gateway is still under way",
            ),
        ] {
            assert_eq!(finding.to_string(), format!("device-offline of press-07: {line}"));
        }
    }

    #[test]
    fn hypothesis_shows_what_supports_it() {
        let fact = |check: &str, value: &str| Fact {
            check: check.into(),
            scope: Scope::Device,
            value: value.to_owned(),
            source: "monitor".into(),
            observed_at: None,
            details: Details::none(),
        };
        let bare = hypothesis("power-loss", 1.0);
        assert_eq!(bare.to_string(), "power-loss 100 %");
        let full = Hypothesis {
            supported_by: vec![fact("ot-network", "nobody"), fact("path", "cut\u{7}")],
            needs: vec!["power".into(), "feed".into()],
            blocked_at: Some("restart".into()),
            ..hypothesis("power-loss", 0.004)
        };
        assert_eq!(
            full.to_string(),
            "power-loss under 1 %; supported by ot-network = nobody, path = cut\\u{7}; unknown: power, feed; only \
             behind restart"
        );
    }
}
