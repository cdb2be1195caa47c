//! `CommonTlsContext`: what both sides say about certificates, versions, ciphers and protocols.

use std::sync::Arc;

use forebay_net::tls::{Params, Pem, Refused, Version, Why};
use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::extensions::transport_sockets::tls::v3 as pb;
use prost::{Message, Name};
use sha2::{Digest as _, Sha256};

use super::Digest;
use crate::read::any::unpack;
use crate::read::at::At;
use crate::read::data_source::optional;
use crate::read::fields::fields;
use crate::read::invalid::{Invalid, Rule};
use crate::read::scalar::choice;

/// What both sides say alike.
pub(super) struct Common<'m> {
    pub(super) certificates: Vec<Pem>,
    pub(super) alpn: Vec<Box<[u8]>>,
    pub(super) params: Params,
    pub(super) validation: Option<&'m pb::CertificateValidationContext>,
}

/// Reads it; `most` is the newest version where nobody says one.
pub(super) fn common<'m>(
    at: &At<'_>,
    message: &'m pb::CommonTlsContext,
    most: Version,
) -> Result<Common<'m>, Invalid> {
    use pb::common_tls_context::ValidationContextType::ValidationContext;
    fields!(at, message => pb::CommonTlsContext {
        read: [tls_params, tls_certificates, alpn_protocols, validation_context_type],
        harmless: [],
        refused: [
            tls_certificate_sds_secret_configs, tls_certificate_provider_instance, custom_tls_certificate_selector,
            tls_certificate_certificate_provider, tls_certificate_certificate_provider_instance, custom_handshaker,
            key_log,
        ],
    });
    let list = at.field("tls_certificates");
    let mut certificates = Vec::new();
    for (nth, certificate) in tls_certificates.iter().enumerate() {
        certificates.push(pair(&list.index(nth), certificate)?);
    }
    let validation = match validation_context_type {
        None => None,
        Some(ValidationContext(context)) => Some(context),
        Some(other) => return Err(at.field("validation_context_type").unsupported(other)),
    };
    // net-kourier says "no protocol" by one empty name.
    let alpn = alpn_protocols.iter().filter(|name| !name.is_empty());
    let alpn = alpn.map(|name| name.as_bytes().into()).collect();
    let params = params(&at.field("tls_params"), tls_params, most)?;
    Ok(Common { certificates, alpn, params, validation })
}

fn pair(at: &At<'_>, message: &pb::TlsCertificate) -> Result<Pem, Invalid> {
    fields!(at, message => pb::TlsCertificate {
        read: [certificate_chain, private_key, private_key_provider],
        harmless: [],
        refused: [pkcs12, watched_directory, password, ocsp_staple, signed_certificate_timestamp, tls_params],
    });
    let chain = optional(&at.field("certificate_chain"), certificate_chain)?;
    let key = match private_key_provider {
        None => optional(&at.field("private_key"), private_key)?,
        Some(provider) => provided(&at.field("private_key_provider"), provider)?,
    };
    let chain = chain.ok_or_else(|| at.missing("certificate_chain"))?;
    Ok(Pem { chain, key: key.ok_or_else(|| at.missing("private_key"))? })
}

/// CryptoMB, the only provider that is known, computes with several keys at once; what it is given is a key like any other, and
/// is used as one.
#[derive(Clone, PartialEq, Message)]
struct CryptoMb {
    #[prost(message, optional, tag = "1")]
    private_key: Option<core::DataSource>,
}

impl Name for CryptoMb {
    const NAME: &'static str = "CryptoMbPrivateKeyMethodConfig";
    const PACKAGE: &'static str = "envoy.extensions.private_key_providers.cryptomb.v3alpha";
}

/// The key that a provider is given.
fn provided(at: &At<'_>, provider: &pb::PrivateKeyProvider) -> Result<Option<Arc<[u8]>>, Invalid> {
    fields!(at, provider => pb::PrivateKeyProvider {
        read: [config_type],
        // The type says which it is, and there is nothing to fall back from.
        harmless: [provider_name, fallback],
        refused: [],
    });
    let Some(pb::private_key_provider::ConfigType::TypedConfig(any)) = config_type else {
        return Err(at.missing("typed_config"));
    };
    let at = at.field("typed_config");
    optional(&at.field("private_key"), &unpack::<CryptoMb>(&at, any)?.private_key)
}

fn params(at: &At<'_>, message: &Option<pb::TlsParameters>, most: Version) -> Result<Params, Invalid> {
    let Some(message) = message else {
        return Ok(Params { min: Version::V12, max: most, ciphers: Vec::new(), groups: Vec::new() });
    };
    fields!(at, message => pb::TlsParameters {
        read: [tls_minimum_protocol_version, tls_maximum_protocol_version, cipher_suites, ecdh_curves],
        harmless: [
            // Rules for BoringSSL's FIPS build.
            compliance_policies,
        ],
        refused: [signature_algorithms],
    });
    let min = version(at.field("tls_minimum_protocol_version"), *tls_minimum_protocol_version)?;
    let max = version(at.field("tls_maximum_protocol_version"), *tls_maximum_protocol_version)?;
    let min = min.unwrap_or(Version::V12);
    // A least version above the usual most raises that, as an Envoy that is told only 1.3 speaks 1.3.
    let max = max.unwrap_or(most.max(min));
    if min > max {
        return Err(at
            .field("tls_maximum_protocol_version")
            .unsupported(format_args!("a range that is empty")));
    }
    let words = |list: &[String]| list.iter().map(|word| word.as_str().into()).collect();
    Ok(Params { min, max, ciphers: words(cipher_suites), groups: words(ecdh_curves) })
}

fn version(at: At<'_>, value: i32) -> Result<Option<Version>, Invalid> {
    use pb::tls_parameters::TlsProtocol::{TlSv10, TlSv11, TlSv12, TlSv13, TlsAuto};
    match choice(at, value)? {
        TlsAuto => Ok(None),
        TlSv12 => Ok(Some(Version::V12)),
        TlSv13 => Ok(Some(Version::V13)),
        TlSv10 => Err(at.unsupported(format_args!("TLSv1_0"))),
        TlSv11 => Err(at.unsupported(format_args!("TLSv1_1"))),
    }
}

/// What two resources have in common if and only if they say the same.
pub(super) fn digest(message: &impl Message, sources: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    let encoded = message.encode_to_vec();
    for part in [encoded.as_slice()].iter().chain(sources) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// A refusal with its path; `at` is the context, upstream or downstream.
pub(super) fn refused(at: &At<'_>, refused: Refused) -> Invalid {
    let common = at.field("common_tls_context");
    let certificates = common.field("tls_certificates");
    let certificate = certificates.index(refused.nth);
    let params = common.field("tls_params");
    let validation = common.field("validation_context");
    match &refused.why {
        Why::Chain(_) => certificate.field("certificate_chain").refuse(Rule::Tls(refused.why)),
        Why::Key(_) => certificate.field("private_key").refuse(Rule::Tls(refused.why)),
        Why::Mismatch(_) => certificate.refuse(Rule::Tls(refused.why)),
        Why::Cipher(_) => params.field("cipher_suites").refuse(Rule::Tls(refused.why)),
        Why::Group(_) => params.field("ecdh_curves").refuse(Rule::Tls(refused.why)),
        Why::Authorities(_) => validation.field("trusted_ca").refuse(Rule::Tls(refused.why)),
        Why::ServerName(_) => at.field("sni").refuse(Rule::Tls(refused.why)),
        Why::Settings(_) => at.refuse(Rule::Tls(refused.why)),
    }
}
