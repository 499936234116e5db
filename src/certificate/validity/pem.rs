//! PEM as RFC 7468 has it: text outside the blocks is passed over, white space within them too.

use data_encoding::BASE64;

use super::{Certificate, CertificateError};

/// Reads every certificate of a text in PEM, in its order, whether they form a chain or not.
///
/// # Errors
/// [`CertificateError`], with the line at which the block begins: a block of another kind (a private key above all)
/// is refused, and so is one that does not end.
pub fn certificates_from_pem(text: &[u8]) -> Result<Vec<Certificate>, CertificateError> {
    let blocks = blocks(text)?;
    let read = |(position, (line, der)): (usize, (usize, Vec<u8>))| {
        Certificate::from_der(&der).map_err(|error| CertificateError::InPem {
            line,
            position,
            source: Box::new(error),
        })
    };
    blocks.into_iter().enumerate().map(read).collect()
}

/// The bytes of each block, with the line on which it begins.
fn blocks(text: &[u8]) -> Result<Vec<(usize, Vec<u8>)>, CertificateError> {
    if text.is_empty() {
        return Err(CertificateError::Empty);
    }
    let mut blocks = Vec::new();
    let mut open: Option<(usize, &[u8], Vec<u8>)> = None;
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let (number, line) = (at + 1, line.trim_ascii());
        let begun = label(line, b"-----BEGIN ");
        match &mut open {
            None => {
                let Some(begun) = begun else { continue };
                // The second is what OpenSSL wrote long ago.
                if begun != b"CERTIFICATE" && begun != b"X509 CERTIFICATE" {
                    return Err(CertificateError::WrongLabel { line: number, label: shown(begun) });
                }
                open = Some((number, begun, Vec::new()));
            }
            Some((line, ..)) if begun.is_some() => {
                return Err(fault(*line, "does not end before the next begins: hand over all of it"));
            }
            Some((began, begun, base64)) => {
                if let Some(ended) = label(line, b"-----END ") {
                    if ended != *begun {
                        return Err(fault(*began, "ends with another label: hand over all of it"));
                    }
                    let der = BASE64.decode(base64).map_err(|_| {
                        fault(*began, "is no base64, or not all of it: hand it over as it was issued")
                    })?;
                    blocks.push((*began, der));
                    open = None;
                } else {
                    base64.extend(line.iter().filter(|byte| !byte.is_ascii_whitespace()));
                }
            }
        }
    }
    match open {
        Some((line, ..)) => Err(fault(line, "does not end: hand over all of it")),
        None if blocks.is_empty() => Err(CertificateError::NoPem),
        None => Ok(blocks),
    }
}

fn fault(line: usize, what: &'static str) -> CertificateError {
    CertificateError::Pem { line, what }
}

fn label<'a>(line: &'a [u8], boundary: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(boundary)?.strip_suffix(b"-----")
}

fn shown(label: &[u8]) -> String {
    String::from_utf8_lossy(label.get(..40).unwrap_or(label)).into_owned()
}
