use chrono::TimeDelta;

use crate::check::broker::holder::holder;
use crate::check::prelude::*;
use crate::probe::{ProvisioningContact as Answer, ProvisioningContactRequest};

check! {
    /// Did the session holder reach the provisioning service with its manufacturing certificate lately?
    ProvisioningContact = "provisioning-contact", Session, Now, FLAG;
    within: TimeDelta,
}

impl Builtin for ProvisioningContact {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.cert_store(), "certificate probe")?;
        let holder = holder(request, probes).await?;
        let asked = ProvisioningContactRequest::new(holder.client.clone(), request.last(self.within));
        let answer = probe.provisioning_contact(&asked).await.by(probe.source())?;
        Ok(judge(&answer, self.within, request).with([holder.detail()]).by(probe.source()))
    }
}

/// Yes: at most `within` ago. A contact is proof where the log is short; silence is not. A last contact of the future is
/// neither: it is unknown when it was.
fn judge(answer: &Answer, within: TimeDelta, request: &CheckRequest<'_>) -> Verdict {
    let asked = request.last(within);
    let contact = answer.last.filter(|at| *at >= asked.start() && request.has_happened(*at));
    if let Some(at) = contact {
        return Verdict::known(Value::Flag(true), answer.observed_at).with([when("last contact", at)]);
    }
    if let Some(missing) = not_covered(asked, answer.covers) {
        return Verdict::stale(missing);
    }
    if let Some(last) = answer.last.filter(|at| !request.has_happened(*at)) {
        return Verdict::future(format!("the last contact is dated in the future: {}", moment(last)));
    }
    let none = Detail::new("last contact", "none in the period");
    Verdict::known(Value::Flag(false), answer.observed_at).with([none])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;

    #[test]
    fn the_bound_is_judged_to_the_nanosecond() {
        for (last, contact) in [(at(NOW - 900) - NANO, false), (at(NOW - 900), true), (at(NOW + 30), true)] {
            let answer = Answer::new(at(NOW), period(NOW - 900, NOW)).with_last(last);
            judge(&answer, secs(900), &Asked::new().request()).expect_of(&last, contact);
        }
        let ahead = Answer::new(at(NOW), period(NOW - 900, NOW)).with_last(at(NOW + 31));
        judge(&ahead, secs(900), &Asked::new().request()).expect(Future);
    }

    #[test]
    fn silence_needs_a_log_that_covers() {
        let short = Answer::new(at(NOW), period(NOW - 899, NOW));
        let verdict = judge(&short, secs(900), &Asked::new().request());
        verdict.expect(Stale);
        judge(&short.with_last(at(NOW - 5)), secs(900), &Asked::new().request()).expect(true);
    }
}
