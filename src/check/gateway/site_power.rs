use crate::check::prelude::*;
use crate::probe::{SitePower as Facts, SitePowerRequest};

choices! {
    State {
        Fed = "fed",
        NotFed = "not-fed",
    }
}

check! {
    /// Does the site have power, as measured by something that does not depend on its network?
    SitePower = "site-power", Site, Now, State::VALUES;
}

impl Builtin for SitePower {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.power(), "power probe")?;
        let site = request.site(probe.source())?;
        let facts = probe.site_power(&SitePowerRequest::new(site.clone())).await.by(probe.source())?;
        Ok(judge(&facts).by(probe.source()))
    }
}

/// Fed where every feed is live, not fed where all are dead; undetermined where some are, since nobody knows which one feeds
/// what is silent. A reading that needs the site's own network shows nothing.
fn judge(facts: &Facts) -> Verdict {
    let details = facts.feeds.iter().map(|feed| {
        let state = if feed.live { "live" } else { "dead" };
        let not_counted =
            if feed.needs_site_network { " (not counted: it needs the site's network)" } else { "" };
        Detail::new(String::from(&*feed.name), format!("{state}{not_counted}"))
    });
    let mut feeds = facts.feeds.iter().filter(|feed| !feed.needs_site_network).map(|feed| feed.live);
    let verdict = match feeds.next() {
        None => Verdict::undetermined("nobody measures the site's feeds without its network"),
        Some(first) if feeds.any(|live| live != first) => Verdict::undetermined(
            "one feed of the site is live and another is dead: nobody knows which feeds what is silent",
        ),
        Some(true) => Verdict::known(State::Fed, facts.observed_at),
        Some(false) => Verdict::known(State::NotFed, facts.observed_at),
    };
    verdict.with(details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;
    use crate::probe::FeedReading;

    #[test]
    fn feeds_off_the_network_must_agree() {
        let judged = |feeds: &[(bool, bool)]| {
            let feeds =
                feeds.iter().map(|(live, needs)| FeedReading::new("meter".into(), *live, *needs)).collect();
            judge(&Facts::new(at(NOW)).with_feeds(feeds))
        };
        judged(&[(true, false)]).expect(State::Fed);
        judged(&[(true, false), (true, false), (false, true)]).expect(State::Fed);
        judged(&[(false, false), (true, false)]).expect(Undetermined);
        judged(&[(true, false), (true, false), (false, false)]).expect(Undetermined);
        judged(&[(false, false), (false, false)]).expect(State::NotFed);
        judged(&[(false, false), (true, true)]).expect(State::NotFed);
        judged(&[(true, true), (false, true)]).expect(Undetermined);
        judged(&[]).expect(Undetermined);
    }
}
