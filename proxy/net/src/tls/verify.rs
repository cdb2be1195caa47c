//! Whether a peer's certificate is good enough: Envoy's validation context. Knows no sessions.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};

use super::certificate::{San, SanKind, about, certificates};
use super::refused::{Refused, Why};

/// Whom to believe.
#[derive(Clone, Default)]
pub struct Validation {
    /// PEM of the authorities; without any, no chain is checked, as in Envoy.
    pub authorities: Option<Arc<[u8]>>,
    /// Names of which the certificate has to have one; empty is any.
    pub sans: Vec<SanRule>,
    /// Whether clients are not told the authorities' names.
    pub unnamed: bool,
}

/// What one subject alternative name has to be.
#[derive(Clone)]
pub struct SanRule {
    /// Of which kind; `None` is any.
    pub kind: Option<SanKind>,
    /// Whether a name is good.
    pub accepts: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// A DNS name that has to be it exactly, which a wildcard in the certificate may cover.
    pub exact: Option<Box<str>>,
}

impl SanRule {
    fn holds(&self, san: &San) -> bool {
        if self.kind.is_some_and(|kind| kind != san.kind) {
            return false;
        }
        let covered = |exact: &str| {
            san.kind == SanKind::Dns && san.value.starts_with("*.") && covers(&san.value, exact)
        };
        (self.accepts)(&san.value) || self.exact.as_deref().is_some_and(covered)
    }
}

/// None of a certificate's names is one that it should have.
#[derive(Debug, thiserror::Error)]
#[error("verify cert failed: {0}")]
pub(super) struct WrongNames(String);

impl WrongNames {
    /// As an error of the library, which has its peer told what Envoy's is: certificate_unknown.
    fn error(sans: &[San]) -> Error {
        Self::saying(format!("SAN matcher, certificate SANs are [{}]", joined(sans)))
    }

    fn saying(what: String) -> Error {
        CertificateError::Other(OtherError(Arc::new(WrongNames(what)))).into()
    }

    /// Whether it is this.
    pub(super) fn is(error: &CertificateError) -> bool {
        matches!(error, CertificateError::Other(other) if other.0.is::<WrongNames>())
    }
}

fn joined(sans: &[San]) -> String {
    sans.iter().map(|san| &*san.value).collect::<Vec<_>>().join(", ")
}

/// The check of one validation context.
pub(super) struct Verifier {
    roots: Option<Roots>,
    sans: Vec<SanRule>,
    unnamed: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

struct Roots {
    store: Arc<RootCertStore>,
    certificates: Vec<CertificateDer<'static>>,
    /// For certificates of clients, which have a purpose of their own.
    clients: Arc<dyn ClientCertVerifier>,
}

impl Verifier {
    pub(super) fn new(validation: &Validation, provider: &Arc<CryptoProvider>) -> Result<Self, Refused> {
        let roots = match &validation.authorities {
            Some(pem) => Some(Roots::read(pem, provider)?),
            None => None,
        };
        let algorithms = provider.signature_verification_algorithms;
        Ok(Self { roots, sans: validation.sans.clone(), unnamed: validation.unnamed, algorithms })
    }

    /// The names of the authorities, to tell clients which certificates are welcome.
    fn subjects(&self) -> &[DistinguishedName] {
        let named = self.roots.as_ref().filter(|_| !self.unnamed);
        named.map_or(&[], |roots| roots.clients.root_hint_subjects())
    }

    fn names(&self, leaf: &CertificateDer<'_>) -> Result<(), Error> {
        if self.sans.is_empty() {
            return Ok(());
        }
        let about = about(leaf).ok_or(CertificateError::BadEncoding)?;
        let good = about.sans.iter().any(|san| self.sans.iter().any(|rule| rule.holds(san)));
        if good { Ok(()) } else { Err(WrongNames::error(&about.sans)) }
    }
}

impl Roots {
    fn read(pem: &[u8], provider: &Arc<CryptoProvider>) -> Result<Self, Refused> {
        let refuse = |said: String| Refused::from(Why::Authorities(said));
        let certificates = certificates(pem).map_err(refuse)?;
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            store.add(certificate.clone()).map_err(|error| refuse(error.to_string()))?;
        }
        if store.is_empty() {
            return Err(refuse("there is no certificate".to_owned()));
        }
        let store = Arc::new(store);
        let clients = WebPkiClientVerifier::builder_with_provider(store.clone(), provider.clone())
            .allow_unauthenticated()
            .build()
            .map_err(|error| refuse(error.to_string()))?;
        Ok(Self { store, certificates, clients })
    }

    /// Whether the certificate itself is among those believed: Envoy ends a chain at any of them.
    fn has(&self, leaf: &CertificateDer<'_>, now: UnixTime) -> bool {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        self.certificates.iter().any(|own| own == leaf)
            && about(leaf).is_some_and(|about| (about.not_before..=about.not_after).contains(&now))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("sans", &self.sans.len()).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(roots) = &self.roots
            && !roots.has(leaf, now)
        {
            let parsed = ParsedCertificate::try_from(leaf)?;
            let algorithms = self.algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&parsed, &roots.store, intermediates, now, algorithms)?;
        }
        self.names(leaf)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The same for one connection, whose endpoint has to have a name beside.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) verifier: Arc<Verifier>,
    pub(super) name: Box<str>,
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.verifier.verify_server_cert(leaf, intermediates, name, ocsp, now)?;
        let about = about(leaf).ok_or(CertificateError::BadEncoding)?;
        let is_it = |san: &San| match san.kind {
            SanKind::Dns => covers(&san.value, &self.name),
            SanKind::Uri | SanKind::Email | SanKind::Ip => *san.value == *self.name,
        };
        if about.sans.iter().any(is_it) {
            return Ok(verified);
        }
        Err(WrongNames::saying(format!(
            "verify SAN list, expected SANs: [{}], certificate SANs: [{}]",
            self.name,
            joined(&about.sans)
        )))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Whether a certificate's host name, which may begin with `*.`, is for this name (RFC 6125 6.4.3).
fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => name.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
        None => pattern.eq_ignore_ascii_case(name),
    }
}

/// The same for certificates of clients.
#[derive(Debug)]
pub(super) struct ForClients {
    pub(super) verifier: Verifier,
    /// Whether a client without one is turned away.
    pub(super) required: bool,
}

impl ClientCertVerifier for ForClients {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(roots) = &self.verifier.roots
            && !roots.has(leaf, now)
        {
            roots.clients.verify_client_cert(leaf, intermediates, now)?;
        }
        self.verifier.names(leaf)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
