//! What travels, and what is kept of it: certificates, and requests for them. No type here can hold a private key.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

use super::rules::Rules;
use crate::certificate::validity::{CertId, CertificateError, Chain, Expiry, Fingerprint};
use crate::certificate::{Facts, Stage, effective_end};

/// What is kept of a certificate: enough to know it again on a connection, and to know when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Credential {
    /// The SHA-256 of its DER.
    pub fingerprint: Fingerprint,
    /// The SHA-256 of its public key.
    pub public_key: Fingerprint,
    /// From when on it is valid, with all of its chain.
    pub not_before: DateTime<Utc>,
    /// Until when it is valid, this second included.
    pub not_after: Expiry,
    /// The first of its issuers to end, where its chain is known.
    pub issuer: Option<Issuer>,
}

/// The first of a certificate's issuers to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Issuer {
    /// The SHA-256 of its DER.
    pub fingerprint: Fingerprint,
    /// Until when it is valid.
    pub not_after: Expiry,
}

impl From<&Chain> for Credential {
    fn from(chain: &Chain) -> Self {
        let leaf = chain.leaf();
        let issuer = chain.issuers().iter().min_by_key(|issuer| issuer.not_after);
        Self {
            fingerprint: leaf.fingerprint,
            public_key: leaf.public_key,
            // A leaf under an issuer that is not valid yet is of no use before that is.
            not_before: chain.effective().not_before,
            not_after: leaf.not_after,
            issuer: issuer.map(|one| Issuer { fingerprint: one.fingerprint, not_after: one.not_after }),
        }
    }
}

impl Credential {
    /// When it ends: with the first of its issuers, if that is earlier. `None`: never.
    #[must_use]
    pub fn end(&self) -> Option<DateTime<Utc>> {
        let issuer = self.issuer.map(|issuer| issuer.not_after.written());
        effective_end(self.not_after.written(), issuer)
    }

    /// Its issuer, where that ends before the certificate does.
    #[must_use]
    pub fn binding_issuer(&self) -> Option<&Issuer> {
        self.issuer.as_ref().filter(|issuer| issuer.not_after < self.not_after)
    }

    /// What its stage is judged by.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let issuer = self.issuer.map(|issuer| issuer.not_after.written());
        self.own_facts().with_issuer_not_after(issuer)
    }

    /// The same without its issuers.
    pub(super) fn own_facts(&self) -> Facts {
        Facts::new(self.not_before, self.not_after.written())
    }

    /// Whether it is past its end.
    pub(super) fn has_ended(&self, now: DateTime<Utc>) -> bool {
        self.end().is_some_and(|end| now > end)
    }
}

/// A certificate as it was issued: its PEM, which the device gets, and what was read of it. Serde writes the PEM, and
/// reads the rest of it again.
///
/// It holds certificates and nothing else: a text with a private key in it is refused, and whatever else is around the
/// blocks is dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Issued {
    pem: String,
    credential: Credential,
    cert_id: Option<CertId>,
}

impl Issued {
    /// Reads a certificate, or its chain with the device's own first.
    ///
    /// # Errors
    /// [`CertificateError`], for a block that is no certificate too.
    pub fn from_pem(pem: impl Into<String>) -> Result<Self, CertificateError> {
        let (chain, pem, leaf) = Chain::with_pem(pem.into().as_bytes())?;
        Ok(Self { pem, credential: Credential::from(&chain), cert_id: CertId::from_der(&leaf).ok() })
    }

    /// The PEM: the blocks of the certificates, without any text around them.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// What was read of it.
    #[must_use]
    pub const fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Its name for ACME; `None` where its issuer's key is not named in it.
    #[must_use]
    pub const fn cert_id(&self) -> Option<&CertId> {
        self.cert_id.as_ref()
    }

    /// Why it cannot take the place of `in_use`, if it cannot.
    pub(super) fn refusal(
        &self,
        rules: &Rules,
        now: DateTime<Utc>,
        asked: &SubjectKey,
        in_use: &Credential,
    ) -> Option<Refusal> {
        let new = &self.credential;
        // First, for none of the other answers would help: it can never be valid.
        if new.not_after < Expiry::at(new.not_before) {
            return Some(Refusal::EndsBeforeItBegins);
        }
        if !asked.admits(new.public_key) {
            return Some(Refusal::OtherKey { found: new.public_key });
        }
        if new.fingerprint == in_use.fingerprint {
            return Some(Refusal::TheSame);
        }
        if new.has_ended(now) {
            return Some(Refusal::Expired);
        }
        // Between the end of the one and the beginning of the other the device would be offline.
        let needed_at = in_use.end().map_or(now, |end| end.max(now));
        if new.not_before > needed_at {
            return Some(Refusal::BeginsTooLate);
        }
        let due = |facts: &Facts| {
            // As of its first second: one that is due from the start would be renewed in a loop, and each
            // round costs an issue.
            let stage = rules.policy().stage(facts, now.max(new.not_before), None);
            matches!(stage, Stage::Renewal | Stage::FollowUp | Stage::Expired)
        };
        match new.binding_issuer() {
            _ if due(&new.own_facts()) => Some(Refusal::Due),
            Some(issuer) if due(&new.facts()) => Some(Refusal::IssuerDue { issuer: *issuer }),
            _ => None,
        }
    }

    /// Whether it lasts no longer than the one in use because its issuer ends then: renewed under that issuer, lives would
    /// only become shorter and shorter.
    pub(super) fn no_gain(&self, in_use: &Credential) -> Option<Refusal> {
        let issuer = self.credential.issuer.filter(|issuer| issuer.not_after <= self.credential.not_after)?;
        (issuer.not_after <= Expiry::at(in_use.end()?)).then_some(Refusal::IssuerDue { issuer })
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issued({} until {})", self.credential.fingerprint, self.credential.not_after)
    }
}

impl TryFrom<String> for Issued {
    type Error = CertificateError;

    fn try_from(pem: String) -> Result<Self, CertificateError> {
        Self::from_pem(pem)
    }
}

impl From<Issued> for String {
    fn from(issued: Issued) -> Self {
        issued.pem
    }
}

/// Why a certificate that was issued is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Refusal {
    /// It is due for renewal already.
    #[error("it is due for renewal already: have it issued for longer")]
    Due,
    /// It is due for renewal already because its issuer ends, or lasts no longer than the one in use for that.
    #[error("it lasts too short because its issuer {} ends at {}: renew the issuer", issuer.fingerprint, issuer.not_after)]
    IssuerDue {
        /// The issuer.
        issuer: Issuer,
    },
    /// It is past its end.
    #[error("it has ended already: check the issuer's clock")]
    Expired,
    /// It ends before it begins.
    #[error("its not_after is before its not_before: check what the issuer was asked for")]
    EndsBeforeItBegins,
    /// It begins after the one that it replaces has ended.
    #[error("it begins when the one in use has ended: have it begin earlier")]
    BeginsTooLate,
    /// It is for another key, or for one that is compromised.
    #[error("it is for the key {found}, which was not asked for: issue it for the key of the request")]
    OtherKey {
        /// The SHA-256 of the key that it is for.
        found: Fingerprint,
    },
    /// It is the one in use.
    #[error("it is the one that is in use: issue another")]
    TheSame,
}

/// A request of a device for a certificate (PKCS #10): its public key, signed by its private key, which stays where it
/// is. The signature is for the issuer to check.
#[derive(Clone, PartialEq, Eq)]
pub struct Csr {
    der: Vec<u8>,
    public_key: Fingerprint,
}

/// Bytes that are no request for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no PKCS #10 request in DER: hand over what the device signed, and no key")]
#[non_exhaustive]
pub struct CsrError;

impl Csr {
    /// Reads a request in DER. The slice must hold it and nothing else.
    ///
    /// # Errors
    /// [`CsrError`].
    pub fn from_der(der: impl Into<Vec<u8>>) -> Result<Self, CsrError> {
        let der = der.into();
        let public_key = match X509CertificationRequest::from_der(&der) {
            // Nothing may follow the request: whatever was appended would be signed for by nobody.
            Ok(([], request)) => Fingerprint::of(request.certification_request_info.subject_pki.raw),
            _ => return Err(CsrError),
        };
        Ok(Self { der, public_key })
    }

    /// Its DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The SHA-256 of the public key that it is for.
    #[must_use]
    pub const fn public_key(&self) -> Fingerprint {
        self.public_key
    }
}

impl fmt::Debug for Csr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Csr({} bytes for {})", self.der.len(), self.public_key)
    }
}

impl Serialize for Csr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&data_encoding::BASE64.encode(&self.der))
    }
}

impl<'de> Deserialize<'de> for Csr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let der = data_encoding::BASE64.decode(text.as_bytes()).map_err(de::Error::custom)?;
        Self::from_der(der).map_err(de::Error::custom)
    }
}

/// For which key of the device a certificate is to be issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SubjectKey {
    /// The key that it has: the SHA-256 of its public key.
    Held(Fingerprint),
    /// The key of this request.
    Csr(Csr),
    /// Any key that the device makes, except these: the provisioning service gets a request from it.
    Fresh {
        /// The SHA-256 of public keys that are compromised.
        except: Vec<Fingerprint>,
    },
}

impl SubjectKey {
    /// True if it is that very key.
    pub(super) fn names(&self, public_key: Fingerprint) -> bool {
        !matches!(self, Self::Fresh { .. }) && self.admits(public_key)
    }

    /// Whether a certificate for that key is what was asked for.
    #[must_use]
    pub fn admits(&self, public_key: Fingerprint) -> bool {
        match self {
            Self::Held(held) => *held == public_key,
            Self::Csr(csr) => csr.public_key == public_key,
            Self::Fresh { except } => !except.contains(&public_key),
        }
    }
}
