//! TLS towards clients: certificates, protocols and rules of one filter chain. Knows no sockets.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::server::{ClientHello, NoClientAuth, ResolvesServerCert, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection, SignatureScheme};

use super::certificate::{About, Own, Pem};
use super::hello::Hello;
use super::refused::{Refused, Why};
use super::verify::{ForClients, Validation, Verifier};
use super::words::Params;

/// What a filter chain says about TLS.
#[derive(Clone)]
pub struct ServerSpec {
    /// Certificates with their keys, at least one.
    pub certificates: Vec<Pem>,
    /// Protocols to choose from, the best first; empty is not to speak of it.
    pub alpn: Vec<Box<[u8]>>,
    /// Versions, ciphers, groups.
    pub params: Params,
    /// Whether clients are asked for a certificate, and whom to believe; `required` turns away those without.
    pub clients: Option<Clients>,
    /// Whether sessions are resumed by tickets.
    pub tickets: bool,
    /// Whether sessions are remembered here for clients without tickets.
    pub memory: bool,
    /// Whether the client's order of ciphers counts, and not ours.
    pub client_order: bool,
}

/// Certificates of clients.
#[derive(Clone)]
pub struct Clients {
    /// Whom to believe.
    pub validation: Validation,
    /// Whether one without a certificate is turned away.
    pub required: bool,
}

/// TLS towards clients, shared by all workers: tickets that one gives the others take.
pub struct ServerTls {
    config: Arc<ServerConfig>,
    /// For clients that offer no protocol we have: Envoy goes on without, where the library would break off.
    without_alpn: Arc<ServerConfig>,
    certificates: Arc<Certificates>,
}

impl PartialEq for ServerTls {
    /// Two of them are different even if they say the same: tickets of one are nothing to the other.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl ServerTls {
    /// Makes sure that everything fits together.
    pub fn new(spec: &ServerSpec) -> Result<Self, Refused> {
        let mut own = Vec::new();
        for (nth, pem) in spec.certificates.iter().enumerate() {
            own.push(Own::read(nth, pem)?);
        }
        let certificates = Arc::new(Certificates(own));
        let provider = provider(&spec.params)?;
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&spec.params.versions())?;
        let builder = match &spec.clients {
            Some(clients) => builder.with_client_cert_verifier(Arc::new(ForClients {
                verifier: Verifier::new(&clients.validation, &provider)?,
                required: clients.required,
            })),
            None => builder.with_client_cert_verifier(Arc::new(NoClientAuth)),
        };
        let mut config = builder.with_cert_resolver(certificates.clone());
        config.ignore_client_order = !spec.client_order;
        if spec.tickets {
            config.ticketer = Ticketer::new()?;
        } else {
            config.send_tls13_tickets = 0;
        }
        config.session_storage = match spec.memory {
            true => ServerSessionMemoryCache::new(REMEMBERED),
            false => Arc::new(rustls::server::NoServerSessionStorage {}),
        };
        let without_alpn = Arc::new(config.clone());
        config.alpn_protocols = spec.alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Self { config: Arc::new(config), without_alpn, certificates })
    }

    /// A session for a client that says this.
    pub fn session(&self, hello: &Hello) -> Result<ServerConnection, rustls::Error> {
        let offered = |own: &Vec<u8>| hello.alpn.iter().any(|theirs| **theirs == **own);
        let common = hello.alpn.is_empty() || self.config.alpn_protocols.iter().any(offered);
        ServerConnection::new(if common { self.config.clone() } else { self.without_alpn.clone() })
    }

    /// Its certificates, each with its chain, leaf first.
    pub fn certificates(&self) -> impl Iterator<Item = &[About]> {
        self.certificates.0.iter().map(|own| &*own.about)
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.certificates().filter_map(|chain| Some(&chain.first()?.subject))).finish()
    }
}

/// Sessions remembered for clients that take no tickets. Few are left: 256 is the library's own number.
const REMEMBERED: usize = 256;

/// What cryptography to use with these settings.
pub(super) fn provider(params: &Params) -> Result<Arc<CryptoProvider>, Refused> {
    Ok(Arc::new(CryptoProvider {
        cipher_suites: params.suites().map_err(Why::Cipher)?,
        kx_groups: params.kx_groups().map_err(Why::Group)?,
        ..aws_lc_rs::default_provider()
    }))
}

/// The certificates of a chain, and the choice between them.
struct Certificates(Vec<Own>);

impl ResolvesServerCert for Certificates {
    /// As Envoy chooses: by the name first, among equals one with an elliptic key where the client can verify it, and the
    /// first of all where nothing fits, so that the client is told what is wrong.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let [only] = &*self.0 {
            return Some(only.key.clone());
        }
        let schemes = hello.signature_schemes();
        let verifiable = |own: &Own| own.key.key.choose_scheme(schemes).is_some();
        let ecdsa = schemes.contains(&SignatureScheme::ECDSA_NISTP256_SHA256);
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let rank = |own: &Own| {
            let fit = name.as_deref().and_then(|name| own.fits(name));
            (!verifiable(own), fit.map_or(u8::MAX, |fit| fit as u8), own.ecdsa != ecdsa)
        };
        self.0.iter().min_by_key(|own| rank(own)).map(|own| own.key.clone())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificates").field(&self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests;
