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

/// Fed where one feed is live, not fed where all are dead. A reading that needs the site's own network shows nothing.
fn judge(facts: &Facts) -> Verdict {
    let details = facts.feeds.iter().map(|feed| {
        let state = if feed.live { "live" } else { "dead" };
        let not_counted =
            if feed.needs_site_network { " (not counted: it needs the site's network)" } else { "" };
        Detail::new(String::from(&*feed.name), format!("{state}{not_counted}"))
    });
    let counted: Vec<_> = facts.feeds.iter().filter(|feed| !feed.needs_site_network).collect();
    let verdict = match counted.iter().any(|feed| feed.live) {
        _ if counted.is_empty() => {
            Verdict::undetermined("nobody measures the site's feeds without its network")
        }
        true => Verdict::known(State::Fed, facts.observed_at),
        false => Verdict::known(State::NotFed, facts.observed_at),
    };
    verdict.with(details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;
    use crate::probe::FeedReading;

    #[test]
    fn one_live_feed_off_the_network_is_enough() {
        let judged = |feeds: &[(bool, bool)]| {
            let feeds =
                feeds.iter().map(|(live, needs)| FeedReading::new("meter".into(), *live, *needs)).collect();
            judge(&Facts::new(at(NOW)).with_feeds(feeds))
        };
        judged(&[(true, false)]).expect(State::Fed);
        judged(&[(false, false), (true, false)]).expect(State::Fed);
        judged(&[(false, false), (false, false)]).expect(State::NotFed);
        judged(&[(false, false), (true, true)]).expect(State::NotFed);
        judged(&[(true, true), (false, true)]).expect(Undetermined);
        judged(&[]).expect(Undetermined);
    }
}
