//! Certificates as they are handed over, in DER or PEM, read into plain values.
//!
//! Reading is no verification: no signature is checked, and nothing is said about trust. Extensions are not looked
//! into.

mod cert_id;
mod chain;
mod expiry;
mod fault;
mod fingerprint;
mod key;
mod name;
mod oid;
mod pem;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::nom::Parser as _;
use x509_parser::time::ASN1Time;

pub use cert_id::{CertId, CertIdError};
pub use chain::{Chain, Effective};
pub use expiry::Expiry;
pub use fingerprint::{Fingerprint, FingerprintError};
pub use key::KeyAlgorithm;
pub use pem::certificates_from_pem;

/// What is read of one certificate. Plain values: as serde writes it, it is kept in any store.
///
/// ```
/// use iot_runbook::certificate::validity::{Certificate, CertificateError};
///
/// let error = Certificate::from_der(b"\x30\x03\x02\x01\x05").unwrap_err();
/// assert!(matches!(error, CertificateError::Malformed { .. }));
/// assert!(error.to_string().contains("at byte 2"), "{error}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Certificate {
    /// The serial number in hex, lower case, two digits a byte; a negative one, which should not be, with a `-`.
    pub serial: String,
    /// Whom it is for, as RFC 4514 writes a name: the most specific part first, special characters escaped.
    pub subject: String,
    /// Who issued it, written likewise.
    pub issuer: String,
    /// The SHA-256 of its DER.
    pub fingerprint: Fingerprint,
    /// The SHA-256 of its public key (of the DER of `subjectPublicKeyInfo`): the same for each certificate for
    /// the same key.
    pub public_key: Fingerprint,
    /// From when on it is valid, this second included.
    pub not_before: DateTime<Utc>,
    /// Until when it is valid, this second included, or never.
    pub not_after: Expiry,
    /// What kind of key it is for.
    pub key_algorithm: KeyAlgorithm,
}

impl Certificate {
    /// Reads one certificate in DER. The slice must hold it and nothing else.
    ///
    /// Dates are whole seconds: a fraction is cut off, downwards. `not_after` may lie before `not_before`: what
    /// that means is for the [policy](super::Policy).
    ///
    /// # Errors
    /// [`CertificateError`], with the byte at which the DER fails.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let parsed = parse(der)?;
        let (not_before, not_after) = dates(&parsed)?;
        let tbs = &parsed.tbs_certificate;
        Ok(Self {
            serial: serial(tbs.raw_serial()),
            subject: name::rfc4514(&tbs.subject),
            issuer: name::rfc4514(&tbs.issuer),
            fingerprint: Fingerprint::of(der),
            public_key: Fingerprint::of(tbs.subject_pki.raw),
            not_before,
            not_after,
            key_algorithm: KeyAlgorithm::of(&tbs.subject_pki),
        })
    }

    /// Reads one certificate in PEM. Text outside its block is passed over, as RFC 7468 has it.
    ///
    /// # Errors
    /// [`CertificateError`]; [`CertificateError::MoreThanOne`] for a chain, which [`Chain::from_pem`] reads.
    pub fn from_pem(text: &[u8]) -> Result<Self, CertificateError> {
        let mut all = certificates_from_pem(text)?;
        match all.pop() {
            Some(only) if all.is_empty() => Ok(only),
            Some(_) => Err(CertificateError::MoreThanOne { count: all.len() + 1 }),
            None => Err(CertificateError::NoPem),
        }
    }

    /// Reads one certificate, in DER where the first byte is that of a DER sequence, otherwise in PEM.
    ///
    /// # Errors
    /// As [`Certificate::from_der`] and [`Certificate::from_pem`].
    pub fn read(bytes: &[u8]) -> Result<Self, CertificateError> {
        if is_der(bytes) { Self::from_der(bytes) } else { Self::from_pem(bytes) }
    }
}

/// The dates of a certificate in DER, for those who need no more: no names are written and nothing is
/// hashed. It refuses what [`Certificate::from_der`] refuses.
///
/// # Errors
/// [`CertificateError`], with the byte at which the DER fails.
pub fn dates_from_der(der: &[u8]) -> Result<(DateTime<Utc>, Expiry), CertificateError> {
    dates(&parse(der)?)
}

/// Whether bytes begin as DER does; `0` as text begins no PEM.
fn is_der(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x30)
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateError> {
    if der.is_empty() {
        return Err(CertificateError::Empty);
    }
    match X509CertificateParser::new().with_deep_parse_extensions(false).parse(der) {
        // The parser takes a malformed name for a shorter one, and no serial number for one.
        Ok(([], certificate)) => match &certificate.tbs_certificate {
            tbs if tbs.raw_serial().is_empty() => Err(fault::locate(der)),
            tbs if ![&tbs.subject, &tbs.issuer].iter().all(|name| name::is_whole(name.as_raw())) => {
                Err(fault::locate(der))
            }
            _ => Ok(certificate),
        },
        Ok((rest, _)) => Err(CertificateError::Trailing { at: der.len() - rest.len(), count: rest.len() }),
        Err(_) => Err(fault::locate(der)),
    }
}

fn dates(certificate: &X509Certificate<'_>) -> Result<(DateTime<Utc>, Expiry), CertificateError> {
    let validity = &certificate.tbs_certificate.validity;
    // Timestamps alone: arithmetic on the parser's own dates panics at the end of 9999.
    let moment = |time: ASN1Time| DateTime::from_timestamp(time.timestamp(), 0);
    match (moment(validity.not_before), moment(validity.not_after)) {
        (Some(not_before), Some(not_after)) => Ok((not_before, Expiry::at(not_after))),
        _ => Err(CertificateError::Malformed { part: Part::Validity, at: 0 }),
    }
}

/// The two's complement of DER as signed hex.
fn serial(raw: &[u8]) -> String {
    if raw.first().is_none_or(|first| *first < 0x80) {
        return hex_without_zeros(raw);
    }
    let mut magnitude = raw.to_vec();
    let mut carry = true;
    for byte in magnitude.iter_mut().rev() {
        let (sum, over) = (!*byte).overflowing_add(u8::from(carry));
        (*byte, carry) = (sum, over);
    }
    format!("-{}", hex_without_zeros(&magnitude))
}

/// Without bytes of zero in front, but for the last of all.
fn hex_without_zeros(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = bytes.get(zeros.min(bytes.len().saturating_sub(1))..).unwrap_or_default();
    data_encoding::HEXLOWER.encode(digits)
}

named! {
    /// The parts of a certificate, in their order, by the names of RFC 5280 section 4.1.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    Part {
        /// The sequence around all.
        Certificate = "certificate",
        /// The part that is signed.
        TbsCertificate = "tbsCertificate",
        /// The version.
        Version = "version",
        /// The serial number.
        SerialNumber = "serialNumber",
        /// The algorithm of the signature.
        Signature = "signature",
        /// The issuer's name.
        Issuer = "issuer",
        /// The sequence of the two dates.
        Validity = "validity",
        /// From when on.
        NotBefore = "notBefore",
        /// Until when.
        NotAfter = "notAfter",
        /// The name of whom it is for.
        Subject = "subject",
        /// The public key.
        SubjectPublicKeyInfo = "subjectPublicKeyInfo",
        /// What follows the public key: unique ids and extensions.
        Extensions = "extensions",
        /// The algorithm and value of the signature.
        SignatureValue = "signatureValue",
    }
}

/// Why bytes are no certificate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// There are no bytes.
    #[error("there are no bytes: hand over a certificate in DER or PEM")]
    Empty,
    /// The DER is no certificate.
    #[error("no certificate: `{part}` is malformed, at byte {at} of the DER; hand over an X.509 certificate")]
    Malformed {
        /// The first part that is not as it should be.
        part: Part,
        /// Where it begins, in bytes from the start of the DER.
        at: usize,
    },
    /// A date is none, such as a 30th of February, or is not written as DER has it.
    #[error("`{part}` at byte {at} of the DER is no date: `{text}`; have the certificate issued again")]
    Date {
        /// Which of the dates.
        part: Part,
        /// Where it begins, in bytes from the start of the DER.
        at: usize,
        /// Its text where that is made of what dates are made of, or else its length: it could be a part of a key.
        text: String,
    },
    /// Something follows the certificate.
    #[error("{count} bytes follow the certificate, from byte {at} on: hand over one certificate and no more")]
    Trailing {
        /// Where they begin, in bytes from the start of the DER.
        at: usize,
        /// How many there are.
        count: usize,
    },
    /// There is no PEM block.
    #[error(
        "no `-----BEGIN CERTIFICATE-----` is there: hand over a certificate in PEM, or in DER from its first byte"
    )]
    NoPem,
    /// The text is in UTF-16.
    #[error("the text is in UTF-16: save it in ASCII or UTF-8")]
    Utf16,
    /// A PEM block is of another kind.
    #[error("line {line} begins a PEM block of `{label}`: hand over certificates alone, and no private key")]
    WrongLabel {
        /// The line of its beginning, from 1.
        line: usize,
        /// Its label where that is a well-known one, or else `another kind`: it could be a part of a key.
        label: String,
    },
    /// A PEM block is not as RFC 7468 has it.
    #[error("line {line}: the PEM block {what}")]
    Pem {
        /// The line of its beginning, from 1; of its end where it has no beginning.
        line: usize,
        /// What is wrong, and what to do.
        what: &'static str,
    },
    /// What a PEM block holds is no certificate.
    #[error(
        "the PEM block that begins on line {line} (certificate {position} of the chain, from 0) cannot be read: \
         export this certificate again, as X.509"
    )]
    InPem {
        /// The line of its beginning, from 1.
        line: usize,
        /// Which certificate it is, from 0.
        position: usize,
        /// What is wrong with it.
        source: Box<Self>,
    },
    /// There is a chain where one certificate should be.
    #[error("there are {count} certificates where one should be: read them as a chain")]
    MoreThanOne {
        /// How many there are.
        count: usize,
    },
    /// Two neighbours in a chain do not belong together.
    #[error(
        "certificate {position} of the chain (from 0) was issued by `{issuer}`, and the next is `{next}`: order \
         them from the device's own up, each issued by the next"
    )]
    NotAChain {
        /// The certificate whose issuer does not follow it.
        position: usize,
        /// Its issuer.
        issuer: String,
        /// The subject of the certificate that follows.
        next: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_is_signed_hex_of_whole_bytes() {
        for (raw, expected) in [
            (&[0x01][..], "01"),
            (&[0x00], "00"),
            (&[0x00, 0xff], "ff"),
            (&[0x00, 0x00, 0x12], "12"),
            (&[0x12, 0x00], "1200"),
            (&[0xff], "-01"),
            (&[0x80], "-80"),
            (&[0x80, 0x00], "-8000"),
            (&[0xff, 0x00], "-0100"),
            (&[], ""),
        ] {
            assert_eq!(serial(raw), expected, "{raw:?}");
        }
    }
}
