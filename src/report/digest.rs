//! The digest of the daily certificate job as the parts of a report, in words.

use chrono::{DateTime, Utc};

use super::finding::{Affected, Report, Tone, moment};
use super::validity::CertificateTimeline;
use crate::certificate::Stage;
use crate::certificate::sweep::{Digest, Due, Reach, Visit};
use crate::fact::counted;
use crate::runbook::step::Severity;

/// So many certificates are drawn: those that end first. All are listed.
const DRAWN: usize = 20;

impl Report {
    /// The report of a digest: what is due, by what is to be done about it, each certificate with the days that it has left.
    /// A certificate that needs several things is on several lists.
    #[must_use]
    pub fn of_digest(digest: &Digest) -> Self {
        let lists = lists(digest);
        let said: Vec<String> = lists
            .iter()
            .filter(|list| !list.due.is_empty())
            .filter_map(|list| Some(format!("{} {}", list.due.len(), list.short?)))
            .collect();
        let headline = match &*said {
            [] => "No certificate is due".to_owned(),
            said => format!("Certificates: {}", said.join("; ")),
        };
        let refused = [Stage::Expired, Stage::Revoked, Stage::NotYetValid];
        let pages = |due: &Due| due.pages() && refused.contains(&due.stage);
        let severity = match () {
            () if digest.due().iter().any(pages) => Severity::Critical,
            () if digest.due().iter().any(Due::pages) => Severity::Warning,
            () if digest.issuers().iter().any(|issuer| issuer.pages()) => Severity::Warning,
            () => Severity::Info,
        };
        let mut timeline = CertificateTimeline::new(digest.at);
        for due in digest.due().iter().take(DRAWN) {
            timeline.add(due.device.to_string(), None, None, due.end);
        }
        let report = Self {
            about: about(digest),
            advice: lists
                .iter()
                .filter(|list| !list.due.is_empty())
                .filter_map(|list| Some(format!("{} ({}).", list.advice?, list.due.len())))
                .chain(issuers(digest))
                .collect(),
            affected: lists
                .iter()
                .filter(|list| !list.due.is_empty())
                .map(|list| Affected {
                    why: list.what(),
                    devices: list.due.iter().map(|due| in_words(due, digest.at)).collect(),
                })
                .collect(),
            ..Self::blank(Tone::Concluded(severity), headline)
        };
        if timeline.is_empty() { report } else { report.with_picture("The first ends", &timeline) }
    }
}

/// Certificates of which the same is said.
struct List<'d> {
    due: Vec<&'d Due>,
    /// What is said of one, and of many.
    what: [&'static str; 2],
    /// What to do about them.
    advice: Option<&'static str>,
    /// What the headline calls them, one or many; none where it does not count them.
    short: Option<&'static str>,
}

impl List<'_> {
    fn what(&self) -> String {
        let [one, many] = self.what;
        if self.due.len() == 1 { one } else { many }.to_owned()
    }
}

fn lists(digest: &Digest) -> Vec<List<'_>> {
    let list = |due: Vec<_>, what, advice, short| List { due, what, advice, short };
    let visit = |wanted: Visit| move |due: &&Due| matches!(due.reach, Reach::Offline { visit, .. } if visit == wanted);
    let overdue = digest.overdue().filter(|due| due.stage != Stage::Expired);
    vec![
        list(
            digest.expired().collect(),
            ["has ended", "have ended"],
            Some("Replace what has ended: peers refuse it"),
            Some("ended"),
        ),
        list(
            digest.revoked().collect(),
            ["is revoked and in use", "are revoked and in use"],
            Some("Say whether a device whose certificate is revoked gets another one"),
            Some("revoked and in use"),
        ),
        list(
            digest.not_yet_valid().collect(),
            ["is in use and not valid yet", "are in use and not valid yet"],
            Some("Look at the clock that issued what is not valid yet, and at the device's own"),
            Some("not valid yet and in use"),
        ),
        list(
            digest.follow_up().collect(),
            ["must be followed up before it ends", "must be followed up before they end"],
            Some("Follow up what no renewal will replace in time"),
            Some("to follow up"),
        ),
        list(
            overdue.collect(),
            ["should have been renewed", "should have been renewed"],
            Some("Find out why these renewals have not happened"),
            Some("overdue"),
        ),
        list(digest.to_renew().collect(), ["is to be renewed", "are to be renewed"], None, Some("to renew")),
        list(
            digest.offline().filter(visit(Visit::Technician)).collect(),
            [
                "is of a device that is offline, back too late: send a technician",
                "are of devices that are offline, back too late: send a technician",
            ],
            Some("Send a technician to the devices that are back too late for a renewal"),
            None,
        ),
        list(
            digest.offline().filter(visit(Visit::MaintenanceWindow)).collect(),
            [
                "is of a device that is offline, back in time: renew it in a maintenance window",
                "are of devices that are offline, back in time: renew them in a maintenance window",
            ],
            None,
            None,
        ),
        list(
            digest
                .offline()
                .filter(|due| {
                    !matches!(
                        due.reach,
                        Reach::Offline { visit: Visit::Technician | Visit::MaintenanceWindow, .. }
                    )
                })
                .collect(),
            [
                "is of a device of which nobody knows when it is back",
                "are of devices of which nobody knows when they are back",
            ],
            Some("Find out when these devices are back"),
            None,
        ),
        list(
            digest.awareness().collect(),
            ["ends soon enough to be known", "end soon enough to be known"],
            None,
            None,
        ),
    ]
}

fn issuers(digest: &Digest) -> impl Iterator<Item = String> {
    digest.issuers().iter().map(|issuer| {
        let (label, leaves, end) = (issuer.label(), issuer.leaves, moment(issuer.end));
        let leaves = match leaves {
            1 => "1 certificate ends".to_owned(),
            leaves => format!("{leaves} certificates end"),
        };
        format!("Replace the issuer {label}, which ends {end}: {leaves} with it.")
    })
}

fn about(digest: &Digest) -> Vec<(&'static str, String)> {
    let paged = match digest.page() {
        Some(page) => {
            let (due, issuers) = (page.due.len() as u64, page.issuers.len() as u64);
            match (counted(due, "certificate"), counted(issuers, "issuer")) {
                (due, _) if issuers == 0 => format!("for {due}"),
                (_, issuers) if due == 0 => format!("for {issuers}"),
                (due, issuers) => format!("for {due} and {issuers}"),
            }
        }
        None => "for nothing that was not paged today".to_owned(),
    };
    let mut about = vec![("Time", moment(digest.at)), ("Paged", paged)];
    about.extend(digest.due().first().map(|due| ("Ends first", in_words(due, digest.at))));
    about
}

/// The device, when its certificate ends, and the days left.
fn in_words(due: &Due, now: DateTime<Utc>) -> String {
    let left = match due.days_left(now) {
        1 => "1 day left".to_owned(),
        left @ 0.. => format!("{left} days left"),
        _ => "over".to_owned(),
    };
    format!("{} until {} ({left})", due.device, due.end.format("%Y-%m-%d %H:%M"))
}
