//! A bundle for strangers: names, addresses and serials become pseudonyms, and it still replays.

use std::net::IpAddr;

use sha2::{Digest as _, Sha256};

use super::super::id::{NoRandomness, random};
use super::{Bundle, Recorded, RecordedObservation};
use crate::fact::{Detail, Details, Source};
use crate::subject::Subject;

/// How names become pseudonyms: under one key, one name has one pseudonym in all bundles. Whoever has the key can test a
/// guess, so keep it as you keep a password, or take a new one for each bundle that you hand out.
///
/// What is replaced: the names of the subject wherever they occur, people and incidents, IP and MAC addresses, host names,
/// e-mail addresses, UUIDs, serials and fingerprints, and the names given by [`with_name`](Self::with_name). Times, values
/// and the runbook's own texts stay. Free text can hold what no rule finds: read a redacted bundle before you hand it out.
#[derive(Clone)]
pub struct Redaction {
    key: [u8; 32],
    names: Vec<Box<str>>,
}

/// Details whose whole text is a name.
const NAMING: [&str; 9] =
    ["address", "client", "client id", "fingerprint", "host", "issuer", "name", "serial", "subject"];

impl std::fmt::Debug for Redaction {
    /// Without the key and the names.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redaction").field("names", &self.names.len()).finish_non_exhaustive()
    }
}

impl Redaction {
    /// Pseudonyms under `secret`, of any length; 16 random bytes cannot be guessed.
    #[must_use]
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        Self { key: Sha256::digest(secret).into(), names: Vec::new() }
    }

    /// Pseudonyms under a secret that nobody has: those of two bundles cannot be brought together.
    ///
    /// # Errors
    /// [`NoRandomness`] where the operating system gives none.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut secret = [0; 32];
        random(&mut secret)?;
        Ok(Self::new(secret))
    }

    /// The same, with one more name that must not be seen, such as that of a customer or a person.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<Box<str>>) -> Self {
        self.names.push(name.into());
        self
    }

    fn pseudonym(&self, kind: &str, name: &str) -> String {
        let mut hash = Sha256::new_with_prefix(self.key);
        hash.update(name.to_lowercase());
        let hash = hash.finalize();
        let digits: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("{kind}-{digits}")
    }
}

impl Bundle {
    /// The bundle with pseudonyms in place of names. It resumes and replays as this one does, with the same conclusion.
    ///
    /// ```
    /// # #[cfg(feature = "toml")] {
    /// use chrono::{TimeZone, Utc};
    /// use iot_runbook::diagnosis::{DiagnosisId, Redaction};
    /// use iot_runbook::{Diagnosis, Subject, Trigger, catalog};
    ///
    /// let (runbooks, now) = (catalog::set()?, Utc.timestamp_opt(1_800_000_000, 0).unwrap());
    /// let trigger = Trigger::new("press-07 at 10.0.0.7 is offline", now);
    /// let id = DiagnosisId::random(now)?;
    /// let diagnosis = Diagnosis::new(id, &runbooks, "device-offline", Subject::device("press-07"), trigger, now)?;
    /// let redacted = diagnosis.bundle().redacted(&Redaction::new(b"a secret of yours"));
    /// assert!(!redacted.trigger.text.contains("press-07") && !redacted.trigger.text.contains("10.0.0.7"));
    /// assert!(Diagnosis::resume(&redacted, &runbooks).is_ok());
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn redacted(&self, redaction: &Redaction) -> Self {
        let names = Names::of(&self.subject, redaction);
        let mut bundle = self.clone();
        bundle.subject = names.subject(&self.subject);
        bundle.trigger.text = names.text(&self.trigger.text).into();
        // It leads to the traces of whoever is to stay unnamed.
        bundle.trigger.trace_parent = None;
        bundle.incident = self.incident.as_deref().map(|id| redaction.pseudonym("incident", id).into());
        bundle.records.iter_mut().for_each(|record| names.record(&mut record.what));
        bundle.digest = bundle.computed_digest();
        bundle
    }
}

/// Every name that is known, the longest first, with its pseudonym.
struct Names<'a> {
    redaction: &'a Redaction,
    known: Vec<(String, String)>,
}

impl<'a> Names<'a> {
    fn of(subject: &Subject, redaction: &'a Redaction) -> Self {
        let Subject { device, tag, gateway, site, pipeline, .. } = subject;
        let named = [
            ("device", Some(device.as_str())),
            ("tag", tag.as_ref().map(AsRef::as_ref)),
            ("gateway", gateway.as_ref().map(AsRef::as_ref)),
            ("site", site.as_ref().map(AsRef::as_ref)),
            ("pipeline", pipeline.as_ref().map(AsRef::as_ref)),
        ];
        let named = named.into_iter().filter_map(|(kind, name)| Some((kind, name?)));
        let given = redaction.names.iter().map(|name| ("name", &**name));
        // A name of one character would be found in every number.
        let all = named.chain(given).filter(|(_, name)| name.chars().count() > 1);
        // Without regard to case: people write names as they like.
        let mut known: Vec<_> =
            all.map(|(kind, name)| (name.to_ascii_lowercase(), redaction.pseudonym(kind, name))).collect();
        // `gw-2-backup` before `gw-2`, or its end would be left.
        known.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Self { redaction, known }
    }

    fn subject(&self, subject: &Subject) -> Subject {
        let mut redacted = subject.clone();
        let name = |kind, name: &str| self.redaction.pseudonym(kind, name);
        redacted.device = name("device", subject.device.as_str()).into();
        redacted.tag = subject.tag.as_ref().map(|tag| name("tag", tag.as_str()).into());
        redacted.gateway = subject.gateway.as_ref().map(|gateway| name("gateway", gateway.as_str()).into());
        redacted.site = subject.site.as_ref().map(|site| name("site", site.as_str()).into());
        redacted.pipeline =
            subject.pipeline.as_ref().map(|pipeline| name("pipeline", pipeline.as_str()).into());
        redacted
    }

    fn record(&self, what: &mut Recorded) {
        let person = |by: &mut Source| *by = Source::new(self.redaction.pseudonym("person", by.as_str()));
        match what {
            Recorded::Asked { of, .. } => *of = self.text(of).into(),
            Recorded::Answered { observation, .. }
            | Recorded::Explored { observation, .. }
            | Recorded::Blipped { observation, .. }
            | Recorded::News { observation, .. }
            | Recorded::Rechecked { observation, .. } => self.observation(observation),
            Recorded::PersonAnswered { by, details, .. } | Recorded::Acted { by, details, .. } => {
                person(by);
                *details = self.details(details);
            }
            Recorded::Approved { by, .. } => person(by),
            // Without a request the runbook's own policy declined, which is no person.
            Recorded::Declined { request: Some(_), by, reason, .. } => {
                person(by);
                *reason = self.text(reason).into();
            }
            Recorded::Withdrawn { by, why, .. } => {
                person(by);
                *why = self.text(why).into();
            }
            _ => {}
        }
    }

    fn observation(&self, observation: &mut RecordedObservation) {
        let (RecordedObservation::Known { source, details, .. }
        | RecordedObservation::Unknown { source, details, .. }) = observation;
        *source = Source::new(self.text(source.as_str()));
        *details = self.details(details);
    }

    fn details(&self, details: &Details) -> Details {
        let redacted = details.iter().map(|detail| {
            let text = match &*detail.name {
                name if NAMING.contains(&name) => self.redaction.pseudonym("id", &detail.text),
                _ => self.text(&detail.text),
            };
            // An adapter may name a detail after a part.
            Detail::new(self.text(&detail.name), text)
        });
        redacted.collect()
    }

    /// The text without known names, and without words that look like a name of a machine or a person's address.
    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, pseudonym) in &self.known {
            text = replaced(&text, name, pseudonym);
        }
        let is_between = |c: char| c.is_whitespace() || ",;()[]{}\"'<>=|".contains(c);
        let mut redacted = String::with_capacity(text.len());
        for piece in text.split_inclusive(is_between) {
            let word = piece.trim_end_matches(is_between);
            let bare = word.trim_end_matches(['.', ':', '!', '?']);
            if is_identifying(bare) {
                redacted.push_str(&self.redaction.pseudonym("id", bare));
                redacted.push_str(piece.get(bare.len()..).unwrap_or_default());
            } else {
                redacted.push_str(piece);
            }
        }
        redacted
    }
}

/// The text with each whole occurrence of the name, which is in lower case, replaced.
fn replaced(text: &str, name: &str, pseudonym: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let is_inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let mut redacted = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in lower.match_indices(name) {
        let end = at + name.len();
        let before = lower.get(..at).and_then(|before| before.chars().next_back());
        let after = lower.get(end..).and_then(|after| after.chars().next());
        if at < from || is_inside(before) || is_inside(after) {
            continue;
        }
        redacted.push_str(text.get(from..at).unwrap_or_default());
        redacted.push_str(pseudonym);
        from = end;
    }
    redacted.push_str(text.get(from..).unwrap_or_default());
    redacted
}

/// True for an address of a network or a mailbox, a host, a UUID, a ULID, a serial or a fingerprint.
fn is_identifying(word: &str) -> bool {
    let host = word.rsplit("://").next().unwrap_or(word);
    let host = host.split('/').next().unwrap_or(host);
    let without_port = match host.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    if is_address(host) || is_address(without_port) || word.contains('@') && word.len() > 2 {
        return true;
    }
    is_host(without_port) || is_hexadecimal(word) || is_ulid(word)
}

/// Labels with dots between, the last of letters: `broker.example.org`.
fn is_host(word: &str) -> bool {
    let mut labels = word.split('.');
    let last = labels.next_back().unwrap_or_default();
    let is_label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
    let is_top = last.len() > 1 && last.chars().all(char::is_alphabetic);
    let mut labels = labels.peekable();
    is_top && labels.peek().is_some() && labels.all(is_label)
}

/// Pairs of hexadecimal digits with `:` or `-` between, a UUID, or 16 such digits and more in a row.
fn is_hexadecimal(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_hexdigit).count();
    let is_hex = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_pairs =
        |by: char| word.split(by).count() > 3 && word.split(by).all(|part| part.len() == 2 && is_hex(part));
    let is_uuid = word.len() == 36 && digits == 32 && word.split('-').all(is_hex);
    is_pairs(':') || is_pairs('-') || is_uuid || digits >= 16 && is_hex(word)
}

fn is_ulid(word: &str) -> bool {
    word.len() == 26 && word.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_identify_are_found() {
        for word in [
            "10.0.0.7",
            "10.0.0.7:8883",
            "fe80::1",
            "https://grafana.example.org/d/7",
            "broker.example.org:8883",
            "line-3.plant.local",
            "00:1b:44:11:3a:b7",
            "00-1B-44-11-3A-B7",
            "someone@example.org",
            "123e4567-e89b-12d3-a456-426614174000",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "0a1b2c3d4e5f60718293a4b5",
            "AB:CD:EF:01:23",
        ] {
            assert!(is_identifying(word), "{word}");
        }
        for word in [
            "",
            ".",
            "offline",
            "5m",
            "2.1",
            "v1.2.3",
            "08:00:00",
            "2027-01-15",
            "99.5",
            "half-open",
            "MQTT",
            "e.g",
            "128",
            "1h30m",
            "12:30",
            "a-b-c-d",
            "100%",
            "...",
            "DISCONNECT",
            "port-refused",
            "@",
        ] {
            assert!(!is_identifying(word), "{word}");
        }
    }

    #[test]
    fn names_are_replaced_whole_and_in_any_case() {
        let of = |text| replaced(text, "gw-2", "X");
        assert_eq!(of("GW-2 is gone, gw-2."), "X is gone, X.");
        assert_eq!(of("gw-21 and agw-2 stay"), "gw-21 and agw-2 stay");
        assert_eq!(of("CN=gw-2,O=ü"), "CN=X,O=ü");
        assert_eq!(of("gw-2gw-2"), "gw-2gw-2");
        assert_eq!(of(""), "");
    }
}
