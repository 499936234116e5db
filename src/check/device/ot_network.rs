use super::path::{self, Reach};
use crate::check::prelude::*;
use crate::probe::{DevicePath, PortReply};

choices! {
    State {
        CarrierHolds = "carrier-holds",
        Answers = "answers",
        PortRefused = "port-refused",
        PortSilent = "port-silent",
        OtherHost = "other-host",
        LinkUp = "link-up",
        LinkDown = "link-down",
        SegmentOnly = "segment-only",
        SegmentUnknown = "segment-unknown",
        Nobody = "nobody",
    }
}

check! {
    /// Does the device answer on its network, from its gateway, its site's router, or whoever can reach it?
    OtNetwork = "ot-network", Device, Now, State::VALUES;
}

impl Builtin for OtNetwork {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.network(), "network probe")?;
        let path = path::device_path(probe, path::vantage(request), request).await?;
        Ok(judge(&path).by(probe.source()))
    }
}

/// The carrier's word comes first: it holds back a device that would answer otherwise. Any reply of the device shows that
/// its network works, whether or not the port of its protocol was tried.
fn judge(path: &DevicePath) -> Verdict {
    let known = |state: State| Verdict::known(state, path.observed_at).with(path::details(path));
    if path.held_by_carrier == Some(true) {
        return known(State::CarrierHolds);
    }
    match path::reach(path) {
        Err(_) if path.port == PortReply::NotTried && path.otherwise == Some(true) => known(State::Answers),
        Ok(Reach::Answers) => known(State::Answers),
        Ok(Reach::PortRefused) => known(State::PortRefused),
        Ok(Reach::PortSilent) => known(State::PortSilent),
        Ok(Reach::OtherHost) => known(State::OtherHost),
        Ok(Reach::LinkUp) => known(State::LinkUp),
        Ok(Reach::LinkDown) => known(State::LinkDown),
        Ok(Reach::SegmentOnly) => known(State::SegmentOnly),
        Ok(Reach::SegmentUnknown) => known(State::SegmentUnknown),
        Ok(Reach::Nobody) => known(State::Nobody),
        Err(why) => Verdict::undetermined(why).with(path::details(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;
    use crate::probe::Identity;

    #[test]
    fn the_carrier_decides_and_then_the_reach() {
        let path = || DevicePath::new(at(NOW));
        for (path, state) in [
            (path().with_held_by_carrier(true).with_port(PortReply::Answered), State::CarrierHolds),
            (path().with_held_by_carrier(false).with_port(PortReply::Answered), State::Answers),
            (path().with_otherwise(true), State::Answers),
            (path().with_port(PortReply::Refused), State::PortRefused),
            (path().with_port(PortReply::Silent).with_otherwise(true), State::PortSilent),
            (path().with_otherwise(false).with_segment(true), State::SegmentOnly),
            (path().with_otherwise(false).with_segment(true).with_link(true), State::LinkUp),
            (path().with_otherwise(false).with_segment(true).with_link(false), State::LinkDown),
            (
                path().with_otherwise(true).with_identity(Identity::new("a".into(), "b".into())),
                State::OtherHost,
            ),
            (path().with_otherwise(false), State::SegmentUnknown),
            (path().with_otherwise(false).with_segment(false), State::Nobody),
        ] {
            judge(&path).expect_of(&path, state);
        }
        for path in [path(), path().with_port(PortReply::Silent), path().with_held_by_carrier(false)] {
            judge(&path).expect_of(&path, Undetermined);
        }
    }
}
