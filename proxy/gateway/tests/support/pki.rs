//! Certificates of an authority of one's own, resources that carry them, and clients that believe it.
#![allow(dead_code, unreachable_pub, reason = "shared: not everybody needs everything")]

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use forebay_proto::envoy::config::{core::v3 as core, listener::v3 as l};
use forebay_proto::envoy::extensions::transport_sockets::tls::v3 as tls;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::resources::{Listener, any};

/// An authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// A certificate with its key, both PEM.
#[derive(Clone)]
pub struct Pair {
    pub chain: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for these names.
    pub fn sign(&self, names: &[&str]) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let chain = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap().pem();
        Pair { chain, key: key.serialize_pem() }
    }

    /// A client's settings: believes this authority, speaks these protocols.
    pub fn client(&self, alpn: &[&str], own: Option<&Pair>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let chain = CertificateDer::from_pem_slice(own.chain.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![chain], key).unwrap()
            }
        };
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config
    }
}

pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A client's connection.
pub type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Connects and shakes hands.
pub fn connect(to: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> Result<Tls, std::io::Error> {
    let stream = TcpStream::connect(to)?;
    secure(stream, config, name)
}

/// Shakes hands on a connection.
pub fn secure(mut stream: TcpStream, config: &Arc<ClientConfig>, name: &str) -> Result<Tls, std::io::Error> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut session = ClientConnection::new(config.clone(), name).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(session, stream))
}

pub fn inline(text: &str) -> Option<core::DataSource> {
    let text = core::data_source::Specifier::InlineBytes(text.as_bytes().to_vec());
    Some(core::DataSource { specifier: Some(text), ..Default::default() })
}

/// What net-kourier says about TLS: this certificate, `h2` and `http/1.1`, 1.2 and newer.
pub fn context(pair: &Pair) -> tls::DownstreamTlsContext {
    let params = tls::TlsParameters {
        tls_minimum_protocol_version: tls::tls_parameters::TlsProtocol::TlSv12 as i32,
        cipher_suites: vec![String::new()],
        ..Default::default()
    };
    tls::DownstreamTlsContext {
        common_tls_context: Some(tls::CommonTlsContext {
            tls_params: Some(params),
            alpn_protocols: vec!["h2".to_owned(), "http/1.1".to_owned()],
            tls_certificates: vec![certificate(pair)],
            ..Default::default()
        }),
        ..Default::default()
    }
}

pub fn certificate(pair: &Pair) -> tls::TlsCertificate {
    tls::TlsCertificate {
        certificate_chain: inline(&pair.chain),
        private_key: inline(&pair.key),
        ..Default::default()
    }
}

/// A transport socket.
pub fn socket<M: prost::Message + prost::Name>(context: &M) -> Option<core::TransportSocket> {
    Some(core::TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(core::transport_socket::ConfigType::TypedConfig(any(context))),
    })
}

/// Puts TLS chains in the place of the plain one: names and context of each; no names is any.
pub fn chains(listener: &mut Listener, chains: &[(&[&str], tls::DownstreamTlsContext)]) {
    let plain = listener.filter_chains.remove(0);
    for (names, context) in chains {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let condition = l::FilterChainMatch { server_names: names, ..Default::default() };
        listener.filter_chains.push(l::FilterChain {
            filter_chain_match: Some(condition),
            transport_socket: socket(context),
            ..plain.clone()
        });
    }
}
