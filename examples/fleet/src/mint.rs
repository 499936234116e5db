//! Real certificates: keys and issuers from a seed, so that each run of a seed has the same fingerprints.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use iot_runbook::certificate::lifecycle::Issued;
use iot_runbook::certificate::validity::Fingerprint;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ED25519, PublicKeyData,
    SignatureAlgorithm,
};

use crate::error::FleetError;
use crate::random::Random;

/// From when until when.
pub type Dates = (DateTime<Utc>, DateTime<Utc>);

/// The public half of a device's key. The private half stays with the device, which this simulation never asks to
/// sign anything: so it is made, and dropped.
#[derive(Clone, Debug)]
pub struct PublicKey {
    bytes: Vec<u8>,
    /// The SHA-256 of its `subjectPublicKeyInfo`.
    pub fingerprint: Fingerprint,
}

impl PublicKey {
    /// Of a new key.
    ///
    /// # Errors
    /// [`FleetError::Mint`].
    pub fn new(random: &mut Random) -> Result<Self, FleetError> {
        let pair = key_pair(random)?;
        let fingerprint = Fingerprint::of(&pair.subject_public_key_info());
        Ok(Self { bytes: pair.der_bytes().to_vec(), fingerprint })
    }
}

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

/// The issuers of a fleet.
#[derive(Debug, Default)]
pub struct Mint {
    issuers: BTreeMap<u64, Authority>,
    serial: u64,
}

/// An issuer.
#[derive(Debug)]
pub struct Authority {
    /// What it is called.
    pub name: String,
    /// From when until when it is valid.
    pub dates: Dates,
    /// The SHA-256 of its certificate.
    pub fingerprint: Fingerprint,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Mint {
    /// Makes an issuer.
    ///
    /// # Errors
    /// [`FleetError::Mint`].
    pub fn add(
        &mut self,
        number: u64,
        name: &str,
        dates: Dates,
        random: &mut Random,
    ) -> Result<(), FleetError> {
        let mut params = self.params(name, dates)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = key_pair(random)?;
        let certificate = params.self_signed(&key)?;
        let authority = Authority {
            name: name.to_owned(),
            dates,
            fingerprint: Fingerprint::of(certificate.der()),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        };
        self.issuers.insert(number, authority);
        Ok(())
    }

    /// The issuers by their numbers.
    #[must_use]
    pub const fn issuers(&self) -> &BTreeMap<u64, Authority> {
        &self.issuers
    }

    /// The number of the issuer of that certificate.
    #[must_use]
    pub fn number_of(&self, certificate: Fingerprint) -> Option<u64> {
        self.issuers.iter().find(|(_, one)| one.fingerprint == certificate).map(|(number, _)| *number)
    }

    /// Issues a certificate: with its chain, in PEM, and read again by the library.
    ///
    /// # Errors
    /// [`FleetError`] where there is no such issuer, or the certificate is not made, or cannot be read.
    pub fn issue(
        &mut self,
        issuer: u64,
        name: &str,
        key: &PublicKey,
        dates: Dates,
    ) -> Result<Issued, FleetError> {
        let params = self.params(name, dates)?;
        let authority = self.issuers.get(&issuer).ok_or(FleetError::Issuer(issuer))?;
        let leaf = params.signed_by(key, &authority.issuer)?;
        Ok(Issued::from_pem(leaf.pem() + &authority.pem)?)
    }

    fn params(&mut self, name: &str, (from, until): Dates) -> Result<CertificateParams, FleetError> {
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(1970, 1, 1) + since_1970(from);
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + since_1970(until);
        self.serial = self.serial.saturating_add(1);
        params.serial_number = Some(self.serial.into());
        Ok(params)
    }
}

fn since_1970(at: DateTime<Utc>) -> Duration {
    Duration::from_secs(u64::try_from(at.timestamp()).unwrap_or(0))
}

/// An Ed25519 key: its signatures are the same each time.
fn key_pair(random: &mut Random) -> Result<KeyPair, FleetError> {
    /// All of a PKCS #8 file of such a key (RFC 8410) but the key.
    const PKCS8: [u8; 16] = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
    Ok(KeyPair::try_from([PKCS8.as_slice(), &random.bytes()].concat())?)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use iot_runbook::certificate::validity::Chain;

    use super::*;

    #[test]
    fn minting_repeats_with_the_seed() {
        let from = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let mint = || {
            let mut random = Random::new(7, 0);
            let mut mint = Mint::default();
            mint.add(1, "Plant CA", (from, from + TimeDelta::days(40)), &mut random).unwrap();
            let key = PublicKey::new(&mut random).unwrap();
            let dates = (from, from + TimeDelta::days(90));
            (
                key.fingerprint,
                mint.issue(1, "pump-1", &key, dates).unwrap(),
                mint.number_of(Fingerprint::of(b"")),
            )
        };
        let (key, issued, unknown) = mint();
        assert_eq!(issued, mint().1);
        assert_eq!(unknown, None);
        let chain = Chain::from_pem(issued.pem().as_bytes()).unwrap();
        assert_eq!((chain.leaf().subject.as_str(), chain.leaf().public_key), ("CN=pump-1", key));
        assert_eq!(issued.credential().end(), Some(from + TimeDelta::days(40)), "its issuer ends first");
    }
}
