//! `/certs`: the certificates that listeners show and that clusters trust, read from the resources in force. Knows no TLS.

use std::time::{SystemTime, UNIX_EPOCH};

use forebay_engine::admin::{Certificate, CertificateDetails};
use forebay_model::Dumped;
use forebay_proto::envoy::config::cluster::v3::Cluster;
use forebay_proto::envoy::config::core::v3::{
    DataSource, TransportSocket, data_source::Specifier, transport_socket,
};
use forebay_proto::envoy::config::listener::v3::Listener;
use forebay_proto::envoy::extensions::transport_sockets::tls::v3::{
    CommonTlsContext, DownstreamTlsContext, UpstreamTlsContext, common_tls_context::ValidationContextType,
};
use forebay_proto::type_url;
use prost::Message;
use prost::Name;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;

/// One entry for each TLS context that is in force.
pub(super) fn of(dumped: &[Dumped]) -> Vec<Certificate> {
    let mut all = Vec::new();
    for resource in dumped.iter().filter(|dumped| !dumped.bytes.is_empty()) {
        match resource.type_url {
            type_url::LISTENER => {
                let Ok(listener) = Listener::decode(&*resource.bytes) else { continue };
                let chains = listener.filter_chains.iter().chain(&listener.default_filter_chain);
                all.extend(chains.filter_map(|chain| downstream(chain.transport_socket.as_ref()?)));
            }
            type_url::CLUSTER => {
                let Ok(cluster) = Cluster::decode(&*resource.bytes) else { continue };
                all.extend(cluster.transport_socket.as_ref().and_then(upstream));
            }
            _ => {}
        }
    }
    all
}

/// Whole days until the first of them expires; `None` without any.
pub(super) fn first_to_expire(all: &[Certificate]) -> Option<u64> {
    all.iter().flat_map(|one| one.chain.iter().chain(&one.authorities)).map(|one| one.days_left).min()
}

fn downstream(socket: &TransportSocket) -> Option<Certificate> {
    context::<DownstreamTlsContext>(socket).and_then(|context| certificates(&context.common_tls_context?))
}

fn upstream(socket: &TransportSocket) -> Option<Certificate> {
    context::<UpstreamTlsContext>(socket).and_then(|context| certificates(&context.common_tls_context?))
}

fn context<C: Message + Name + Default>(socket: &TransportSocket) -> Option<C> {
    let Some(transport_socket::ConfigType::TypedConfig(any)) = &socket.config_type else { return None };
    let is_it = any.type_url.rsplit('/').next() == Some(C::full_name().as_str());
    if is_it { C::decode(&*any.value).ok() } else { None }
}

fn certificates(context: &CommonTlsContext) -> Option<Certificate> {
    let chain: Vec<CertificateDetails> =
        context.tls_certificates.iter().flat_map(|pair| details(pair.certificate_chain.as_ref())).collect();
    let authorities = match &context.validation_context_type {
        Some(ValidationContextType::ValidationContext(validation)) => details(validation.trusted_ca.as_ref()),
        _ => Vec::new(),
    };
    (!chain.is_empty() || !authorities.is_empty()).then_some(Certificate { authorities, chain })
}

/// What can be read of a PEM; what cannot was refused when it came.
fn details(source: Option<&DataSource>) -> Vec<CertificateDetails> {
    let (path, pem) = match source.and_then(|source| source.specifier.as_ref()) {
        Some(Specifier::InlineBytes(bytes)) => ("<inline>".to_owned(), bytes.clone()),
        Some(Specifier::InlineString(text)) => ("<inline>".to_owned(), text.clone().into_bytes()),
        Some(Specifier::Filename(path)) => (path.clone(), std::fs::read(path).unwrap_or_default()),
        Some(Specifier::EnvironmentVariable(_)) | None => return Vec::new(),
    };
    let blocks = Pem::iter_from_buffer(&pem).filter_map(Result::ok);
    blocks.filter_map(|block| read(&path, &block)).collect()
}

fn read(path: &str, block: &Pem) -> Option<CertificateDetails> {
    let certificate = block.parse_x509().ok()?;
    let mut found = CertificateDetails { path: path.to_owned(), ..CertificateDetails::default() };
    let serial: String = certificate.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect();
    found.serial = serial.trim_start_matches('0').to_owned();
    if let Ok(Some(names)) = certificate.subject_alternative_name() {
        for name in &names.value.general_names {
            match name {
                GeneralName::DNSName(name) => found.dns.push((*name).to_owned()),
                GeneralName::URI(uri) => found.uris.push((*uri).to_owned()),
                GeneralName::IPAddress(bytes) => found.addresses.extend(address(bytes)),
                _ => {}
            }
        }
    }
    let (from, until) =
        (certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64);
    found.days_left = u64::try_from((until - now) / (24 * 60 * 60)).unwrap_or(0);
    found.valid_from = timestamp(from);
    found.expires = timestamp(until);
    Some(found)
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| std::net::Ipv6Addr::from(sixteen).to_string())
}

/// RFC 3339.
fn timestamp(seconds: i64) -> String {
    prost_types::Timestamp { seconds, nanos: 0 }.to_string()
}

#[cfg(test)]
mod tests;
