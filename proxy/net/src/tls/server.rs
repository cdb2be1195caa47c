//! TLS towards clients: certificates, protocols and rules of one filter chain. Knows no sockets.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoClientAuth, ResolvesServerCert, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection, SignatureScheme};

use super::certificate::{About, Own, Pem};
use super::hello::Hello;
use super::refused::{Refused, Why};
use super::verify::{ForClients, Validation, Verifier};
use super::words::{Params, Version};

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
    /// For TLS 1.2, by our order of suites.
    config: Arc<ServerConfig>,
    /// The same for clients that like ChaCha20 better than AES-128, where that is theirs to say.
    chacha: Option<Arc<ServerConfig>>,
    /// For TLS 1.3, where the client's order of suites counts; `None`: it is not spoken.
    newest: Option<Arc<ServerConfig>>,
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
        let provider = provider(&spec.params, false)?;
        let clients: Arc<dyn ClientCertVerifier> = match &spec.clients {
            Some(clients) => Arc::new(ForClients {
                verifier: Verifier::new(&clients.validation, &provider)?,
                required: clients.required,
            }),
            None => Arc::new(NoClientAuth),
        };
        let mut config = spec.config(provider, clients.clone(), certificates.clone())?;
        if spec.tickets {
            config.ticketer = Ticketer::new()?;
        } else {
            config.send_tls13_tickets = 0;
        }
        config.session_storage = match spec.memory {
            true => ServerSessionMemoryCache::new(REMEMBERED),
            false => Arc::new(rustls::server::NoServerSessionStorage {}),
        };
        let chacha = match spec.params.asks_clients() && !spec.client_order {
            true => {
                let mut other =
                    spec.config(self::provider(&spec.params, true)?, clients, certificates.clone())?;
                other.ticketer = config.ticketer.clone();
                other.send_tls13_tickets = config.send_tls13_tickets;
                other.session_storage = config.session_storage.clone();
                Some(Arc::new(other))
            }
            false => None,
        };
        let newest = (spec.params.max == Version::V13).then(|| {
            let mut newest = config.clone();
            newest.ignore_client_order = false;
            Arc::new(newest)
        });
        Ok(Self { config: Arc::new(config), chacha, newest, certificates })
    }

    /// A session for a client that says this.
    pub fn session(&self, hello: &Hello) -> Result<ServerConnection, rustls::Error> {
        let config = match (&self.newest, &self.chacha) {
            (Some(newest), _) if hello.newest >= TLS13 => newest,
            (_, Some(chacha)) if hello.likes_chacha => chacha,
            _ => &self.config,
        };
        let offered = |own: &Vec<u8>| hello.alpn.iter().any(|theirs| **theirs == **own);
        if hello.alpn.is_empty()
            || config.alpn_protocols.is_empty()
            || config.alpn_protocols.iter().any(offered)
        {
            return ServerConnection::new(config.clone());
        }
        // It offers no protocol we have: Envoy goes on without, where the library would break off.
        let mut config = (**config).clone();
        config.alpn_protocols.clear();
        ServerConnection::new(Arc::new(config))
    }

    /// The certificate that a client of this name is shown, with its chain, leaf first.
    pub fn shown_to(&self, server_name: Option<&str>) -> &[About] {
        let all = &self.certificates.0;
        let fits = |own: &&Own| server_name.is_some_and(|name| own.fits(name).is_some());
        all.iter().find(fits).or(all.first()).map_or(&[], |own| &own.about)
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

impl ServerSpec {
    fn config(
        &self,
        provider: Arc<CryptoProvider>,
        clients: Arc<dyn ClientCertVerifier>,
        certificates: Arc<Certificates>,
    ) -> Result<ServerConfig, Refused> {
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.params.versions())?
            .with_client_cert_verifier(clients)
            .with_cert_resolver(certificates);
        config.ignore_client_order = !self.client_order;
        config.alpn_protocols = self.alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(config)
    }
}

/// TLS 1.3 on the wire.
const TLS13: u16 = 0x0304;

/// Sessions remembered for clients that take no tickets. Few are left: 256 is the library's own number.
const REMEMBERED: usize = 256;

/// What cryptography to use with these settings.
pub(super) fn provider(params: &Params, chacha: bool) -> Result<Arc<CryptoProvider>, Refused> {
    // Most have these, and thousands of certificates need not have one each.
    static DEFAULT: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    static CHACHA: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    if !params.is_default() {
        return made(params, chacha);
    }
    let shared = if chacha { &CHACHA } else { &DEFAULT };
    match shared.get() {
        Some(known) => Ok(known.clone()),
        None => {
            let made = made(params, chacha)?;
            Ok(shared.get_or_init(|| made).clone())
        }
    }
}

fn made(params: &Params, chacha: bool) -> Result<Arc<CryptoProvider>, Refused> {
    Ok(Arc::new(CryptoProvider {
        cipher_suites: params.suites(chacha).map_err(Why::Cipher)?,
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
