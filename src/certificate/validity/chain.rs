use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::pem::{read_blocks, write_block};
use super::{Certificate, CertificateError, Expiry, certificates_from_pem, is_der};

/// A certificate and those above it: the device's own first, each issued by the next. Never empty.
///
/// The names alone are compared; no signature is checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Certificate>", into = "Vec<Certificate>")]
pub struct Chain {
    leaf: Certificate,
    issuers: Vec<Certificate>,
}

/// From when until when a whole chain is valid, and by which certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Effective {
    /// From when on all of it is valid: the latest of their beginnings.
    pub not_before: DateTime<Utc>,
    /// Until when all of it is valid: the earliest of their ends.
    pub expiry: Expiry,
    /// Which certificate ends then, from 0 for the device's own; of several, the first. Where it is not 0, another
    /// certificate for the device would not last longer: its issuer is to be renewed.
    pub binds: usize,
}

impl Chain {
    /// A chain of these, the device's own first.
    ///
    /// # Errors
    /// [`CertificateError::Empty`] and [`CertificateError::NotAChain`].
    pub fn new(certificates: Vec<Certificate>) -> Result<Self, CertificateError> {
        for (position, pair) in certificates.windows(2).enumerate() {
            if let [lower, upper] = pair
                // An empty name is no issuer's (RFC 5280 section 4.1.2.4).
                && (lower.issuer != upper.subject || lower.issuer.is_empty())
            {
                return Err(CertificateError::NotAChain {
                    position,
                    issuer: lower.issuer.clone(),
                    next: upper.subject.clone(),
                });
            }
        }
        let mut certificates = certificates.into_iter();
        let leaf = certificates.next().ok_or(CertificateError::Empty)?;
        Ok(Self { leaf, issuers: certificates.collect() })
    }

    /// Reads a chain in PEM; one certificate is a chain too.
    ///
    /// # Errors
    /// As [`certificates_from_pem`] and [`Chain::new`].
    pub fn from_pem(text: &[u8]) -> Result<Self, CertificateError> {
        Self::new(certificates_from_pem(text)?)
    }

    /// As [`Chain::from_pem`], with the PEM of its certificates alone, and the device's own certificate in DER.
    pub(in crate::certificate) fn with_pem(text: &[u8]) -> Result<(Self, String, Vec<u8>), CertificateError> {
        let blocks = read_blocks(text)?;
        let mut pem = String::new();
        blocks.iter().for_each(|(der, _)| write_block(&mut pem, der));
        let (ders, certificates): (Vec<_>, Vec<_>) = blocks.into_iter().unzip();
        let leaf = ders.into_iter().next().unwrap_or_default();
        Ok((Self::new(certificates)?, pem, leaf))
    }

    /// Reads one certificate in DER, or a chain in PEM, by the first byte.
    ///
    /// # Errors
    /// As [`Certificate::from_der`] and [`Chain::from_pem`].
    pub fn read(bytes: &[u8]) -> Result<Self, CertificateError> {
        if is_der(bytes) {
            Ok(Self { leaf: Certificate::from_der(bytes)?, issuers: Vec::new() })
        } else {
            Self::from_pem(bytes)
        }
    }

    /// The device's own certificate.
    #[must_use]
    pub const fn leaf(&self) -> &Certificate {
        &self.leaf
    }

    /// Those above it, the nearest first.
    #[must_use]
    pub fn issuers(&self) -> &[Certificate] {
        &self.issuers
    }

    /// All of them, the device's own first.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.leaf).chain(&self.issuers)
    }

    /// From when until when all of it is valid.
    #[must_use]
    pub fn effective(&self) -> Effective {
        let mut effective =
            Effective { not_before: self.leaf.not_before, expiry: self.leaf.not_after, binds: 0 };
        for (above, issuer) in self.issuers.iter().enumerate() {
            effective.not_before = effective.not_before.max(issuer.not_before);
            if issuer.not_after < effective.expiry {
                effective.expiry = issuer.not_after;
                effective.binds = above + 1;
            }
        }
        effective
    }
}

impl TryFrom<Vec<Certificate>> for Chain {
    type Error = CertificateError;

    fn try_from(certificates: Vec<Certificate>) -> Result<Self, CertificateError> {
        Self::new(certificates)
    }
}

impl From<Chain> for Vec<Certificate> {
    fn from(chain: Chain) -> Self {
        let mut all = chain.issuers;
        all.insert(0, chain.leaf);
        all
    }
}
