//! The judge: whether a diagnosis sends people to something that was broken.

use chrono::{DateTime, TimeDelta, Utc};

/// What was over for longer than this at the end of a diagnosis is no place to send anybody to. Above what a device
/// takes to come back, and the last look of a diagnosis.
const GRACE: TimeDelta = TimeDelta::seconds(3);
/// What came and went within this before the end still shows in the last look at the connection: above the time for which
/// a flap is monitored, and what a device takes to come back.
const MONITORED: TimeDelta = TimeDelta::seconds(8);

/// Something that was broken on the way of the device's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The conclusions that send people to it.
    pub conclusions: &'static [&'static str],
    /// From when on.
    pub from: DateTime<Utc>,
    /// Until when; none while it is broken.
    pub until: Option<DateTime<Utc>>,
}

impl Broken {
    /// Whether this conclusion sends people to it.
    fn is_named_by(&self, conclusion: &str) -> bool {
        self.conclusions.contains(&conclusion)
    }
}

/// The end of a diagnosis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended<'a> {
    /// When.
    pub at: DateTime<Utc>,
    /// Its conclusion; none where it stayed undetermined.
    pub conclusion: Option<&'a str>,
    /// For each hypothesis, the likeliest first, the conclusions that belong to it.
    pub hypotheses: Vec<Vec<&'a str>>,
    /// Whether the device's messages came again by then.
    pub back: bool,
    /// Whether the finding says itself that what it names is over.
    pub over: bool,
}

/// What a diagnosis is worth to whoever gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It names something that was broken; or it says that the device is back, and it is.
    Right,
    /// It is undetermined, with the truth in first or second place.
    Honest,
    /// It is undetermined, and its hypotheses lead away from the truth.
    Unhelpful,
    /// It names one place where nothing was broken.
    WronglyCertain,
}

impl Judgement {
    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Honest => "honest",
            Self::Unhelpful => "not helpful",
            Self::WronglyCertain => "WRONGLY CERTAIN",
        }
    }
}

/// Conclusions that name several places, and say that it is not known which: each with the conclusions of those that its
/// title and its advice name, and of no other.
const UNCERTAIN: &[(&str, &[&str])] = &[
    ("site-offline", &["site-uplink-fault", "site-power-fault"]),
    // Its power, its cable or switch port; a power cycle, which cures a crashed client.
    ("power-uncertain", &["power-fault", "ot-network-fault", "device-client-fault"]),
    ("client-or-clock", &["device-client-fault", "clock-wrong"]),
    // The network first, then a technician to the device, who finds whatever is broken in it, that it was reset and has lost
    // its certificate included. A certificate that it has and that is not good does not show there.
    (
        "not-reachable",
        &[
            "ot-network-fault",
            "dispatch-technician",
            "device-client-fault",
            "field-protocol-fault",
            "certificate-missing",
        ],
    ),
];

/// The conclusions that send nobody to a place, and leave open what is broken: those that name one of these places among
/// others, and those that say that it has changed while the diagnosis ran.
pub(super) fn honest(places: &[&str]) -> impl Iterator<Item = &'static str> {
    let named = UNCERTAIN.iter().filter(|(_, among)| among.iter().any(|place| places.contains(place)));
    named.map(|(uncertain, _)| *uncertain).chain(["back-and-gone", "changed-meanwhile"])
}

/// Judges the end of a diagnosis by what was broken.
///
/// Of several broken parts each alone keeps the device silent, so each is a right answer while it is broken.
pub fn judge(broken: &[Broken], ended: &Ended<'_>) -> Judgement {
    let scene = Scene { broken, ended };
    let Some(conclusion) = ended.conclusion else { return scene.judge_hypotheses() };
    let right_if = |right: bool| if right { Judgement::Right } else { Judgement::WronglyCertain };
    match conclusion {
        // Nobody is sent anywhere; but something must have happened, and the device must be back.
        "recovered-meanwhile" => right_if(ended.back && scene.began().next().is_some()),
        // The same; and whatever makes the connection come and go must be over, or show in nothing that anybody sees.
        "connectivity-flap" => right_if(
            ended.back
                && !scene.flaps_on()
                && (scene.came_and_went().next().is_some() || scene.active(conclusion)),
        ),
        // It credits an act: what the act mends must have been broken, and the device must be back.
        "gateway-recovered" | "certificate-renewed" => right_if(ended.back && scene.was(conclusion)),
        // It names one cause that is over, and says that there is another.
        "renewed-and-silent" => {
            let is_true = scene.was("certificate-renewed") && !ended.back;
            if is_true { Judgement::Honest } else { Judgement::WronglyCertain }
        }
        // It names no place, and says that another fault came while it looked: the device is away, and one did.
        "changed-meanwhile" => {
            let is_true = !ended.back && scene.still_broken().next().is_some() && scene.began().count() > 1;
            if is_true { Judgement::Honest } else { Judgement::WronglyCertain }
        }
        // It names no place either, and says that the device came back and did not stay: something keeps it from staying.
        "back-and-gone" => {
            let is_true = scene.still_broken().next().is_some() || scene.came_and_went_lately();
            if is_true { Judgement::Honest } else { Judgement::WronglyCertain }
        }
        // Several that came and went a moment ago make a connection that comes and goes; what stays broken must be named.
        "persistent-flapping" if scene.came_and_went_lately() => Judgement::Right,
        // It sends people to what is broken now.
        _ if scene.active(conclusion) => Judgement::Right,
        // It says itself that what it names is over.
        _ if ended.over && scene.was(conclusion) => Judgement::Right,
        _ => {
            // It says that it is not known which of several places it is, and names the broken one among them.
            let named = UNCERTAIN.iter().find(|(uncertain, _)| *uncertain == conclusion);
            let honest = named.is_some_and(|(_, places)| places.iter().any(|place| scene.active(place)));
            if honest { Judgement::Honest } else { Judgement::WronglyCertain }
        }
    }
}

/// What was broken, as of the end.
struct Scene<'a> {
    broken: &'a [Broken],
    ended: &'a Ended<'a>,
}

impl Scene<'_> {
    /// What comes after the end explains nothing.
    fn began(&self) -> impl Iterator<Item = &Broken> {
        self.broken.iter().filter(|one| one.from <= self.ended.at)
    }

    fn came_and_went(&self) -> impl Iterator<Item = &Broken> {
        self.began().filter(|one| one.until.is_some_and(|until| until < self.ended.at))
    }

    /// What is broken, or was mended too short a time ago for anybody to know it.
    fn still_broken(&self) -> impl Iterator<Item = &Broken> {
        self.began().filter(|one| one.until.is_none_or(|until| until + GRACE >= self.ended.at))
    }

    fn active(&self, conclusion: &str) -> bool {
        self.still_broken().any(|one| one.is_named_by(conclusion))
    }

    fn was(&self, conclusion: &str) -> bool {
        self.began().any(|one| one.is_named_by(conclusion))
    }

    fn came_and_went_lately(&self) -> bool {
        let lately = |one: &Broken| one.until.is_some_and(|until| until + MONITORED >= self.ended.at);
        self.came_and_went().count() > 1
            && self.began().count() == self.came_and_went().count()
            && self.came_and_went().any(lately)
    }

    /// Whether something keeps the connection coming and going, in a way that the broker's log shows. What began a moment
    /// ago nobody can know.
    fn flaps_on(&self) -> bool {
        self.began()
            .filter(|one| one.until.is_none() && one.from + GRACE < self.ended.at)
            .any(|one| one.is_named_by("persistent-flapping") && !one.is_named_by("connectivity-flap"))
    }

    /// The truth must be in first or second place: what is broken now, or what was where nothing is.
    fn judge_hypotheses(&self) -> Judgement {
        let all_over = self.still_broken().next().is_none();
        let mut named = self.ended.hypotheses.iter().take(2).flatten();
        let helps = named.any(|conclusion| self.active(conclusion) || all_over && self.was(conclusion));
        if helps { Judgement::Honest } else { Judgement::Unhelpful }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    const UPLINK: &[&str] = &["site-uplink-fault"];
    const POWER: &[&str] = &["power-fault"];
    const GATEWAY: &[&str] = &["gateway-fault", "gateway-recovered"];
    const BROKER: &[&str] = &["broker-fault"];
    const PORT: &[&str] = &["ot-network-fault"];
    const TWIN: &[&str] = &["persistent-flapping"];
    const CRASH: &[&str] = &["device-client-fault"];
    const CLOCK: &[&str] = &["clock-wrong"];
    const RESET: &[&str] = &["certificate-missing"];
    const EXPIRED: &[&str] = &["certificate-expired", "certificate-renewed"];
    const SLOW: &[&str] = &["ot-network-fault", "persistent-flapping", "connectivity-flap"];

    /// What was broken, from when until when in seconds; 0 is never.
    fn broken(parts: &[(&'static [&'static str], i64, i64)]) -> Vec<Broken> {
        let part = |(conclusions, from, until): &(&'static [&'static str], i64, i64)| Broken {
            conclusions,
            from: at(*from),
            until: (*until > 0).then(|| at(*until)),
        };
        parts.iter().map(part).collect()
    }

    /// A diagnosis that ended after 20 s.
    fn concluded(conclusion: &str, back: bool) -> Ended<'_> {
        Ended { at: at(20), conclusion: Some(conclusion), hypotheses: Vec::new(), back, over: false }
    }

    /// One row for each situation: what was broken, the conclusion, whether the device is back, the judgement.
    #[test]
    fn conclusions_are_judged_as_an_expert_would() {
        use Judgement::{Honest, Right, WronglyCertain};
        for (parts, conclusion, back, expected) in [
            // One cause that lasts.
            (&[(UPLINK, 0, 0)][..], "site-uplink-fault", false, Right),
            (&[(UPLINK, 0, 0)], "gateway-fault", false, WronglyCertain),
            (&[(UPLINK, 0, 0)], "ot-network-fault", false, WronglyCertain),
            (&[(UPLINK, 0, 0)], "dispatch-technician", false, WronglyCertain),
            (&[(POWER, 0, 0)], "power-fault", false, Right),
            (&[(POWER, 0, 0)], "ot-network-fault", false, WronglyCertain),
            (&[(POWER, 0, 0)], "never-provisioned", false, WronglyCertain),
            // Two places are named, and the truth is one of them; or neither.
            (&[(UPLINK, 0, 0)], "site-offline", false, Honest),
            (&[(POWER, 0, 0)], "power-uncertain", false, Honest),
            (&[(CRASH, 0, 0)], "power-uncertain", false, Honest),
            (&[(CRASH, 0, 0)], "client-or-clock", false, Honest),
            (&[(CLOCK, 0, 0)], "client-or-clock", false, Honest),
            (&[(PORT, 0, 0)], "client-or-clock", false, WronglyCertain),
            (&[(PORT, 0, 0)], "not-reachable", false, Honest),
            (&[(CRASH, 0, 0)], "not-reachable", false, Honest),
            (&[(RESET, 0, 0)], "not-reachable", false, Honest),
            (&[(EXPIRED, 0, 0)], "not-reachable", false, WronglyCertain),
            (&[(GATEWAY, 0, 0)], "not-reachable", false, WronglyCertain),
            (&[(PORT, 0, 0)], "power-uncertain", false, Honest),
            (&[(EXPIRED, 0, 5), (PORT, 2, 0)], "renewed-and-silent", false, Honest),
            (&[(EXPIRED, 0, 5)], "renewed-and-silent", true, WronglyCertain),
            (&[(PORT, 2, 0)], "renewed-and-silent", false, WronglyCertain),
            (&[(POWER, 0, 0)], "site-offline", false, WronglyCertain),
            // Another fault came while it looked; there was one only, or it is over.
            (&[(CRASH, 0, 3), (GATEWAY, 4, 0)], "changed-meanwhile", false, Honest),
            (&[(GATEWAY, 0, 0)], "changed-meanwhile", false, WronglyCertain),
            (&[(CRASH, 0, 3), (GATEWAY, 4, 9)], "changed-meanwhile", false, WronglyCertain),
            (&[(CRASH, 0, 3), (GATEWAY, 4, 0)], "changed-meanwhile", true, WronglyCertain),
            // It came back and did not stay: what keeps it away lasts, or came and went.
            (&[(SLOW, 0, 0)], "back-and-gone", false, Honest),
            (&[(SLOW, 0, 0)], "back-and-gone", true, Honest),
            (&[(CRASH, 0, 3), (GATEWAY, 4, 0)], "back-and-gone", false, Honest),
            (&[(PORT, 0, 2), (UPLINK, 4, 14)], "back-and-gone", true, Honest),
            (&[(PORT, 0, 2)], "back-and-gone", true, WronglyCertain),
            // Several causes: each alone suffices, so each is right while it lasts.
            (&[(UPLINK, 0, 0), (POWER, 2, 0)], "site-uplink-fault", false, Right),
            (&[(UPLINK, 0, 0), (POWER, 2, 0)], "power-fault", false, Right),
            (&[(UPLINK, 0, 0), (POWER, 2, 0)], "gateway-fault", false, WronglyCertain),
            // What begins after the end explains nothing.
            (&[(UPLINK, 0, 5), (POWER, 21, 0)], "power-fault", true, WronglyCertain),
            // Mended long ago: nobody is to be sent there, whatever else keeps the device away.
            (&[(UPLINK, 0, 5)], "site-uplink-fault", true, WronglyCertain),
            (&[(UPLINK, 0, 5), (POWER, 2, 0)], "site-uplink-fault", false, WronglyCertain),
            (&[(UPLINK, 0, 5), (POWER, 2, 0)], "power-fault", false, Right),
            // Mended a moment ago: nobody can know it yet.
            (&[(UPLINK, 0, 18)], "site-uplink-fault", true, Right),
            (&[(UPLINK, 0, 16)], "site-uplink-fault", true, WronglyCertain),
            // Recovered must be true.
            (&[(UPLINK, 0, 5)], "recovered-meanwhile", true, Right),
            (&[(UPLINK, 0, 0)], "recovered-meanwhile", false, WronglyCertain),
            (&[(UPLINK, 0, 5), (POWER, 2, 0)], "recovered-meanwhile", false, WronglyCertain),
            (&[], "recovered-meanwhile", true, WronglyCertain),
            (&[(PORT, 0, 2)], "connectivity-flap", true, Right),
            (&[(PORT, 0, 2)], "connectivity-flap", false, WronglyCertain),
            (&[(TWIN, 0, 0)], "connectivity-flap", true, WronglyCertain),
            (&[(SLOW, 0, 0)], "connectivity-flap", true, Right),
            // What makes it come and go lasts, whatever else is over; it began too lately for anybody to know.
            (&[(PORT, 0, 2), (TWIN, 4, 0)], "connectivity-flap", true, WronglyCertain),
            (&[(PORT, 0, 2), (TWIN, 17, 0)], "connectivity-flap", true, Right),
            (&[(PORT, 0, 2), (TWIN, 4, 9)], "connectivity-flap", true, Right),
            (&[(PORT, 0, 2), (SLOW, 4, 0)], "connectivity-flap", true, Right),
            // A restart is credited only where the gateway was broken.
            (&[(GATEWAY, 0, 0)], "gateway-recovered", true, Right),
            (&[(GATEWAY, 0, 0)], "gateway-recovered", false, WronglyCertain),
            (&[(GATEWAY, 0, 4)], "gateway-recovered", true, Right),
            (&[(UPLINK, 0, 4)], "gateway-recovered", true, WronglyCertain),
            (&[(GATEWAY, 0, 0)], "gateway-fault", false, Right),
            (&[(EXPIRED, 0, 4)], "certificate-renewed", true, Right),
            (&[(POWER, 0, 4)], "certificate-renewed", true, WronglyCertain),
            // A connection keeps flapping where something makes it, or where several causes came and went.
            (&[(TWIN, 0, 0)], "persistent-flapping", true, Right),
            (&[(TWIN, 0, 0)], "persistent-flapping", false, Right),
            (&[(PORT, 0, 2), (UPLINK, 4, 12)], "persistent-flapping", true, Right),
            (&[(PORT, 0, 2), (UPLINK, 4, 11)], "persistent-flapping", true, WronglyCertain),
            (&[(PORT, 0, 2), (POWER, 4, 0)], "persistent-flapping", false, WronglyCertain),
            (&[(PORT, 0, 2), (UPLINK, 4, 14), (GATEWAY, 7, 0)], "persistent-flapping", false, WronglyCertain),
            (&[(PORT, 0, 2), (TWIN, 4, 0)], "persistent-flapping", false, Right),
            (&[(PORT, 0, 2)], "persistent-flapping", true, WronglyCertain),
            // Nothing on the way of its messages was broken.
            (&[], "gateway-fault", false, WronglyCertain),
        ] {
            let judged = judge(&broken(parts), &concluded(conclusion, back));
            assert_eq!(judged, expected, "{parts:?} {conclusion} back: {back}");
        }
    }

    #[test]
    fn what_is_named_as_over_may_be_over() {
        let ended = |over| Ended { over, ..concluded("broker-fault", true) };
        assert_eq!(judge(&broken(&[(BROKER, 0, 4)]), &ended(true)), Judgement::Right);
        assert_eq!(judge(&broken(&[(BROKER, 0, 4)]), &ended(false)), Judgement::WronglyCertain);
        assert_eq!(judge(&broken(&[(UPLINK, 0, 4)]), &ended(true)), Judgement::WronglyCertain);
    }

    #[test]
    fn truth_is_among_the_first_two() {
        let undetermined = |hypotheses: &[&[&'static str]]| Ended {
            conclusion: None,
            hypotheses: hypotheses.iter().map(|conclusions| conclusions.to_vec()).collect(),
            ..concluded("", false)
        };
        for (hypotheses, expected) in [
            (&[POWER][..], Judgement::Honest),
            (&[UPLINK, POWER], Judgement::Honest),
            (&[UPLINK, GATEWAY, POWER], Judgement::Unhelpful),
            (&[UPLINK], Judgement::Unhelpful),
            (&[], Judgement::Unhelpful),
        ] {
            assert_eq!(
                judge(&broken(&[(POWER, 0, 0)]), &undetermined(hypotheses)),
                expected,
                "{hypotheses:?}"
            );
        }
        // The cause is over and named as a hypothesis: that is no certainty.
        assert_eq!(judge(&broken(&[(POWER, 0, 4)]), &undetermined(&[POWER])), Judgement::Honest);
        // But it leads away from another that lasts.
        let both = broken(&[(POWER, 0, 4), (UPLINK, 2, 0)]);
        assert_eq!(judge(&both, &undetermined(&[POWER, GATEWAY])), Judgement::Unhelpful);
        assert_eq!(judge(&both, &undetermined(&[POWER, UPLINK])), Judgement::Honest);
    }
}
