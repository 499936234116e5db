use serde::{Deserialize, Serialize};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::oid;

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
        match &*oid::minimal(&key.algorithm.algorithm) {
            RSA => Self::Rsa { bits: rsa_bits(key) },
            EC => {
                let curve = key.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
                match curve.as_ref().map(oid::minimal).as_deref() {
                    Some(P256) => Self::EcP256,
                    Some(P384) => Self::EcP384,
                    Some(P521) => Self::EcP521,
                    _ => Self::Other(curve.as_ref().unwrap_or(&key.algorithm.algorithm).to_id_string()),
                }
            }
            ED25519 => Self::Ed25519,
            ED448 => Self::Ed448,
            _ => Self::Other(key.algorithm.algorithm.to_id_string()),
        }
    }
}

// Object identifiers as DER has them.
/// 1.2.840.113549.1.1.1
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
/// 1.2.840.10045.2.1
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
/// 1.2.840.10045.3.1.7
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
/// 1.3.132.0.34
const P384: &[u8] = &[0x2b, 0x81, 4, 0, 34];
/// 1.3.132.0.35
const P521: &[u8] = &[0x2b, 0x81, 4, 0, 35];
/// 1.3.101.112
const ED25519: &[u8] = &[0x2b, 101, 112];
/// 1.3.101.113
const ED448: &[u8] = &[0x2b, 101, 113];

fn rsa_bits(key: &SubjectPublicKeyInfo<'_>) -> u32 {
    let Ok(PublicKey::RSA(key)) = key.parsed() else { return 0 };
    let zeros = key.modulus.iter().take_while(|byte| **byte == 0).count();
    let Some((first, rest)) = key.modulus.get(zeros..).and_then(<[u8]>::split_first) else { return 0 };
    let rest = u32::try_from(rest.len()).unwrap_or(u32::MAX).saturating_mul(8);
    rest.saturating_add(8 - first.leading_zeros())
}
