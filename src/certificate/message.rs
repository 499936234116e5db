//! What platform and device say to each other about a renewal: the types of what is published on
//! `{device}/config/desired` (retained) and `{device}/config/reported`, and the names of these topics.
//!
//! The types are read and written by any serde format. What a device sends is not trusted: a field that is not known
//! is passed over, a version that is not known is refused, and a long reason is cut.

mod topic;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::validity::Fingerprint;

pub use topic::{TopicError, desired_topic, device_of_reported, reported_topic};

/// The version of these messages.
pub const VERSION: u32 = 1;

/// How long a reason may be, in bytes; what is beyond is cut off.
pub const LONGEST_REASON: usize = 1024;

/// The version of a message. There is one so far, [`VERSION`]; any other is refused where it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Version;

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(VERSION)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            version if version == u64::from(VERSION) => Ok(Self),
            other => Err(de::Error::custom(format_args!(
                "version {other} of the message is not understood, {VERSION} is: update what is older"
            ))),
        }
    }
}

/// What a device should use: the certificate of a generation. Never a private key: the device has it already.
///
/// Where it is read, the digest must be that of the certificate.
///
/// ```
/// use iot_runbook::certificate::message::Desired;
///
/// let desired = Desired::new(3, "-----BEGIN CERTIFICATE-----\n...");
/// let text = serde_json::to_string(&desired)?;
/// assert!(text.starts_with(r#"{"version":1,"generation":3,"certificate":"#), "{text}");
/// assert_eq!(serde_json::from_str::<Desired>(&text)?, desired);
/// assert!(serde_json::from_str::<Desired>(&text.replace("...", "cut")).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "AnyDesired")]
#[non_exhaustive]
pub struct Desired {
    /// The version of the message.
    pub version: Version,
    /// Which renewal of the device it belongs to: it rises by one with each.
    pub generation: u64,
    /// The certificate, or its chain with the device's own first, in PEM.
    pub certificate: String,
    /// The SHA-256 of `certificate`, byte for byte.
    pub digest: Fingerprint,
}

impl Desired {
    /// That certificate for that generation, with its digest. The text is taken as it is.
    #[must_use]
    pub fn new(generation: u64, certificate: impl Into<String>) -> Self {
        let certificate = certificate.into();
        let digest = Fingerprint::of(certificate.as_bytes());
        Self { version: Version, generation, certificate, digest }
    }
}

/// Without the text, which is not known to be a certificate.
impl fmt::Debug for Desired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desired")
            .field("generation", &self.generation)
            .field("certificate", &format_args!("{} bytes", self.certificate.len()))
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// A [`Desired`] before its digest is checked.
#[derive(Deserialize)]
struct AnyDesired {
    version: Version,
    generation: u64,
    certificate: String,
    digest: Fingerprint,
}

impl TryFrom<AnyDesired> for Desired {
    type Error = String;

    fn try_from(any: AnyDesired) -> Result<Self, String> {
        let AnyDesired { version, generation, certificate, digest } = any;
        let found = Fingerprint::of(certificate.as_bytes());
        if found != digest {
            return Err(format!(
                "`digest` is {digest}, and that of `certificate` is {found}: it was changed on its way, fetch it again"
            ));
        }
        Ok(Self { version, generation, certificate, digest })
    }
}

/// What a device says of the certificate of a generation.
///
/// ```
/// use iot_runbook::certificate::message::{Outcome, Reported};
///
/// let text = r#"{"version":1,"generation":3,
///     "digest":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
///     "outcome":{"test-failed":{"reason":"no route to the test endpoint"}},"firmware":"1.9"}"#;
/// let reported: Reported = serde_json::from_str(text)?;
/// assert!(matches!(reported.outcome, Outcome::TestFailed { .. }));
/// assert!(serde_json::from_str::<Reported>(&text.replace(":1,", ":2,")).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reported {
    /// The version of the message.
    pub version: Version,
    /// The generation it speaks of.
    pub generation: u64,
    /// The digest of the certificate it speaks of, as in [`Desired::digest`].
    pub digest: Fingerprint,
    /// How far it came.
    pub outcome: Outcome,
}

impl Reported {
    /// That outcome for what was desired.
    #[must_use]
    pub const fn new(desired: &Desired, outcome: Outcome) -> Self {
        Self { version: Version, generation: desired.generation, digest: desired.digest, outcome }
    }

    /// Whether it speaks of this certificate of this generation.
    #[must_use]
    pub fn is_of(&self, desired: &Desired) -> bool {
        self.generation == desired.generation && self.digest == desired.digest
    }
}

/// How far a device came with a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// It has the certificate, and has not tried it yet.
    Downloaded,
    /// It connected to the test endpoint with it, and means to switch.
    TestPassed,
    /// It uses the certificate. Its word alone confirms nothing: a connection does.
    Switched,
    /// It could not take the certificate, and uses the old one.
    Refused {
        /// Why, in the device's own words.
        reason: Reason,
    },
    /// The test failed, and it uses the old one.
    TestFailed {
        /// Why, in the device's own words.
        reason: Reason,
    },
}

/// A device's own words: at most [`LONGEST_REASON`] bytes of them, and nothing from the start of a PEM block on, which
/// could be its private key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct Reason(String);

impl Reason {
    /// The words, cut where they are too long, between two characters, and where a PEM block begins.
    #[must_use]
    pub fn new(words: impl Into<String>) -> Self {
        const WITHHELD: &str = "(a PEM block, withheld)";
        let mut words = words.into();
        let block = ["-----BEGIN", "PRIVATE KEY"].iter().filter_map(|mark| words.find(mark)).min();
        let longest = if block.is_some() { LONGEST_REASON - WITHHELD.len() } else { LONGEST_REASON };
        let longest = longest.min(block.unwrap_or(words.len()));
        let cut = (0..=longest).rev().find(|at| words.is_char_boundary(*at));
        words.truncate(cut.unwrap_or(0));
        if block.is_some() {
            words.push_str(WITHHELD);
        }
        Self(words)
    }

    /// The words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Reason {
    fn from(words: String) -> Self {
        Self::new(words)
    }
}
