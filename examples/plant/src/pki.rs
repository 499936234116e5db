//! Certificates, minted on the spot: authorities, identities, revocation lists, and reading what a peer presents.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PublicKeyData, RevocationReason, RevokedCertParams, SerialNumber, SignatureAlgorithm,
};
use time::OffsetDateTime;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, CertificateRevocationListDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime,
        pem::PemObject,
    },
    time_provider::TimeProvider,
};
use x509_parser::{
    certification_request::X509CertificationRequest, parse_x509_certificate, prelude::FromDer, time::ASN1Time,
};

use crate::error::{Error, Result};

/// From when until when a certificate is valid, both ends in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment of it.
    pub not_before: DateTime<Utc>,
    /// The last moment of it.
    pub not_after: DateTime<Utc>,
}

impl Validity {
    /// A year around now, as most certificates of the plant have.
    pub fn current() -> Self {
        Self::between(TimeDelta::days(-30), TimeDelta::days(335))
    }

    /// A year that ended a day ago.
    pub fn expired() -> Self {
        Self::between(TimeDelta::days(-366), TimeDelta::days(-1))
    }

    /// A year that begins tomorrow.
    pub fn not_yet() -> Self {
        Self::between(TimeDelta::days(1), TimeDelta::days(366))
    }

    /// A year that ends in so many days.
    pub fn ending_in(days: i64) -> Self {
        Self::between(TimeDelta::days(days - 365), TimeDelta::days(days))
    }

    fn between(from: TimeDelta, to: TimeDelta) -> Self {
        let now = Utc::now();
        Self { not_before: now + from, not_after: now + to }
    }
}

/// A certificate with its private key.
#[derive(Clone)]
pub struct Identity {
    common_name: String,
    serial: String,
    validity: Validity,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Identity {
    /// Reads an identity from DER: its certificate, and its key in PKCS#8.
    ///
    /// # Errors
    /// When the certificate can't be parsed.
    pub fn from_der(certificate: Vec<u8>, key: Vec<u8>) -> Result<Self> {
        let presented = Presented::parse(&certificate)?;
        Ok(Self {
            common_name: presented.common_name,
            serial: presented.serial,
            validity: presented.validity,
            certificate: certificate.into(),
            key,
        })
    }

    /// The same key with another certificate.
    ///
    /// # Errors
    /// When the certificate can't be parsed, or is for another key.
    pub fn with_certificate(&self, certificate: Vec<u8>) -> Result<Self> {
        let other = Self::from_der(certificate, self.key.clone())?;
        // TLS refuses a certificate that does not fit its key.
        other.server_config()?;
        Ok(other)
    }

    /// The subject's common name: the client id of a client.
    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    /// The serial number, in hexadecimal.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// From when until when it is valid.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// The certificate in DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The private key, PKCS#8 in DER.
    pub fn key_der(&self) -> &[u8] {
        &self.key
    }

    /// A TLS client that presents this identity and trusts `roots`.
    ///
    /// # Errors
    /// When the key does not fit the certificate.
    pub fn client_config(&self, roots: RootCertStore) -> Result<ClientConfig> {
        self.client_config_by(roots, TimeDelta::zero())
    }

    /// The same for a client whose own clock is ahead of the true time by `ahead`.
    ///
    /// # Errors
    /// When the key does not fit the certificate.
    pub fn client_config_by(&self, roots: RootCertStore, ahead: TimeDelta) -> Result<ClientConfig> {
        Ok(ClientConfig::builder_with_details(provider(), Arc::new(OwnClock { ahead }))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![self.certificate.clone()], self.private_key())?)
    }

    /// A TLS server that presents this identity and asks its clients for none.
    ///
    /// # Errors
    /// When the key does not fit the certificate.
    pub fn server_config(&self) -> Result<ServerConfig> {
        Ok(ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], self.private_key())?)
    }

    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }
}

/// The clock of a TLS client.
#[derive(Debug)]
struct OwnClock {
    ahead: TimeDelta,
}

impl TimeProvider for OwnClock {
    fn current_time(&self) -> Option<UnixTime> {
        let now = Utc::now().checked_add_signed(self.ahead)?;
        let since = u64::try_from(now.timestamp()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(since)))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("common_name", &self.common_name)
            .field("serial", &self.serial)
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

/// A certificate authority, and its list of what it has revoked.
pub struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    next_serial: AtomicU64,
    revoked: Mutex<Vec<String>>,
}

impl Authority {
    /// Makes an authority named `name`.
    ///
    /// # Errors
    /// When no key can be generated.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let validity = Validity::current();
        params.not_before = offset(validity.not_before)?;
        params.not_after = offset(validity.not_after)?;
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Self {
            certificate,
            issuer: Issuer::new(params, key),
            next_serial: AtomicU64::new(0x10_0001),
            revoked: Mutex::default(),
        })
    }

    /// Issues a certificate for `common_name`, good for clients and for servers on loopback.
    ///
    /// # Errors
    /// When no key can be generated or `common_name` is not a possible name.
    pub fn issue(&self, common_name: &str, validity: Validity) -> Result<Identity> {
        let key = KeyPair::generate()?;
        let certificate = self.certify(common_name, &key, validity)?;
        Identity::from_der(certificate, key.serialize_der())
    }

    /// Issues a certificate for the key in a signing request, for its subject alone. The request's own signature is not
    /// checked: a certificate is of no use to whoever does not have its key.
    ///
    /// # Errors
    /// When the request can't be read, or is for another subject.
    pub fn sign(&self, common_name: &str, request: &[u8], validity: Validity) -> Result<Vec<u8>> {
        let unreadable = |why: String| Error::UnreadableCertificate(why);
        let (_, request) = X509CertificationRequest::from_der(request)
            .map_err(|error| unreadable(format!("signing request: {error}")))?;
        let info = &request.certification_request_info;
        let mut names = info.subject.iter_common_name().filter_map(|name| name.as_str().ok());
        let subject = names.next().unwrap_or_default();
        if subject != common_name {
            return Err(Error::Refused(format!("{common_name} requests a certificate of {subject:?}")));
        }
        let key = PublicKey(info.subject_pki.subject_public_key.data.to_vec());
        self.certify(common_name, &key, validity)
    }

    /// Issues another certificate for the key and the name of this one, in PEM. The key itself is not needed for it.
    ///
    /// # Errors
    /// When the certificate can't be read.
    pub fn renew(&self, certificate: &[u8], validity: Validity) -> Result<String> {
        let (_, read) = parse_x509_certificate(certificate)
            .map_err(|error| Error::UnreadableCertificate(error.to_string()))?;
        let key = PublicKey(read.public_key().subject_public_key.data.to_vec());
        let common_name = Presented::parse(certificate)?.common_name;
        Ok(self.certified(&common_name, &key, validity)?.pem())
    }

    fn certify(&self, common_name: &str, key: &impl PublicKeyData, validity: Validity) -> Result<Vec<u8>> {
        Ok(self.certified(common_name, key, validity)?.der().to_vec())
    }

    fn certified(
        &self,
        common_name: &str,
        key: &impl PublicKeyData,
        validity: Validity,
    ) -> Result<Certificate> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = offset(validity.not_before)?;
        params.not_after = offset(validity.not_after)?;
        let serial = self.next_serial.fetch_add(1, Ordering::Relaxed);
        params.serial_number = Some(SerialNumber::from(serial));
        Ok(params.signed_by(key, &self.issuer)?)
    }

    /// Puts the certificate with this serial on the revocation list.
    pub fn revoke(&self, serial: &str) {
        let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        if !revoked.iter().any(|known| known == serial) {
            revoked.push(serial.to_owned());
        }
    }

    /// Whether the certificate with this serial is on the revocation list.
    pub fn has_revoked(&self, serial: &str) -> bool {
        self.revoked.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|known| known == serial)
    }

    /// The revocation list as of now, signed.
    ///
    /// # Errors
    /// When it can't be signed.
    pub fn revocation_list(&self) -> Result<CertificateRevocationListDer<'static>> {
        let now = Utc::now();
        let revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let revoked_certs = revoked
            .iter()
            .map(|serial| {
                Ok(RevokedCertParams {
                    serial_number: serial_number(serial)?,
                    revocation_time: offset(now)?,
                    reason_code: Some(RevocationReason::KeyCompromise),
                    invalidity_date: None,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let params = CertificateRevocationListParams {
            this_update: offset(now)?,
            next_update: offset(now + TimeDelta::days(1))?,
            crl_number: SerialNumber::from(revoked.len() as u64),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(params.signed_by(&self.issuer)?.into())
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A store of roots with this authority alone in it.
    ///
    /// # Errors
    /// When the certificate is not fit for a root.
    pub fn roots(&self) -> Result<RootCertStore> {
        roots_of(self.certificate.clone())
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// A key that is known by its public half.
struct PublicKey(Vec<u8>);

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// A request for a certificate of a fresh key. The key stays here.
pub struct Request {
    key: KeyPair,
    der: Vec<u8>,
}

impl Request {
    /// Makes a key, and a request for it in this name.
    ///
    /// # Errors
    /// When no key can be generated or `common_name` is not a possible name.
    pub fn new(common_name: &str) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let der = params.serialize_request(&key)?.der().to_vec();
        Ok(Self { key, der })
    }

    /// The request in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The identity that the certificate issued for it makes.
    ///
    /// # Errors
    /// When the certificate can't be parsed.
    pub fn complete(self, certificate: Vec<u8>) -> Result<Identity> {
        Identity::from_der(certificate, self.key.serialize_der())
    }
}

/// A store of roots with one certificate in it.
///
/// # Errors
/// When the certificate is not fit for a root.
pub fn roots_of(certificate: CertificateDer<'static>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    Ok(roots)
}

/// The one crypto provider of the plant.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// A certificate as a peer presented it, read from its DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The subject's common name.
    pub common_name: String,
    /// The issuer's common name.
    pub issuer: String,
    /// The serial number, in hexadecimal.
    pub serial: String,
    /// From when until when it is valid.
    pub validity: Validity,
    /// The certificate itself.
    pub der: Vec<u8>,
}

impl Presented {
    /// Reads a certificate.
    ///
    /// # Errors
    /// When it can't be parsed, or has no common name.
    pub fn parse(der: &[u8]) -> Result<Self> {
        let unreadable = |what: &str| Error::UnreadableCertificate(what.to_owned());
        let (_, certificate) = parse_x509_certificate(der).map_err(|error| unreadable(&error.to_string()))?;
        let name_of = |name: &x509_parser::x509::X509Name<'_>| {
            name.iter_common_name()
                .next()
                .and_then(|name| name.as_str().ok())
                .map(str::to_owned)
                .ok_or_else(|| unreadable("no common name"))
        };
        let time = |time: ASN1Time| {
            DateTime::from_timestamp(time.timestamp(), 0).ok_or_else(|| unreadable("a time out of range"))
        };
        Ok(Self {
            common_name: name_of(certificate.subject())?,
            issuer: name_of(certificate.issuer())?,
            serial: certificate.tbs_certificate.serial.to_str_radix(16),
            validity: Validity {
                not_before: time(certificate.validity().not_before)?,
                not_after: time(certificate.validity().not_after)?,
            },
            der: der.to_vec(),
        })
    }
}

/// The first certificate of a PEM text, in DER.
///
/// # Errors
/// When there is none.
pub fn certificate_of_pem(pem: &str) -> Result<Vec<u8>> {
    let first = CertificateDer::from_pem_slice(pem.as_bytes());
    first.map(|der| der.to_vec()).map_err(|error| Error::UnreadableCertificate(error.to_string()))
}

fn offset(time: DateTime<Utc>) -> Result<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(time.timestamp())
        .map_err(|error| Error::UnreadableCertificate(error.to_string()))
}

fn serial_number(serial: &str) -> Result<SerialNumber> {
    let number =
        u64::from_str_radix(serial, 16).map_err(|error| Error::UnreadableCertificate(error.to_string()))?;
    Ok(SerialNumber::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_presented_is_read_back() {
        let authority = Authority::new("authority").unwrap();
        let identity = authority.issue("press-1", Validity::expired()).unwrap();
        let presented = Presented::parse(identity.certificate()).unwrap();
        assert_eq!(presented.common_name, "press-1");
        assert_eq!(presented.issuer, "authority");
        assert_eq!(presented.serial, identity.serial());
        assert!(presented.validity.not_after < Utc::now());
    }

    #[test]
    fn serials_differ_under_one_name() {
        let authority = Authority::new("authority").unwrap();
        let first = authority.issue("press-1", Validity::current()).unwrap();
        let second = authority.issue("press-1", Validity::current()).unwrap();
        assert_ne!(first.serial(), second.serial());
        authority.revoke(first.serial());
        assert!(authority.has_revoked(first.serial()));
        assert!(!authority.has_revoked(second.serial()));
    }

    #[test]
    fn renewed_certificate_fits_its_own_key_alone() {
        let authority = Authority::new("authority").unwrap();
        let first = authority.issue("press-1", Validity::ending_in(45)).unwrap();
        let pem = authority.renew(first.certificate(), Validity::current()).unwrap();
        let der = certificate_of_pem(&pem).unwrap();
        let renewed = first.with_certificate(der.clone()).unwrap();
        assert_ne!(renewed.serial(), first.serial());
        assert!(renewed.validity().not_after > first.validity().not_after);
        let other = authority.issue("press-1", Validity::current()).unwrap();
        assert!(other.with_certificate(der).is_err());
    }

    #[test]
    fn nonsense_is_not_a_certificate() {
        assert!(Presented::parse(b"nonsense").is_err());
    }
}
