//! Judging the certificates of peers, and keeping what each presented.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error as TlsError, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::Refusal;
use crate::{
    error::Result,
    pki::{Authority, Presented, provider},
};

/// Judges by what `authority` has issued and revoked as of now.
pub(super) fn verifier_of(authority: &Authority) -> Result<Arc<dyn ClientCertVerifier>> {
    let roots = Arc::new(authority.roots()?);
    Ok(WebPkiClientVerifier::builder_with_provider(roots, provider())
        .with_crls([authority.revocation_list()?])
        .only_check_end_entity_revocation()
        .build()?)
}

/// Why a handshake failed.
pub(super) fn refusal(error: &std::io::Error) -> Refusal {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    match tls {
        Some(TlsError::NoCertificatesPresented) => Refusal::NoCertificate,
        Some(TlsError::InvalidCertificate(reason)) => match reason {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Refusal::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Refusal::NotYetValid
            }
            CertificateError::Revoked => Refusal::Revoked,
            CertificateError::UnknownIssuer => Refusal::UnknownAuthority,
            _ => Refusal::Other,
        },
        _ => Refusal::Other,
    }
}

/// The verifier, and what the one peer before it presents.
#[derive(Debug)]
pub(super) struct Watched {
    inner: Arc<dyn ClientCertVerifier>,
    seen: Mutex<Option<Presented>>,
}

impl Watched {
    pub(super) fn new(inner: Arc<dyn ClientCertVerifier>) -> Self {
        Self { inner, seen: Mutex::default() }
    }

    pub(super) fn presented(&self) -> Option<Presented> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientCertVerifier for Watched {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Presented::parse(end_entity).ok();
        self.inner.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.inner.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.inner.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
