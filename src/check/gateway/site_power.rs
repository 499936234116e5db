use crate::check::CheckRequest;
use crate::check::judge::{Verdict, adapter, choices};
use crate::check::spec::{Builtin, Observed, check};
use crate::fact::{Detail, Details};
use crate::probe::{Probes, SitePower as Facts, SitePowerRequest};

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
        let asked = SitePowerRequest::new(site.clone());
        let facts = probe.site_power(&asked).await.map_err(|error| error.by(probe.source()))?;
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
    let details = Details::from_iter(details);
    let mut feeds = facts.feeds.iter().filter(|feed| !feed.needs_site_network).peekable();
    if feeds.peek().is_none() {
        return Verdict::undetermined("nobody measures the site's feeds without its network")
            .with(details.iter().cloned());
    }
    let state = if feeds.any(|feed| feed.live) { State::Fed } else { State::NotFed };
    Verdict::known(state.value(), facts.observed_at, details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{NOW, at};
    use crate::probe::FeedReading;

    #[test]
    fn one_live_feed_off_the_network_is_enough() {
        let judged = |feeds: &[(bool, bool)]| {
            let feeds =
                feeds.iter().map(|(live, needs)| FeedReading::new("meter".into(), *live, *needs)).collect();
            judge(&Facts::new(at(NOW)).with_feeds(feeds)).value()
        };
        let (fed, not_fed) = (Some(State::Fed.value()), Some(State::NotFed.value()));
        assert_eq!(judged(&[(true, false)]), fed);
        assert_eq!(judged(&[(false, false), (true, false)]), fed);
        assert_eq!(judged(&[(false, false), (false, false)]), not_fed);
        assert_eq!(judged(&[(false, false), (true, true)]), not_fed);
        assert_eq!(judged(&[(true, true), (false, true)]), None);
        assert_eq!(judged(&[]), None);
    }
}
