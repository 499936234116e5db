//! The name that ACME has for a certificate (RFC 9773 section 4.1).

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use thiserror::Error;
use x509_parser::certificate::X509Certificate;

use super::name::element;
use super::{CertificateError, parse};

/// The unique identifier that ACME has for a certificate: its issuer's key identifier and its serial number. A CA is asked
/// by it for the [renewal information](crate::certificate::schedule::RenewalInfo), and an order names by it the
/// certificate that it replaces.
///
/// ```
/// use iot_runbook::certificate::validity::CertId;
///
/// // The example of RFC 9773, appendix A.
/// let id = CertId::new(b"\x69\x88\x5b\x6b\x87\x46\x40\x41\xe1\xb3\x7b\x84\x7b\xa0\xae\x2c\xde\x01\xc8\xd4", b"\0\x87\x65\x43\x21")?;
/// assert_eq!(id.as_str(), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
/// assert_eq!(id.url("https://ca.example/renewal-info/"), "https://ca.example/renewal-info/aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
/// # Ok::<(), iot_runbook::certificate::validity::CertIdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertId(Box<str>);

impl CertId {
    /// Of the `keyIdentifier` of the certificate's authority key identifier, and the content of its serial number as DER has
    /// it: with the zero in front where its first bit is set.
    ///
    /// # Errors
    /// [`CertIdError::Empty`] where one of them has no byte.
    pub fn new(key_identifier: &[u8], serial: &[u8]) -> Result<Self, CertIdError> {
        if key_identifier.is_empty() || serial.is_empty() {
            return Err(CertIdError::Empty);
        }
        let mut text = BASE64URL_NOPAD.encode(key_identifier);
        text.push('.');
        BASE64URL_NOPAD.encode_append(serial, &mut text);
        Ok(Self(text.into()))
    }

    /// Of a certificate in DER.
    ///
    /// # Errors
    /// [`CertIdError::Certificate`]; [`CertIdError::NoKeyIdentifier`] where its issuer gave it none, as of one that signed
    /// itself.
    pub fn from_der(der: &[u8]) -> Result<Self, CertIdError> {
        let certificate = parse(der)?;
        let key = key_identifier(&certificate).ok_or(CertIdError::NoKeyIdentifier)?;
        Self::new(key, certificate.tbs_certificate.raw_serial())
    }

    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where the CA is asked for the renewal information: `renewal_info` is the URL of that name in its directory.
    #[must_use]
    pub fn url(&self, renewal_info: &str) -> String {
        format!("{}/{}", renewal_info.trim_end_matches('/'), self.0)
    }
}

/// 2.5.29.35, the authority key identifier.
const AUTHORITY_KEY: &[u8] = &[0x55, 0x1d, 0x23];
const SEQUENCE: u8 = 0x30;
/// `[0] IMPLICIT OCTET STRING`.
const KEY_IDENTIFIER: u8 = 0x80;

fn key_identifier<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    let mut extensions = certificate.extensions().iter();
    let value = extensions.find(|one| one.oid.as_bytes() == AUTHORITY_KEY)?.value;
    let Some((SEQUENCE, fields, [])) = element(value) else { return None };
    let Some((KEY_IDENTIFIER, key, _)) = element(fields) else { return None };
    Some(key)
}

impl FromStr for CertId {
    type Err = CertIdError;

    fn from_str(text: &str) -> Result<Self, CertIdError> {
        let (key, serial) = text.split_once('.').ok_or(CertIdError::Text)?;
        let bytes = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| CertIdError::Text);
        Self::new(&bytes(key)?, &bytes(serial)?)
    }
}

impl fmt::Display for CertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(CertId);

/// Why there is no identifier.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CertIdError {
    /// The bytes are no certificate.
    #[error("the certificate cannot be read")]
    Certificate(#[from] CertificateError),
    /// The certificate names no key of its issuer.
    #[error("the certificate has no authority key identifier: ACME cannot name it; leave `replaces` out")]
    NoKeyIdentifier,
    /// The key identifier or the serial number has no byte.
    #[error("a key identifier and a serial number have a byte at least: read them of the certificate")]
    Empty,
    /// The text is no identifier.
    #[error("an identifier is two parts in base64url with a point between them: read it of the certificate")]
    Text,
}
