//! The secret of an instance, and what is hashed under it.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

use serde::{Deserialize, Serialize};
use siphasher::{sip::SipHasher13, sip128};

use super::MessageId;
use super::placing::Placing;

/// 128 secret bits, under which an instance hashes ids and payloads (SipHash-1-3), so that nobody outside can
/// choose messages that meet in its tables or pass for copies of each other.
///
/// Fingerprints compare only under one secret. A message that comes again with a fingerprint of another secret passes as a
/// collision, not as a copy: nothing is lost, and nothing is deduplicated. [`Deduplicator::message`] takes that of its engine.
///
/// Instances that share a window over machines need one secret, from your own store of secrets:
/// [`Secret::from_bytes`]. A snapshot holds the secret of its instance.
///
/// [`Deduplicator::message`]: super::Deduplicator::message
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret([u8; 16]);

impl Secret {
    /// A secret of its own for each call (a restored engine has that of its snapshot, in its settings), from the operating system's randomness by way of
    /// [`RandomState`].
    #[must_use]
    pub fn random() -> Self {
        let half = || RandomState::new().hash_one(0x1D);
        Self(((u128::from(half()) << 64) | u128::from(half())).to_le_bytes())
    }

    /// The secret that has these bits. All zero is as good as none.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The secret's bits, for a store of secrets.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The key of an id that is no ULID: any bytes, hashed to 128 bits.
    #[must_use]
    pub fn id(&self, id: &[u8]) -> MessageId {
        MessageId::from_u128(sip128::SipHasher13::new_with_key(&self.part(1)).hash(id).as_u128())
    }

    /// The fingerprint of a payload.
    #[must_use]
    pub fn fingerprint(&self, payload: &[u8]) -> Fingerprint {
        Fingerprint(SipHasher13::new_with_key(&self.part(2)).hash(payload))
    }

    /// What places ids in the tables.
    pub(super) fn placing(&self) -> Placing {
        Placing::new(self.part(3))
    }

    /// A key for each use, so that none reveals anything of another.
    const fn part(&self, number: u8) -> [u8; 16] {
        let mut key = self.0;
        key[15] ^= number;
        key
    }
}

/// Shows nothing of it.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The keyed hash of a payload, 64 bits: two payloads of one id have the same one by chance once in 2⁶⁴.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint that has these bits, for those who hash payloads themselves. Hash under a key of your
    /// own where payloads may be chosen by others.
    #[must_use]
    pub const fn from_u64(bits: u64) -> Self {
        Self(bits)
    }

    /// The fingerprint's bits.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        self.0
    }
}

/// As 16 hexadecimal digits.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_uses_hash_apart() {
        let (one, two) = (Secret::from_bytes([7; 16]), Secret::random());
        assert_ne!(two, Secret::random());
        assert_ne!(one.id(b"a"), two.id(b"a"));
        assert_ne!(one.id(b"a"), one.id(b"b"));
        assert_ne!(one.fingerprint(b"a"), two.fingerprint(b"a"));
        assert_ne!(one.fingerprint(b""), one.fingerprint(b"\0"));
        let nothing = one.id(&[]);
        assert_ne!(one.fingerprint(&nothing.to_u128().to_le_bytes()).to_u64(), one.placing().hash(nothing).0);
        assert_eq!(one.id(b"a"), Secret::from_bytes(one.to_bytes()).id(b"a"));
    }

    #[test]
    fn hashes_are_the_same_on_every_machine() {
        let secret = Secret::from_bytes(*b"0123456789abcdef");
        assert_eq!(secret.fingerprint(b"23.5").to_string(), "fc0c80330eb589be");
        assert_eq!(secret.id(b"press-4/17").to_u128(), 134_547_410_887_275_399_186_340_159_811_289_319_663);
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::from_bytes([65; 16])), "Secret(..)");
    }
}
