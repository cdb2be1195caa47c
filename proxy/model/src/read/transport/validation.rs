//! `CertificateValidationContext`: whose certificates are believed.

use std::sync::Arc;

use forebay_net::tls::{SanKind, SanRule, Validation};
use forebay_proto::envoy::extensions::transport_sockets::tls::v3 as pb;
use forebay_proto::envoy::r#type::matcher::v3 as matcher;

use crate::names::Names;
use crate::read::at::At;
use crate::read::data_source::optional;
use crate::read::fields::fields;
use crate::read::invalid::{Invalid, Rule};
use crate::read::matching::text_match;
use crate::read::scalar::{choice, flag};

/// Reads it.
pub(super) fn validation(
    at: &At<'_>,
    message: &pb::CertificateValidationContext,
    names: &mut Names,
) -> Result<Validation, Invalid> {
    fields!(at, message => pb::CertificateValidationContext {
        read: [
            trusted_ca, match_typed_subject_alt_names, match_subject_alt_names, trust_chain_verification,
            require_signed_certificate_timestamp, suppress_client_ca_list,
        ],
        harmless: [
            // They concern revocation lists, which are refused.
            only_verify_leaf_cert_crl,
        ],
        refused: [
            ca_certificate_provider_instance, system_root_certs, watched_directory, verify_certificate_spki,
            verify_certificate_hash, crl, allow_expired_certificate, custom_validator_config, max_verify_depth,
        ],
    });
    if flag(require_signed_certificate_timestamp, false) {
        return Err(at.field("require_signed_certificate_timestamp").unsupported(true));
    }
    use pb::certificate_validation_context::TrustChainVerification::{AcceptUntrusted, VerifyTrustChain};
    match choice(at.field("trust_chain_verification"), *trust_chain_verification)? {
        VerifyTrustChain => {}
        AcceptUntrusted => {
            return Err(at.field("trust_chain_verification").unsupported(format_args!("ACCEPT_UNTRUSTED")));
        }
    }
    let authorities = optional(&at.field("trusted_ca"), trusted_ca)?;
    let mut sans = Vec::new();
    let list = at.field("match_typed_subject_alt_names");
    for (nth, san) in match_typed_subject_alt_names.iter().enumerate() {
        sans.push(typed(&list.index(nth), san, names)?);
    }
    let list = at.field("match_subject_alt_names");
    for (nth, san) in match_subject_alt_names.iter().enumerate() {
        sans.push(rule(&list.index(nth), None, san, names)?);
    }
    if authorities.is_none() && !sans.is_empty() {
        // Envoy's own rule: anybody can write any name into a certificate that nobody has to sign.
        return Err(at.refuse(Rule::NamesWithoutAuthority));
    }
    Ok(Validation { authorities, sans, unnamed: *suppress_client_ca_list })
}

fn typed(at: &At<'_>, message: &pb::SubjectAltNameMatcher, names: &mut Names) -> Result<SanRule, Invalid> {
    use pb::subject_alt_name_matcher::SanType::{Dns, Email, IpAddress, OtherName, Unspecified, Uri};
    fields!(at, message => pb::SubjectAltNameMatcher {
        read: [san_type, matcher, oid],
        harmless: [],
        refused: [],
    });
    let kind = match choice(at.field("san_type"), *san_type)? {
        Dns => SanKind::Dns,
        Uri => SanKind::Uri,
        Email => SanKind::Email,
        IpAddress => SanKind::Ip,
        OtherName => return Err(at.field("san_type").unsupported(format_args!("OTHER_NAME"))),
        Unspecified => return Err(at.field("san_type").refuse(Rule::Missing)),
    };
    // It belongs to OTHER_NAME, which has been refused.
    let _ = oid;
    let Some(matcher) = matcher else { return Err(at.missing("matcher")) };
    rule(&at.field("matcher"), Some(kind), matcher, names)
}

fn rule(
    at: &At<'_>,
    kind: Option<SanKind>,
    message: &matcher::StringMatcher,
    names: &mut Names,
) -> Result<SanRule, Invalid> {
    let exact = match &message.match_pattern {
        Some(matcher::string_matcher::MatchPattern::Exact(text)) => Some(text.as_str().into()),
        _ => None,
    };
    let matches = text_match(at, message, names)?;
    Ok(SanRule { kind, accepts: Arc::new(move |name| matches.matches(name.as_bytes())), exact })
}
