//! PEM as RFC 7468 has it. Text outside the blocks and white space within them are passed over.
//!
//! Whatever is not a certificate may be a private key, so no error repeats any of its bytes: a boundary is named only
//! where it is a whole one, and then by a label of a fixed list.

use data_encoding::BASE64;

use super::{Certificate, CertificateError};

/// The labels of certificates. The second is what OpenSSL wrote long ago.
const CERTIFICATES: [&[u8]; 2] = [b"CERTIFICATE", b"X509 CERTIFICATE"];

/// Other labels, which an error names.
const OTHERS: [&str; 16] = [
    "PRIVATE KEY",
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
    "DSA PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
    "PUBLIC KEY",
    "RSA PUBLIC KEY",
    "CERTIFICATE REQUEST",
    "NEW CERTIFICATE REQUEST",
    "TRUSTED CERTIFICATE",
    "X509 CRL",
    "PKCS7",
    "CMS",
    "EC PARAMETERS",
    "DH PARAMETERS",
];

const BEGIN: &[u8] = b"-----BEGIN";
const END: &[u8] = b"-----END";
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads every certificate of a text in PEM, in its order, whether they form a chain or not.
///
/// Lines end in LF, CR LF or CR, and may begin with a byte order mark.
///
/// # Errors
/// [`CertificateError`], with the line of the block: a block of another kind (a private key above all) is refused, and so
/// is one without a beginning or an end, or whose boundary is not alone on its line.
pub fn certificates_from_pem(text: &[u8]) -> Result<Vec<Certificate>, CertificateError> {
    Ok(read_blocks(text)?.into_iter().map(|(_, certificate)| certificate).collect())
}

/// The certificates of a text, each with its DER.
pub(super) fn read_blocks(text: &[u8]) -> Result<Vec<(Vec<u8>, Certificate)>, CertificateError> {
    let read = |(position, (line, der)): (usize, (usize, Vec<u8>))| match Certificate::from_der(&der) {
        Ok(certificate) => Ok((der, certificate)),
        Err(error) => Err(CertificateError::InPem { line, position, source: Box::new(error) }),
    };
    blocks(text)?.into_iter().enumerate().map(read).collect()
}

/// Writes DER as a block of PEM, in lines of 64 characters.
pub(super) fn write_block(text: &mut String, der: &[u8]) {
    text.push_str("-----BEGIN CERTIFICATE-----\n");
    for line in der.chunks(48) {
        text.push_str(&BASE64.encode(line));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
}

/// A block whose end was not read yet.
struct OpenBlock<'a> {
    line: usize,
    label: &'a [u8],
    base64: Vec<u8>,
}

/// The bytes of each block, with the line on which it begins.
fn blocks(text: &[u8]) -> Result<Vec<(usize, Vec<u8>)>, CertificateError> {
    if text.is_empty() {
        return Err(CertificateError::Empty);
    }
    let mut blocks = Vec::new();
    let mut open: Option<OpenBlock<'_>> = None;
    for (number, line) in lines(text) {
        match &mut open {
            None => {
                if !contains(line, BEGIN) {
                    if contains(line, END) {
                        return Err(fault(number, "ends there and does not begin: hand over all of it"));
                    }
                    continue;
                }
                let Some(label) = label(line, BEGIN) else {
                    return Err(fault(
                        number,
                        "begins with a line that is no boundary: put `-----BEGIN CERTIFICATE-----` alone on its line, \
                         and line ends where `\\n` is written out",
                    ));
                };
                if !CERTIFICATES.contains(&label) {
                    return Err(CertificateError::WrongLabel { line: number, label: name(label).to_owned() });
                }
                open = Some(OpenBlock { line: number, label, base64: Vec::new() });
            }
            Some(block) if contains(line, BEGIN) => {
                return Err(fault(block.line, "does not end before the next begins: hand over all of it"));
            }
            Some(block) => match label(line, END) {
                Some(label) if label != block.label => {
                    return Err(fault(block.line, "ends with another label: hand over all of it"));
                }
                Some(_) => {
                    let der = BASE64.decode(&block.base64).map_err(|_| {
                        fault(block.line, "is no base64, or not all of it: hand it over as it was issued")
                    })?;
                    blocks.push((block.line, der));
                    open = None;
                }
                None => block.base64.extend(line.iter().filter(|byte| !byte.is_ascii_whitespace())),
            },
        }
    }
    match open {
        Some(block) => Err(fault(block.line, "does not end: hand over all of it")),
        None if !blocks.is_empty() => Ok(blocks),
        None if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") => {
            Err(CertificateError::Utf16)
        }
        None => Err(CertificateError::NoPem),
    }
}

/// The lines, from 1, without white space around them.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = text.split(|byte| *byte == b'\n');
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let lines = lines.flat_map(|line| line.split(|byte| *byte == b'\r'));
    lines.enumerate().map(|(at, line)| (at + 1, line.strip_prefix(UTF8_MARK).unwrap_or(line).trim_ascii()))
}

fn fault(line: usize, what: &'static str) -> CertificateError {
    CertificateError::Pem { line, what }
}

/// The label of a boundary that is alone on its line.
fn label<'a>(line: &'a [u8], boundary: &[u8]) -> Option<&'a [u8]> {
    let label = line.strip_prefix(boundary)?.strip_prefix(b" ")?.strip_suffix(b"-----")?;
    let is_label = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ';
    label.iter().all(is_label).then_some(label)
}

fn contains(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|window| window == part)
}

/// A label for an error. One that is not of the list could be a part of a key.
fn name(label: &[u8]) -> &'static str {
    OTHERS.into_iter().find(|known| known.as_bytes() == label).unwrap_or("another kind")
}
