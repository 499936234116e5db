use serde::{Deserialize, Serialize};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// What kind of key a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KeyAlgorithm {
    /// RSA.
    Rsa {
        /// The length of its modulus in bits; 0 where the key cannot be read.
        bits: u32,
    },
    /// The curve P-256 (secp256r1).
    EcP256,
    /// The curve P-384 (secp384r1).
    EcP384,
    /// The curve P-521 (secp521r1).
    EcP521,
    /// Ed25519.
    Ed25519,
    /// Ed448.
    Ed448,
    /// Any other, by its object identifier: that of the curve for an elliptic curve.
    Other(String),
}

impl KeyAlgorithm {
    pub(super) fn of(key: &SubjectPublicKeyInfo<'_>) -> Self {
        let algorithm = key.algorithm.algorithm.to_id_string();
        match algorithm.as_str() {
            "1.2.840.113549.1.1.1" => Self::Rsa { bits: rsa_bits(key) },
            "1.2.840.10045.2.1" => {
                let curve = key.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
                match curve.map(|curve| curve.to_id_string()).as_deref() {
                    Some("1.2.840.10045.3.1.7") => Self::EcP256,
                    Some("1.3.132.0.34") => Self::EcP384,
                    Some("1.3.132.0.35") => Self::EcP521,
                    Some(other) => Self::Other(other.to_owned()),
                    None => Self::Other(algorithm),
                }
            }
            "1.3.101.112" => Self::Ed25519,
            "1.3.101.113" => Self::Ed448,
            _ => Self::Other(algorithm),
        }
    }
}

fn rsa_bits(key: &SubjectPublicKeyInfo<'_>) -> u32 {
    let Ok(PublicKey::RSA(key)) = key.parsed() else { return 0 };
    let zeros = key.modulus.iter().take_while(|byte| **byte == 0).count();
    let Some((first, rest)) = key.modulus.get(zeros..).and_then(<[u8]>::split_first) else { return 0 };
    let rest = u32::try_from(rest.len()).unwrap_or(u32::MAX).saturating_mul(8);
    rest.saturating_add(8 - first.leading_zeros())
}
