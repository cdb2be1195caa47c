//! `UpstreamTlsContext`: TLS towards endpoints.

use forebay_net::tls::{ClientSpec, Version};
use forebay_proto::envoy::extensions::transport_sockets::tls::v3 as pb;

use super::Digest;
use super::common::{Common, common, digest};
use super::validation::validation;
use crate::names::Names;
use crate::read::at::At;
use crate::read::fields::fields;
use crate::read::invalid::Invalid;

/// Sessions remembered where nobody says how many; Envoy's default is one for each thread and cluster.
const SESSIONS: usize = 16;

/// Reads it, and what it consists of.
pub(super) fn upstream(
    at: &At<'_>,
    message: &pb::UpstreamTlsContext,
    names: &mut Names,
) -> Result<(ClientSpec, Digest), Invalid> {
    fields!(at, message => pb::UpstreamTlsContext {
        read: [common_tls_context, sni, max_session_keys],
        harmless: [
            // What a key may be used for is always looked at.
            enforce_rsa_key_usage,
        ],
        refused: [auto_host_sni, auto_sni_san_validation, allow_renegotiation],
    });
    let nothing = pb::CommonTlsContext::default();
    let place = at.field("common_tls_context");
    let said = common_tls_context.as_ref().unwrap_or(&nothing);
    let Common { certificates, alpn, params, validation: context } = common(&place, said, Version::V12)?;
    if certificates.len() > 1 {
        return Err(place
            .field("tls_certificates")
            .index(1)
            .unsupported(format_args!("a second certificate")));
    }
    let validation = match context {
        Some(context) => validation(&place.field("validation_context"), context, names)?,
        None => Default::default(),
    };
    let mut sources: Vec<&[u8]> = certificates.iter().flat_map(|pem| [&*pem.chain, &*pem.key]).collect();
    sources.extend(validation.authorities.as_deref());
    let digest = digest(message, &sources);
    let sessions = max_session_keys.as_ref().map_or(SESSIONS, |most| most.value as usize);
    let certificate = certificates.into_iter().next();
    let sni = Some(sni).filter(|sni| !sni.is_empty()).map(|sni| sni.as_str().into());
    Ok((ClientSpec { sni, alpn, params, validation, certificate, sessions }, digest))
}
