//! TLS towards endpoints: whom to ask for, whom to believe, as whom to come. Knows no clusters.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, SignatureScheme};
use tokio::net::TcpStream;

use super::certificate::{About, Own, Pem};
use super::refused::{Refused, Why};
use super::server::provider;
use super::stream::TlsStream;
use super::verify::{Named, Validation, Verifier};
use super::words::Params;

/// What a cluster says about TLS.
#[derive(Clone)]
pub struct ClientSpec {
    /// The name to ask for; `None` sends none.
    pub sni: Option<Box<str>>,
    /// Protocols to offer, the best first; empty is the one of HTTP that is spoken, as Envoy has it.
    pub alpn: Vec<Box<[u8]>>,
    /// Versions, ciphers, groups.
    pub params: Params,
    /// Whom to believe.
    pub validation: Validation,
    /// The certificate to come with, if any.
    pub certificate: Option<Pem>,
    /// How many sessions are remembered to be resumed.
    pub sessions: usize,
}

/// TLS towards the endpoints of a cluster, shared by all workers.
pub struct ClientTls {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    sni: Option<ServerName<'static>>,
    certificate: Option<Own>,
    authorities: Vec<About>,
    verifier: Arc<Verifier>,
    /// Sessions whose endpoint had the name that it was asked for by: those of others prove nothing of the kind.
    checked: Resumption,
    /// Unique in this process: connections made with other settings are not confused with those of these.
    number: u64,
}

/// The names that one connection is made by, where they are the request's to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The name to ask for, instead of the settings' own.
    pub sni: Option<Box<str>>,
    /// The name that the certificate has to have beside what the settings say.
    pub san: Option<Box<str>>,
}

impl PartialEq for ClientTls {
    /// Two of them are different even if they say the same.
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

static NUMBERS: AtomicU64 = AtomicU64::new(1);

impl ClientTls {
    /// Makes sure that everything fits together.
    pub fn new(spec: &ClientSpec) -> Result<Self, Refused> {
        let sni = match &spec.sni {
            Some(name) => {
                Some(ServerName::try_from(name.to_string()).map_err(|_| Why::ServerName(name.clone()))?)
            }
            None => None,
        };
        let certificate = match &spec.certificate {
            Some(pem) => Some(Own::read(0, pem)?),
            None => None,
        };
        let authorities = spec.validation.authorities.as_deref().map(super::certificate::certificates);
        let authorities = authorities.transpose().map_err(Why::Authorities)?.unwrap_or_default();
        let provider = provider(&spec.params, false)?;
        let verifier = Arc::new(Verifier::new(&spec.validation, &provider)?);
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&spec.params.versions())?
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone());
        let mut config = match &certificate {
            Some(own) => builder.with_client_cert_resolver(Arc::new(Always(own.key.clone()))),
            None => builder.with_no_client_auth(),
        };
        config.enable_sni = sni.is_some();
        let sessions = || match spec.sessions {
            0 => Resumption::disabled(),
            n => Resumption::in_memory_sessions(n),
        };
        config.resumption = sessions();
        let checked = sessions();
        let authorities = authorities.iter().filter_map(super::certificate::about).collect();
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let offering = |protocol: &[u8]| {
            let mut config = config.clone();
            config.alpn_protocols = match spec.alpn.as_slice() {
                [] => vec![protocol.to_vec()],
                own => own.iter().map(|protocol| protocol.to_vec()).collect(),
            };
            Arc::new(config)
        };
        let (http1, http2) = (offering(b"http/1.1"), offering(b"h2"));
        Ok(Self { http1, http2, sni, certificate, authorities, verifier, checked, number })
    }

    /// A session with an endpoint, over `io`, that is to carry this version of HTTP. Without a name of its own, or one that is
    /// `asked` for, it goes by the address, which is not sent.
    pub fn begin(
        &self,
        io: TcpStream,
        endpoint: IpAddr,
        http2: bool,
        asked: Option<&Asked>,
    ) -> Result<TlsStream, rustls::Error> {
        let own = || self.sni.clone().unwrap_or_else(|| ServerName::IpAddress(endpoint.into()));
        let config = if http2 { &self.http2 } else { &self.http1 };
        let session = match asked {
            None => ClientConnection::new(config.clone(), own())?,
            Some(asked) => {
                let (config, name) = self.named(config, asked, own)?;
                ClientConnection::new(Arc::new(config), name)?
            }
        };
        Ok(TlsStream::made_by(self.number, io, session.into()))
    }

    fn named(
        &self,
        config: &ClientConfig,
        asked: &Asked,
        own: impl FnOnce() -> ServerName<'static>,
    ) -> Result<(ClientConfig, ServerName<'static>), rustls::Error> {
        let mut config = config.clone();
        let name = match &asked.sni {
            Some(name) => {
                config.enable_sni = true;
                ServerName::try_from(name.to_string())
                    .map_err(|_| rustls::Error::General(format!("{name:?} is not a server name")))?
            }
            None => own(),
        };
        if let Some(san) = &asked.san {
            // Sessions are remembered by the name that was sent: only where that is the one that was checked are they good.
            config.resumption = match asked.sni == asked.san {
                true => self.checked.clone(),
                false => Resumption::disabled(),
            };
            let verifier = Named { verifier: self.verifier.clone(), name: san.clone() };
            config.dangerous().set_certificate_verifier(Arc::new(verifier));
        }
        Ok((config, name))
    }

    /// Unique in this process, never 0.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The certificate it comes with, with its chain, leaf first.
    pub fn certificate(&self) -> &[About] {
        self.certificate.as_ref().map_or(&[], |own| &own.about)
    }

    /// The authorities it believes.
    pub fn authorities(&self) -> &[About] {
        &self.authorities
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("number", &self.number)
            .field("sni", &self.sni)
            .finish_non_exhaustive()
    }
}

/// Comes with its certificate whatever authorities the server names, as Envoy does.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesClientCert for Always {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
