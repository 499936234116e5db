//! What a try of the way to a device shows.

use crate::check::prelude::*;
use crate::probe::{
    DevicePath, DevicePathRequest, NetworkProbe, PathTried, PortReply, ProbeError, Replier, Vantage,
};

choices! {
    /// How far a try of the way to a device came.
    Reach {
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

/// Tries the way to the device from there.
pub(in crate::check) async fn device_path(
    probe: &dyn NetworkProbe,
    from: Vantage,
    request: &CheckRequest<'_>,
) -> Result<DevicePath, ProbeError> {
    let asked = DevicePathRequest::new(from, request.device());
    probe.device_path(&asked).await.by(probe.source())
}

/// From where the way to the device is tried: its gateway, else its site, else from anywhere.
pub(in crate::check) fn vantage(request: &CheckRequest<'_>) -> Vantage {
    let subject = request.subject();
    match (&subject.gateway, &subject.site) {
        (Some(gateway), _) => Vantage::Gateway(gateway.clone()),
        (None, Some(site)) => Vantage::Site(site.clone()),
        (None, None) => Vantage::Anywhere,
    }
}

/// How far it came; the reason where that does not show.
///
/// - answers: the port of its protocol took the connection; of a device that listens nowhere: it answers at all;
/// - port refused, port silent: it answers otherwise;
/// - other host: who answers under its address has another identity than the registered one;
/// - link up, link down, segment only, segment unknown, nobody: it does not answer at all. Its own switch port shows
///   something only where its segment is not known to be dead.
pub(in crate::check) fn reach(path: &DevicePath) -> Result<Reach, &'static str> {
    use PortReply::{Answered, ListensNowhere, NotTried, Refused, Silent};
    if is_other_host(path) {
        return Ok(Reach::OtherHost);
    }
    match (path.port, path.otherwise) {
        (Answered, _) | (ListensNowhere, Some(true)) => Ok(Reach::Answers),
        (Refused, _) => Ok(Reach::PortRefused),
        (Silent, Some(true)) => Ok(Reach::PortSilent),
        (NotTried, Some(true)) => Err("it answers a ping, and nobody tried the port of its protocol"),
        (Silent | ListensNowhere | NotTried, Some(false)) => Ok(match (path.segment, path.link) {
            (Some(false), _) => Reach::Nobody,
            (_, Some(true)) => Reach::LinkUp,
            (_, Some(false)) => Reach::LinkDown,
            (Some(true), None) => Reach::SegmentOnly,
            (None, None) => Reach::SegmentUnknown,
        }),
        (Silent, None) => Err("its port is silent, and nobody tried whether it answers otherwise"),
        (ListensNowhere | NotTried, None) => Err("nobody tried whether it answers"),
    }
}

fn has_replied(path: &DevicePath) -> bool {
    matches!(path.port, PortReply::Answered | PortReply::Refused) || path.otherwise == Some(true)
}

/// True if the device itself replied, and so has power.
pub(in crate::check) fn proves_power(path: &DevicePath) -> bool {
    has_replied(path) && path.replier == Replier::Device && !is_other_host(path)
}

/// True if somebody replied under the device's address who is not the device. Two spellings of one hardware address are
/// the same; a text without any letter or digit is not known.
fn is_other_host(path: &DevicePath) -> bool {
    let Some(identity) = path.identity.as_ref().filter(|_| has_replied(path)) else { return false };
    let spelled = |text: &str| -> String {
        text.chars().filter(|char| char.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let (registered, replied) = (spelled(&identity.registered), spelled(&identity.replied));
    !registered.is_empty() && !replied.is_empty() && registered != replied
}

/// What was tried, for the person who reads the trace.
pub(in crate::check) fn details(path: &DevicePath) -> Vec<Detail> {
    let mut details = vec![Detail::new(
        "port",
        match path.port {
            PortReply::Answered => "answered",
            PortReply::Refused => "refused",
            PortReply::Silent => "silent",
            PortReply::ListensNowhere => "it listens on none",
            PortReply::NotTried => "not tried",
        },
    )];
    details.extend(either("otherwise", path.otherwise, ["answered", "no answer"]));
    details.extend(either("segment", path.segment, ["works", "silent"]));
    details.extend(either("switch port", path.link, ["has a link", "has no link"]));
    if let Some(identity) = path.identity.as_ref().filter(|_| is_other_host(path)) {
        let text = format!("{}, registered is {}", identity.replied, identity.registered);
        details.push(Detail::new("another host answers under its address", text));
    }
    details.extend(either("carrier", path.held_by_carrier, ["holds it back", "does not hold it back"]));
    details.extend(match path.replier {
        Replier::Device => Some(Detail::new("replied", "the device itself")),
        Replier::FedOtherwise => Some(Detail::new("replied", "a module that is fed otherwise")),
        Replier::NotKnown => None,
    });
    details.extend(paths(&path.tried));
    details
}

/// The verdict of a reach.
pub(in crate::check) fn verdict(path: &DevicePath) -> Verdict {
    match reach(path) {
        Ok(reach) => Verdict::known(reach, path.observed_at).with(details(path)),
        Err(why) => Verdict::undetermined(why).with(details(path)),
    }
}

/// The ways that answered and those that did not, by name.
pub(in crate::check) fn paths(tried: &[PathTried]) -> Vec<Detail> {
    let named = |(name, answered): (&'static str, bool)| {
        let of_it = tried.iter().filter(|path| path.answered == answered);
        let names: Vec<_> = of_it.map(|path| &*path.name).collect();
        (!names.is_empty()).then(|| Detail::new(name, names.join(", ")))
    };
    [("answered", true), ("no answer", false)].into_iter().filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;
    use crate::probe::Identity;

    fn path(port: PortReply, otherwise: Option<bool>, segment: Option<bool>) -> DevicePath {
        DevicePath { port, otherwise, segment, ..DevicePath::new(at(NOW)) }
    }

    #[test]
    fn each_reply_leads_to_its_reach() {
        use PortReply::{Answered, ListensNowhere, NotTried, Refused, Silent};
        let (yes, no) = (Some(true), Some(false));
        for (port, otherwise, segment, expected) in [
            (Answered, None, None, Some(Reach::Answers)),
            (Answered, no, no, Some(Reach::Answers)),
            (ListensNowhere, yes, None, Some(Reach::Answers)),
            (Refused, None, None, Some(Reach::PortRefused)),
            (Refused, no, no, Some(Reach::PortRefused)),
            (Silent, yes, None, Some(Reach::PortSilent)),
            (Silent, yes, no, Some(Reach::PortSilent)),
            (Silent, no, yes, Some(Reach::SegmentOnly)),
            (Silent, no, None, Some(Reach::SegmentUnknown)),
            (Silent, no, no, Some(Reach::Nobody)),
            (NotTried, no, no, Some(Reach::Nobody)),
            (ListensNowhere, no, yes, Some(Reach::SegmentOnly)),
            (ListensNowhere, no, None, Some(Reach::SegmentUnknown)),
            (NotTried, yes, None, None),
            (Silent, None, yes, None),
            (Silent, None, no, None),
            (NotTried, None, None, None),
            (ListensNowhere, None, yes, None),
        ] {
            let path = path(port, otherwise, segment);
            assert_eq!(reach(&path).ok(), expected, "{path:?}");
        }
    }

    #[test]
    fn its_own_port_says_more_than_a_live_segment() {
        let (yes, no) = (Some(true), Some(false));
        for (segment, link, expected) in [
            (yes, yes, Reach::LinkUp),
            (yes, no, Reach::LinkDown),
            (yes, None, Reach::SegmentOnly),
            (None, yes, Reach::LinkUp),
            (None, no, Reach::LinkDown),
            (None, None, Reach::SegmentUnknown),
            (no, yes, Reach::Nobody),
            (no, no, Reach::Nobody),
        ] {
            let mut path = path(PortReply::Silent, no, segment);
            path.link = link;
            assert_eq!(reach(&path), Ok(expected), "{path:?}");
            path.port = PortReply::Answered;
            assert_eq!(reach(&path), Ok(Reach::Answers), "{path:?}");
        }
    }

    #[test]
    fn address_that_another_host_took_is_named() {
        use PortReply::{Answered, Refused, Silent};
        let of = |port, otherwise, registered: &str, replied: &str| {
            let identity = Identity::new(registered.into(), replied.into());
            path(port, otherwise, Some(true)).with_identity(identity).with_replier(Replier::Device)
        };
        let (one, other) = ("00:1B:1B:0A:42:07", "00:1b:1b:0a:42:08");
        for path in [
            of(Answered, None, one, other),
            of(Refused, None, one, other),
            of(Silent, Some(true), one, other),
        ] {
            assert_eq!(reach(&path), Ok(Reach::OtherHost), "{path:?}");
            assert!(!proves_power(&path), "its power is not the device's");
            let named = verdict(&path);
            let text = named.detail("another host answers under its address");
            assert_eq!(text, Some("00:1b:1b:0a:42:08, registered is 00:1B:1B:0A:42:07"));
        }
        for path in [
            of(Answered, None, one, "001b-1b0a-4207"),
            of(Answered, None, "", other),
            of(Answered, None, one, "-"),
        ] {
            assert_eq!(reach(&path), Ok(Reach::Answers), "{path:?}");
            assert!(proves_power(&path));
            assert_eq!(details(&path).len(), 3);
        }
        assert_eq!(reach(&of(Silent, Some(false), one, other)), Ok(Reach::SegmentOnly), "nobody replied");
    }

    #[test]
    fn only_own_reply_proves_power() {
        use PortReply::{Answered, Refused, Silent};
        for (port, otherwise, replier, proof) in [
            (Answered, None, Replier::Device, true),
            (Refused, None, Replier::Device, true),
            (Silent, Some(true), Replier::Device, true),
            (Silent, Some(false), Replier::Device, false),
            (Answered, None, Replier::FedOtherwise, false),
            (Answered, None, Replier::NotKnown, false),
        ] {
            let path = path(port, otherwise, None).with_replier(replier);
            assert_eq!(proves_power(&path), proof, "{path:?}");
        }
    }
}
