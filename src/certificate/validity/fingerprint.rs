use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER_PERMISSIVE;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// A SHA-256, written as 64 hex digits in lower case. Read in any case, with or without colons between the bytes.
///
/// ```
/// use iot_runbook::certificate::validity::Fingerprint;
///
/// let fingerprint = Fingerprint::of(b"");
/// assert!(fingerprint.to_string().starts_with("e3b0c44298fc1c14"));
/// assert_eq!(fingerprint.to_string().to_uppercase().parse(), Ok(fingerprint));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The SHA-256 of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// One that was computed elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A text that is no SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no SHA-256: write 64 hex digits, with a colon between any two bytes or none")]
#[non_exhaustive]
pub struct FingerprintError;

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        // 64 digits and 31 colons: no long text is looked at.
        let digits = match text.len() {
            64 => text.to_owned(),
            95 => {
                let colons = text.bytes().skip(2).step_by(3);
                if !colons.into_iter().all(|byte| byte == b':') {
                    return Err(FingerprintError);
                }
                text.replace(':', "")
            }
            _ => return Err(FingerprintError),
        };
        let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map_err(|_| FingerprintError)?;
        bytes.try_into().map(Self).map_err(|_| FingerprintError)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

as_text!(Fingerprint);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_reads_as_tools_write_it() {
        let plain = Fingerprint::of(b"device");
        let text = plain.to_string();
        let pairs: Vec<&str> = (0..32).map(|at| &text[2 * at..2 * at + 2]).collect();
        let colons = pairs.join(":");
        for good in [text.clone(), text.to_uppercase(), colons.clone(), colons.to_uppercase()] {
            assert_eq!(good.parse(), Ok(plain), "{good}");
        }
        let moved = format!("{}:{}", &text[..63], &text[63..]);
        for bad in
            ["", "ab", &text[1..], &moved, &colons.replace(':', "-"), &format!("{text}0"), &"é".repeat(32)]
        {
            assert_eq!(bad.parse::<Fingerprint>(), Err(FingerprintError), "{bad}");
        }
    }
}
