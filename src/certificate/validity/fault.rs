//! Where DER fails: the parser says only that it does. Walked once, and only for an error.

use x509_parser::der_parser::asn1_rs::{FromDer, Header};
use x509_parser::time::ASN1Time;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo, X509Name};

use super::{CertificateError, Part, name};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
/// The longest text of a date that an error repeats, in bytes: one with a zone and a fraction.
const LONGEST_DATE: usize = 30;

/// The first part of these bytes that is not as it should be.
pub(super) fn locate(der: &[u8]) -> CertificateError {
    match walk(der) {
        Err(error) => error,
        // All that is looked into here is right: it is what follows.
        Ok(at) => CertificateError::Malformed { part: Part::SignatureValue, at },
    }
}

/// Some bytes of the whole, and where they begin in it.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// One element: all of it, and what is in it.
struct Element<'a> {
    whole: &'a [u8],
    at: usize,
    inner: Cursor<'a>,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, part: Part, tag: Option<u8>) -> Result<Element<'a>, CertificateError> {
        let malformed = CertificateError::Malformed { part, at: self.at };
        if tag.is_some_and(|tag| self.bytes.first() != Some(&tag)) {
            return Err(malformed);
        }
        let Ok((content, header)) = Header::from_der(self.bytes) else { return Err(malformed) };
        let split = header.length().definite().ok().and_then(|length| content.split_at_checked(length));
        let Some((inner, rest)) = split else { return Err(malformed) };
        let head = self.bytes.len() - content.len();
        let whole = self.bytes.get(..head + inner.len()).unwrap_or_default();
        let element = Element { whole, at: self.at, inner: Cursor { bytes: inner, at: self.at + head } };
        *self = Self { bytes: rest, at: self.at + whole.len() };
        Ok(element)
    }
}

/// Where the signature begins, if all before it is right.
fn walk(der: &[u8]) -> Result<usize, CertificateError> {
    let mut whole = Cursor { bytes: der, at: 0 };
    let mut outer = whole.take(Part::Certificate, Some(SEQUENCE))?.inner;
    let mut tbs = outer.take(Part::TbsCertificate, Some(SEQUENCE))?.inner;
    if tbs.bytes.first() == Some(&VERSION) {
        let version = tbs.take(Part::Version, None)?;
        let (mut number, at) = (version.inner, version.at);
        let number = number.take(Part::Version, Some(INTEGER))?;
        // The parser takes the numbers it does not know too.
        if number.inner.bytes.len() != 1 {
            return Err(CertificateError::Malformed { part: Part::Version, at });
        }
    }
    let check = |element: &Element<'_>, part, right: bool| {
        if right { Ok(()) } else { Err(CertificateError::Malformed { part, at: element.at }) }
    };
    let is_name = |der: &[u8]| X509Name::from_der(der).is_ok() && name::is_whole(der);
    let serial = tbs.take(Part::SerialNumber, Some(INTEGER))?;
    check(&serial, Part::SerialNumber, !serial.inner.bytes.is_empty())?;
    let signature = tbs.take(Part::Signature, Some(SEQUENCE))?;
    check(&signature, Part::Signature, AlgorithmIdentifier::from_der(signature.whole).is_ok())?;
    let issuer = tbs.take(Part::Issuer, Some(SEQUENCE))?;
    check(&issuer, Part::Issuer, is_name(issuer.whole))?;
    let mut validity = tbs.take(Part::Validity, Some(SEQUENCE))?.inner;
    for part in [Part::NotBefore, Part::NotAfter] {
        let date = validity.take(part, None)?;
        if ASN1Time::from_der(date.whole).is_err() {
            return Err(CertificateError::Date { part, at: date.at, text: shown(date.inner.bytes) });
        }
    }
    let subject = tbs.take(Part::Subject, Some(SEQUENCE))?;
    check(&subject, Part::Subject, is_name(subject.whole))?;
    let key = tbs.take(Part::SubjectPublicKeyInfo, Some(SEQUENCE))?;
    let right = SubjectPublicKeyInfo::from_der(key.whole).is_ok();
    check(&key, Part::SubjectPublicKeyInfo, right)?;
    // The algorithm after the signed part; where it is right, it is what stands between.
    let algorithm = outer.take(Part::SignatureValue, Some(SEQUENCE))?;
    if !tbs.bytes.is_empty() && AlgorithmIdentifier::from_der(algorithm.whole).is_ok() {
        return Err(CertificateError::Malformed { part: Part::Extensions, at: tbs.at });
    }
    Ok(algorithm.at)
}

/// The text of a date for an error. Anything else could be a part of a key.
fn shown(date: &[u8]) -> String {
    let is_of_a_date = |byte: &u8| byte.is_ascii_digit() || b"+-.:TZ ".contains(byte);
    match str::from_utf8(date) {
        Ok(text) if date.len() <= LONGEST_DATE && date.iter().all(is_of_a_date) => text.to_owned(),
        _ => format!("{} bytes that are no date", date.len()),
    }
}
