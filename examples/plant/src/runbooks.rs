//! The runbooks that the plant is diagnosed by: those of the catalog, or one of a user's own with them.

use std::{fs, path::Path};

use iot_runbook::{
    catalog,
    runbook::{RunbookSet, document::Document},
};

use crate::error::{Error, Result};

/// Everything takes seconds in the plant: a device publishes three times a second, and a restart takes less than
/// one. Beside each: what must lie below it, on a slow machine too.
const IN_SECONDS: &[(&str, &str)] = &[
    // Above the silence that raises the alarm, so that a flap is one.
    ("flap_window", "2s"),
    // Above two cycles of a network that comes and goes.
    ("monitor_for", "3s"),
    ("offline_after", "5s"),
    ("recent_connect", "5s"),
    // Above the start of a gateway, and the redialling of its devices.
    ("reconnect_within", "6s"),
    // Above some publishing intervals and heartbeats.
    ("publishing_within", "3s"),
    ("heartbeat_within", "2s"),
    // Above the jitter of heartbeats and samples on a busy machine, which also decides whether a device is back.
    ("silence_margin", "1500ms"),
    // Above a restart with all its own time limits.
    ("approval_within", "25s"),
    ("answer_within", "25s"),
    // Above the pauses of a replay.
    ("replay_still", "2s"),
    // Above what a healthy pipeline takes.
    ("lag_age", "1s"),
];

/// The same for the runbook of an offline alert alone: the parts of the pipeline have clocks that are wrong by seconds.
const OFFLINE_IN_SECONDS: &[(&str, &str)] = &[
    // Above the jitter of messages. What comes later was kept in an outbox, or crossed a slow link.
    ("clock_tolerance", "1s"),
];

const RECOVERY: &str = "certificate-expiry";
/// What a certificate that has expired is handed over with.
const RECOVERY_IN_SECONDS: &[(&str, &str)] = &[
    // Above a contact with the provisioning service, and redialling.
    ("reconnect_within", "6s"),
    // Above the acts with all their own time limits.
    ("approval_within", "25s"),
    ("visit_within", "25s"),
];

/// How long people are waited for who never answer.
const IN_VAIN: &[(&str, &str)] = &[("approval_within", "3s"), ("answer_within", "3s")];

/// The runbooks that an offline alert, a gap and a certificate are diagnosed by, with all that they can hand over to.
#[derive(Clone, Debug)]
pub struct Runbooks {
    document: Document,
    gap: Document,
    certificate: Document,
    own_thresholds: bool,
}

impl Runbooks {
    /// The catalog's `device-offline`, `data-gap` and `certificate-expiry`.
    ///
    /// # Errors
    /// When the catalog is broken.
    pub fn catalog() -> Result<Self> {
        Ok(Self {
            document: catalog::device_offline().map_err(Error::runbook)?,
            gap: catalog::data_gap().map_err(Error::runbook)?,
            certificate: catalog::certificate_expiry().map_err(Error::runbook)?,
            own_thresholds: false,
        })
    }

    /// The runbook in this file, for whatever is diagnosed. Thresholds that the catalog's have as well are set to
    /// seconds, unless `own_thresholds` leaves them as they are in the file.
    ///
    /// # Errors
    /// When the file can't be read, or is not valid; every fault is named.
    pub fn read(file: &Path, own_thresholds: bool) -> Result<Self> {
        let at_fault = |error: &dyn std::fmt::Display| Error::Runbook(format!("{}: {error}", file.display()));
        // A pipe or a device might never end.
        if !fs::metadata(file).map_err(|error| at_fault(&error))?.is_file() {
            return Err(at_fault(&"this is no file; give a runbook in TOML"));
        }
        let text = fs::read_to_string(file).map_err(|error| at_fault(&error))?;
        let document = Document::from_toml(&text).map_err(|error| at_fault(&error))?;
        // Its own faults first: those of thresholds that the plant sets would hide among them.
        document.validate().map_err(|error| at_fault(&error))?;
        Ok(Self { gap: document.clone(), certificate: document.clone(), document, own_thresholds })
    }

    /// The same for an alert of the monitoring of certificates.
    #[must_use]
    pub fn for_certificates(&self) -> Self {
        Self { document: self.certificate.clone(), ..self.clone() }
    }

    /// The name of the runbook for an offline alert, and the set to walk it in. `in_vain`: nobody will answer, so
    /// people are waited for shortly.
    ///
    /// # Errors
    /// When it is no set.
    pub fn set(&self, in_vain: bool) -> Result<(String, RunbookSet)> {
        let shorter = if in_vain { IN_VAIN } else { &[] };
        self.set_of(&self.document, OFFLINE_IN_SECONDS.iter().chain(shorter))
    }

    /// The name of the runbook for a gap, and the set to walk it in.
    ///
    /// # Errors
    /// When it is no set.
    pub fn gap_set(&self) -> Result<(String, RunbookSet)> {
        self.set_of(&self.gap, [].iter())
    }

    fn set_of<'a>(
        &self,
        document: &Document,
        also: impl Iterator<Item = &'a (&'a str, &'a str)>,
    ) -> Result<(String, RunbookSet)> {
        let mut document = document.clone();
        if !self.own_thresholds {
            for (name, value) in IN_SECONDS.iter().chain(also) {
                let set = document.clone().threshold(name, *value);
                // A runbook of a user's own need not have all of them.
                if set.validate().is_ok() {
                    document = set;
                }
            }
        }
        let runbook = document.validate().map_err(Error::runbook)?;
        let name = runbook.name().to_owned();
        let mut runbooks = vec![runbook];
        for document in catalog::documents().map_err(Error::runbook)? {
            let mut other = document.clone().validate().map_err(Error::runbook)?;
            if other.name() == RECOVERY && !self.own_thresholds {
                let shorter = RECOVERY_IN_SECONDS.iter();
                let document =
                    shorter.fold(document, |document, (name, value)| document.threshold(name, *value));
                other = document.validate().map_err(Error::runbook)?;
            }
            if other.name() != name {
                runbooks.push(other);
            }
        }
        Ok((name, RunbookSet::new(runbooks).map_err(Error::runbook)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalog_takes_every_threshold_in_seconds() {
        let mut documents = [catalog::device_offline().unwrap(), catalog::data_gap().unwrap()];
        for (name, value) in IN_SECONDS.iter().chain(IN_VAIN) {
            let mut taken = 0;
            for document in &mut documents {
                let set = document.clone().threshold(name, *value);
                if set.validate().is_ok() {
                    *document = set;
                    taken += 1;
                }
            }
            assert_eq!(taken, 1, "{name}");
        }
        for (name, value) in OFFLINE_IN_SECONDS {
            assert!(documents[0].clone().threshold(name, *value).validate().is_ok(), "{name}");
        }
        let runbooks = Runbooks::catalog().unwrap();
        for (of, (name, set)) in
            [("device-offline", runbooks.set(false).unwrap()), ("data-gap", runbooks.gap_set().unwrap())]
        {
            assert_eq!(name, of);
            for shortened in [&*name, RECOVERY] {
                assert_ne!(set.fingerprint(shortened), catalog::set().unwrap().fingerprint(shortened));
            }
        }
    }

    #[test]
    fn catalog_completes_an_own_runbook() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("own.toml");
        let text = include_str!("../../../src/catalog/device-offline.toml");
        fs::write(&file, text.replace("name = \"device-offline\"", "name = \"ours\"")).unwrap();
        let (name, set) = Runbooks::read(&file, false).unwrap().set(false).unwrap();
        assert_eq!(name, "ours");
        assert!(set.find("certificate-expiry").is_some());
    }

    #[test]
    fn a_runbook_that_is_no_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = Runbooks::read(folder.path(), false).unwrap_err().to_string();
        assert!(refused.contains("this is no file"), "{refused}");
        let missing = folder.path().join("missing.toml");
        let refused = Runbooks::read(&missing, false).unwrap_err().to_string();
        assert!(refused.contains("missing.toml"), "{refused}");
        if cfg!(unix) {
            let refused = Runbooks::read(Path::new("/dev/zero"), false).unwrap_err().to_string();
            assert!(refused.contains("this is no file"), "{refused}");
        }
    }

    #[test]
    fn every_fault_of_an_own_runbook_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("own.toml");
        let text = include_str!("../../../src/catalog/device-offline.toml");
        let broken = text.replace("to = \"flap-history\"", "to = \"nowhere\"");
        fs::write(&file, broken.replace("to = \"gateway-health\"", "to = \"nobody\"")).unwrap();
        let refused = Runbooks::read(&file, false).unwrap_err().to_string();
        assert!(refused.contains("nowhere") && refused.contains("nobody"), "{refused}");
    }
}
