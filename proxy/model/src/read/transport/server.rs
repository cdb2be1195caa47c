//! `DownstreamTlsContext`: TLS towards clients.

use forebay_net::tls::{Clients, ServerSpec, Validation, Version};
use forebay_proto::envoy::extensions::transport_sockets::tls::v3 as pb;

use super::Digest;
use super::common::{Common, common, digest};
use super::validation::validation;
use crate::names::Names;
use crate::read::at::At;
use crate::read::fields::fields;
use crate::read::invalid::{Invalid, Rule};
use crate::read::scalar::{flag, off};

/// Reads it, and what it consists of.
pub(super) fn downstream(
    at: &At<'_>,
    message: &pb::DownstreamTlsContext,
    names: &mut Names,
) -> Result<(ServerSpec, Digest), Invalid> {
    use pb::downstream_tls_context::SessionTicketKeysType::DisableStatelessSessionResumption;
    fields!(at, message => pb::DownstreamTlsContext {
        read: [
            common_tls_context, require_client_certificate, require_sni, disable_stateful_session_resumption,
            ocsp_staple_policy, session_ticket_keys_type, prefer_client_ciphers,
        ],
        harmless: [
            // Shorter than the twelve hours of our own tickets makes no difference a client could rely on.
            session_timeout,
            // Which certificate is shown to a name that none of them has.
            full_scan_certs_on_sni_mismatch,
        ],
        refused: [],
    });
    off(at.field("require_sni"), require_sni)?;
    if *ocsp_staple_policy != 0 {
        return Err(at.field("ocsp_staple_policy").unsupported(ocsp_staple_policy));
    }
    let tickets = match session_ticket_keys_type {
        None => true,
        Some(DisableStatelessSessionResumption(off)) => !off,
        Some(_) => {
            return Err(at.field("session_ticket_keys").unsupported(format_args!("a key of one's own")));
        }
    };
    let nothing = pb::CommonTlsContext::default();
    let place = at.field("common_tls_context");
    let said = common_tls_context.as_ref().unwrap_or(&nothing);
    let Common { certificates, alpn, params, validation: context } = common(&place, said, Version::V13)?;
    if certificates.is_empty() {
        return Err(place.field("tls_certificates").refuse(Rule::Empty));
    }
    let required = flag(require_client_certificate, false);
    let believed = match context {
        Some(context) => Some(validation(&place.field("validation_context"), context, names)?),
        None => None,
    };
    let believed = believed.or(required.then(Validation::default));
    let mut sources: Vec<&[u8]> = certificates.iter().flat_map(|pem| [&*pem.chain, &*pem.key]).collect();
    sources.extend(believed.iter().filter_map(|validation| validation.authorities.as_deref()));
    let digest = digest(message, &sources);
    let spec = ServerSpec {
        clients: believed.map(|validation| Clients { validation, required }),
        certificates,
        alpn,
        params,
        tickets,
        memory: !disable_stateful_session_resumption,
        client_order: *prefer_client_ciphers,
    };
    Ok((spec, digest))
}
