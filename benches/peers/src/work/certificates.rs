//! Certificates: the daily sweep over a million, the index that it reads, a plan of a million renewals, a mass revocation of
//! a million, and reading one certificate.

use std::collections::BTreeMap;
use std::hint::black_box;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::certificate::schedule::{self, Pending, Rate, Scheduler, TokenBucket};
use iot_runbook::certificate::sweep::{Contact, Entry, ExpiryIndex, Settings, Sweep};
use iot_runbook::certificate::validity::{Certificate, Fingerprint, dates_from_der};
use iot_runbook::certificate::{Facts, Policy, Stage};
use iot_runbook::subject::DeviceId;
use x509_parser::certificate::X509CertificateParser;
use x509_parser::nom::Parser as _;

use super::Work;
use crate::error::Error;
use crate::measure::{self, Side};
use crate::report::{Report, Row};

/// The work.
pub(crate) struct Certificates;

/// How many renewals are planned.
const RENEWALS: u64 = 1_000_000;

/// Planning them, in nanoseconds.
const PLAN_TARGET: f64 = 1e9;

/// Reading the dates of a certificate, as a multiple of the parser's call.
const READ_TARGET: f64 = 1.1;

const NAME: &str = "certificates";

const FLEET: u64 = 1_000_000;

/// A sweep of the fleet with one percent due, in nanoseconds.
const SWEEP_TARGET: f64 = 10e6;

/// Building the index of the fleet, in nanoseconds.
const BUILD_TARGET: f64 = 5e9;

impl Work for Certificates {
    fn name(&self) -> &'static str {
        "certificates"
    }

    fn about(&self) -> &'static str {
        "certificates: a daily sweep over a million at four shares due, building its index, a plan, and reading one"
    }

    fn run(&self, report: &mut Report) -> Result<(), Error> {
        reads(report)?;
        plans(report)?;
        drill(report)?;
        let mut built = None;
        let counted = allocation_counter::measure(|| built = Some(index(FLEET)));
        let index = built.transpose()?.ok_or_else(|| Error::Differs("no index".to_owned()))?;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53 bytes")]
        let bytes = counted.bytes_current as f64 / FLEET as f64;
        let map = map(FLEET);
        for (case, per_10_000) in
            [("sweep 1M 0.01 %", 1), ("sweep 1M 0.1 %", 10), ("sweep 1M 1 %", 100), ("sweep 1M 10 %", 1_000)]
        {
            let now = at(per_10_000);
            let due = proven(&index, &map, now)?;
            let peers: [(&'static str, Side<'_>); 2] =
                [("btree-range", range(&map, now)), ("full-scan", scan(&map, now))];
            for (peer, mut side) in peers {
                let medians = measure::side_by_side(&mut ours(&index, now), &mut side);
                let notes = vec![("due", due), ("ns_per_due", (medians.ours_ns / due * 10.0).round() / 10.0)];
                report.row(&Row { work: NAME, case: case.to_owned(), peer, medians, notes })?;
                if per_10_000 == 100 {
                    report.target(&format!("{case} beside {peer}"), medians, SWEEP_TARGET);
                }
            }
        }
        drop(map);
        drop(index);
        let mut ours: Side<'_> = Box::new(|runs| {
            for _ in 0..runs {
                black_box(self::index(FLEET).is_ok());
            }
        });
        let mut peer: Side<'_> = Box::new(|runs| {
            for _ in 0..runs {
                black_box(self::map(FLEET).len());
            }
        });
        let medians = measure::side_by_side(&mut ours, &mut peer);
        let notes = vec![("bytes_per_record", (bytes * 10.0).round() / 10.0)];
        report.row(&Row { work: NAME, case: "build 1M".to_owned(), peer: "btree-map", medians, notes })?;
        report.target("build 1M", medians, BUILD_TARGET);
        Ok(())
    }
}

/// Each has a life of 730 days and has begun by the time of the sweep; their ends are spread evenly over a year, in no order.
fn dates(device: u64) -> (DateTime<Utc>, DateTime<Utc>) {
    let seconds = device.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (365 * 86_400);
    let from = begin() + TimeDelta::seconds(i64::try_from(seconds).unwrap_or_default());
    (from, from + TimeDelta::days(730))
}

/// As a platform names it; the order of the names is that of the numbers.
fn name(device: u64) -> String {
    format!("pump-{device:08}")
}

fn begin() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

/// When so many of ten thousand are past their awareness bound.
fn at(per_10_000: i32) -> DateTime<Utc> {
    begin() + TimeDelta::days(730 - 90) + TimeDelta::seconds(365 * 86_400) * per_10_000 / 10_000
}

fn index(fleet: u64) -> Result<ExpiryIndex, Error> {
    let mut index = ExpiryIndex::new(Policy::default());
    let entries = (0..fleet).map(|device| {
        let (from, to) = dates(device);
        Entry::new(name(device), from, to)
    });
    index.extend(entries).map_err(|error| Error::failed("an entry", error))?;
    Ok(index)
}

/// A million renewals planned, beside a sort of them by their ends and nothing more: a peer that does less.
fn plans(report: &mut Report) -> Result<(), Error> {
    let now = at(0);
    let fleet: Vec<_> = (0..RENEWALS)
        .map(|device| Pending::new(name(device), 1, now - TimeDelta::hours(1), dates(device).1))
        .collect();
    let rate = Rate::new(10_000, 100).map_err(|error| Error::failed("a rate", error))?;
    let bucket = TokenBucket::full(rate, now);
    for (case, spread) in [("plan 1M", TimeDelta::zero()), ("plan 1M spread over a day", TimeDelta::days(1))]
    {
        let mut settings = schedule::Settings::default();
        settings.spread = spread;
        let scheduler = Scheduler::new(settings).map_err(|error| Error::failed("a scheduler", error))?;
        let ours: Side<'_> = Box::new(|runs| {
            for _ in 0..runs {
                black_box(scheduler.plan(fleet.iter().cloned(), &bucket, now).starts.len());
            }
        });
        let peer: Side<'_> = Box::new(|runs| {
            for _ in 0..runs {
                let mut sorted = fleet.clone();
                sorted.sort_by(|one, other| {
                    (one.end, &one.device, one.generation).cmp(&(other.end, &other.device, other.generation))
                });
                black_box(sorted.len());
            }
        });
        let medians = super::compare(report, NAME, case, ours, ("sort-by-expiry", peer))?;
        report.target(case, medians, PLAN_TARGET);
    }
    Ok(())
}

/// A CA revokes a million a day from now, at the rate at which all are replaced in time, and at one less: beside a sort of
/// them by their ends and nothing more.
fn drill(report: &mut Report) -> Result<(), Error> {
    let now = at(0);
    let fleet: Vec<_> =
        (0..RENEWALS).map(|device| Pending::new(name(device), 1, now, dates(device).1)).collect();
    let scheduler =
        Scheduler::new(schedule::Settings::default()).map_err(|error| Error::failed("a scheduler", error))?;
    let day = TimeDelta::days(1);
    // At 694 a minute, the 999 361st would start just at the deadline. It is late too, since a burst of one loses part of a
    // nanosecond at each wait.
    for (case, per_minute, late) in [("drill 1M in time", 695, 0), ("drill 1M too slow", 694, 640)] {
        let rate = Rate::new(per_minute, 1).map_err(|error| Error::failed("a rate", error))?;
        let bucket = TokenBucket::full(rate, now);
        let forecast = || scheduler.forecast_revocation(fleet.iter().cloned(), day, &bucket, now);
        let found = forecast();
        if found.late != late || found.in_time.is_none_or(|needed| needed.per_minute != 695) {
            return Err(Error::Differs(format!("{case}: {found:?}")));
        }
        let ours: Side<'_> = Box::new(|runs| {
            for _ in 0..runs {
                black_box(forecast().late);
            }
        });
        let peer: Side<'_> = Box::new(|runs| {
            for _ in 0..runs {
                let mut sorted = fleet.clone();
                sorted.sort_by(|one, other| (one.end, &one.device).cmp(&(other.end, &other.device)));
                black_box(sorted.len());
            }
        });
        super::compare(report, NAME, case, ours, ("sort-by-expiry", peer))?;
    }
    Ok(())
}

/// Reads a certificate: whether it could.
type Reads = fn() -> bool;

/// One certificate read, beside the call of x509-parser that reading makes (deep parsing off): the dates alone, the
/// dates and the SHA-256 of the DER, and all that is read of it (two SHA-256, names as text, the serial).
fn reads(report: &mut Report) -> Result<(), Error> {
    const DER: &[u8] = include_bytes!("../../../../fuzz/seeds/certificate/pump-7.der");
    let cases: [(&str, Reads); 3] = [
        ("read dates", || dates_from_der(black_box(DER)).is_ok()),
        ("read dates, fingerprint", || {
            let der = black_box(DER);
            black_box(Fingerprint::of(der));
            dates_from_der(der).is_ok()
        }),
        ("read all", || Certificate::from_der(black_box(DER)).is_ok()),
    ];
    for (case, read) in cases {
        let ours: Side<'_> = Box::new(move |runs| {
            for _ in 0..runs {
                black_box(read());
            }
        });
        let peer: Side<'_> = Box::new(|runs| {
            for _ in 0..runs {
                let parsed =
                    X509CertificateParser::new().with_deep_parse_extensions(false).parse(black_box(DER));
                black_box(parsed.is_ok());
            }
        });
        let medians = super::compare(report, NAME, case, ours, ("x509-parser", peer))?;
        if case == "read dates" {
            let ratio = medians.ours_ns / medians.peer_ns;
            let verdict = if ratio <= READ_TARGET { "met" } else { "MISSED" };
            report.remark(format!("target {case}: at most 1.1 times x509-parser, {ratio:.2}: {verdict}"));
        }
    }
    Ok(())
}

/// What one would write first: ends and devices in a sorted map, with the beginning of each certificate.
fn map(fleet: u64) -> BTreeMap<(i64, DeviceId), i64> {
    (0..fleet)
        .map(|device| {
            let (from, to) = dates(device);
            ((to.timestamp(), name(device).into()), from.timestamp())
        })
        .collect()
}

fn ours(index: &ExpiryIndex, now: DateTime<Utc>) -> Side<'_> {
    let mut sweep = Sweep::new(Settings::default());
    Box::new(move |runs| {
        for _ in 0..runs {
            let digest = sweep.run(index, now, |_| Some(Contact::new(Some(now))));
            black_box(digest.is_ok_and(|digest| digest.due().is_empty()));
        }
    })
}

/// All that end within 90 days, read in order, each judged by the same policy.
fn range(map: &BTreeMap<(i64, DeviceId), i64>, now: DateTime<Utc>) -> Side<'_> {
    Box::new(move |runs| {
        for _ in 0..runs {
            let last = (now + TimeDelta::days(90)).timestamp();
            let due: Vec<_> = map
                .range(..(last + 1, DeviceId::from("")))
                .filter_map(|(key, from)| judged(key, *from, now))
                .collect();
            black_box(due.len());
        }
    })
}

/// Every certificate, each judged by the same policy.
fn scan(map: &BTreeMap<(i64, DeviceId), i64>, now: DateTime<Utc>) -> Side<'_> {
    let flat: Vec<_> = map.iter().map(|(key, from)| (key.clone(), *from)).collect();
    Box::new(move |runs| {
        for _ in 0..runs {
            let due: Vec<_> = flat.iter().filter_map(|(key, from)| judged(key, *from, now)).collect();
            black_box(due.len());
        }
    })
}

fn judged((end, device): &(i64, DeviceId), from: i64, now: DateTime<Utc>) -> Option<(i64, DeviceId, Stage)> {
    let second = |second| DateTime::from_timestamp(second, 0);
    let stage = Policy::default().stage(&Facts::new(second(from)?, second(*end)?), now, None);
    (stage != Stage::Ok && stage != Stage::NotYetValid).then(|| (*end, device.clone(), stage))
}

/// Both tell the same, and how many.
fn proven(
    index: &ExpiryIndex,
    map: &BTreeMap<(i64, DeviceId), i64>,
    now: DateTime<Utc>,
) -> Result<f64, Error> {
    let digest = Sweep::default()
        .run(index, now, |_| Some(Contact::new(Some(now))))
        .map_err(|error| Error::failed("a run", error))?;
    let ours = digest.due().iter().map(|due| (due.end.timestamp(), due.device.clone(), due.stage));
    if !ours.eq(map.iter().filter_map(|(key, from)| judged(key, *from, now))) {
        return Err(Error::Differs(format!("the sweep at {now} is not what a look at all of them tells")));
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    Ok(digest.due().len() as f64)
}
