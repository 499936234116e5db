//! What became of each renewal.

use std::collections::BTreeMap;

use iot_runbook::certificate::lifecycle::{Happening, Lifecycle, Origin, Status};
use iot_runbook::certificate::validity::Fingerprint;

/// What became of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Became {
    /// The device renewed, and was seen with the new certificate.
    AtFirstGo,
    /// The same, though something failed on the way.
    AfterFailures,
    /// Somebody brought a certificate before it ended.
    ByHand,
    /// It had ended: the device got another by its manufacturing certificate.
    ReProvisioned,
    /// It had ended: a technician loaded the emergency certificate.
    Emergency,
    /// Another certificate came first, or what was issued was refused.
    Overtaken,
    /// Its place in the plan has not come.
    Planned,
    /// It goes on.
    UnderWay,
    /// It waits for its issuer to be replaced.
    HeldByIssuer,
    /// It counts as failed, and is tried again.
    Failing,
    /// The device is being recovered.
    Recovering,
}

impl Became {
    /// In a few words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::AtFirstGo => "renewed, at the first go",
            Self::AfterFailures => "renewed, though something failed on the way",
            Self::ByHand => "renewed by hand",
            Self::ReProvisioned => "recovered by the manufacturing certificate",
            Self::Emergency => "recovered by the emergency certificate",
            Self::Overtaken => "overtaken by another, or refused",
            Self::Planned => "waits for its place in the plan",
            Self::UnderWay => "under way",
            Self::HeldByIssuer => "waits for its issuer to be replaced",
            Self::Failing => "failing, and tried again",
            Self::Recovering => "being recovered",
        }
    }
}

/// Each renewal that began, by device and generation.
#[derive(Clone, Debug, Default)]
pub struct Renewals {
    became: BTreeMap<(u32, u64), Option<Became>>,
    /// Of which generation a certificate is.
    generations: BTreeMap<(u32, Fingerprint), u64>,
}

impl Renewals {
    /// Looks at a lifecycle, after each thing that happened to it.
    pub fn note(&mut self, number: u32, lifecycle: &Lifecycle) {
        let in_use = lifecycle.in_use().fingerprint;
        if let Some(progress) = lifecycle.progress() {
            self.became.entry((number, progress.generation)).or_default();
            if let Some(print) = progress.fingerprint {
                self.generations.insert((number, print), progress.generation);
            }
        }
        let failed = |what: &Happening| {
            matches!(
                what,
                Happening::CommandFailed { .. } | Happening::DeviceFailed(_) | Happening::Refused(_)
            )
        };
        let became = match lifecycle.origin() {
            Origin::Enrolled => return,
            Origin::ReProvisioned => Became::ReProvisioned,
            Origin::Emergency => Became::Emergency,
            Origin::ByHand => Became::ByHand,
            _ if lifecycle.timeline().iter().any(|entry| failed(&entry.what)) => Became::AfterFailures,
            _ => Became::AtFirstGo,
        };
        // An emergency certificate is being replaced already when it is first seen: its own generation is the one before.
        let before = lifecycle.generation().saturating_sub(1);
        let generation = *self.generations.entry((number, in_use)).or_insert(before);
        self.became.entry((number, generation)).or_default().get_or_insert(became);
    }

    /// How many came to what, at the end. `has_started` says whether the latest one of a device has.
    #[must_use]
    pub fn counts<'a>(
        &self,
        lifecycle: impl Fn(u32) -> Option<(&'a Lifecycle, bool)>,
    ) -> BTreeMap<Became, usize> {
        let mut counts = BTreeMap::new();
        for ((number, generation), became) in &self.became {
            let became = became.unwrap_or_else(|| {
                let Some((lifecycle, has_started)) = lifecycle(*number) else { return Became::Overtaken };
                let latest = lifecycle.progress().map(|progress| progress.generation);
                match lifecycle.status() {
                    _ if latest != Some(*generation) => Became::Overtaken,
                    Status::Recovering => Became::Recovering,
                    Status::Failing => Became::Failing,
                    Status::HeldByIssuer => Became::HeldByIssuer,
                    _ if !has_started => Became::Planned,
                    _ => Became::UnderWay,
                }
            });
            *counts.entry(became).or_insert(0) += 1;
        }
        counts
    }
}
