//! What a cluster speaks: `HttpProtocolOptions`, and the older fields that it replaced.

use std::collections::HashMap;
use std::time::Duration;

use forebay_proto::Any;
use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::extensions::filters::http::upstream_codec::v3::UpstreamCodec;
use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3::http_filter;
use forebay_proto::envoy::extensions::upstreams::http::v3 as pb;

use super::any::{is, unknown, unpack};
use super::at::At;
use super::fields::fields;
use super::headers::is_token;
use super::http_options::{header_case, http1, http2, requests_per_connection};
use super::invalid::{Invalid, Rule};
use super::scalar::duration;
use crate::cluster::{AutoNames, Protocol};
use crate::http_manager::HeaderCase;

/// Envoy's default for idle upstream connections.
const IDLE: Duration = Duration::from_secs(3600);

/// All places where a cluster can say what it speaks.
pub(crate) struct Options<'p> {
    pub(crate) extensions: &'p HashMap<String, Any>,
    pub(crate) common: &'p Option<core::HttpProtocolOptions>,
    pub(crate) upstream: &'p Option<core::UpstreamHttpProtocolOptions>,
    pub(crate) http1: &'p Option<core::Http1ProtocolOptions>,
    pub(crate) http2: &'p Option<core::Http2ProtocolOptions>,
    pub(crate) selection: i32,
}

/// What it comes to.
pub(crate) struct Spoken {
    pub(crate) protocol: Protocol,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_connection_duration: Duration,
    pub(crate) max_requests_per_connection: Option<u32>,
    pub(crate) max_stream_duration: Duration,
    pub(crate) header_case: HeaderCase,
    pub(crate) auto_names: Option<AutoNames>,
}

impl Spoken {
    fn http1(&mut self, at: &At<'_>, options: &Option<core::Http1ProtocolOptions>) -> Result<(), Invalid> {
        self.header_case = header_case(at, &http1(at, options)?.header_key_format)?;
        Ok(())
    }
}

/// Reads what a cluster speaks. The extension wins: where it is there, the older fields say nothing.
pub(crate) fn protocol(at: &At<'_>, options: Options<'_>) -> Result<Spoken, Invalid> {
    let map = at.field("typed_extension_protocol_options");
    let mut extension = None;
    for (key, any) in options.extensions {
        let at = map.key(key);
        extension = Some((at, unpack::<pb::HttpProtocolOptions>(&at, any)?));
    }
    if let Some((at, message)) = extension {
        return read(&at, &message);
    }
    let mut spoken = Spoken {
        auto_names: auto_names(&at.field("upstream_http_protocol_options"), options.upstream)?,
        ..Spoken::default()
    };
    common(&at.field("common_http_protocol_options"), options.common, &mut spoken)?;
    spoken.http1(&at.field("http_protocol_options"), options.http1)?;
    let http2 = options
        .http2
        .is_some()
        .then(|| http2(&at.field("http2_protocol_options"), options.http2))
        .transpose()?;
    spoken.protocol = match http2 {
        // 1 is USE_DOWNSTREAM_PROTOCOL.
        http2 if options.selection == 1 => Protocol::Downstream(http2.unwrap_or_default()),
        Some(http2) => Protocol::Http2(http2),
        None => Protocol::Http1,
    };
    Ok(spoken)
}

impl Default for Spoken {
    fn default() -> Self {
        Spoken {
            protocol: Protocol::Http1,
            idle_timeout: IDLE,
            max_connection_duration: Duration::ZERO,
            max_requests_per_connection: None,
            max_stream_duration: Duration::ZERO,
            header_case: HeaderCase::Lower,
            auto_names: None,
        }
    }
}

fn read(at: &At<'_>, message: &pb::HttpProtocolOptions) -> Result<Spoken, Invalid> {
    use pb::http_protocol_options::UpstreamProtocolOptions::{
        AutoConfig, ExplicitHttpConfig, UseDownstreamProtocolConfig,
    };
    use pb::http_protocol_options::explicit_http_config::ProtocolConfig;
    fields!(at, message => pb::HttpProtocolOptions {
        read: [
            common_http_protocol_options, http_filters, upstream_protocol_options, upstream_http_protocol_options,
        ],
        harmless: [],
        refused: [header_validation_config, outlier_detection, request_mirror_policies, hash_policy, retry_policy],
    });
    let filters = at.field("http_filters");
    for (index, filter) in http_filters.iter().enumerate() {
        match &filter.config_type {
            // The codec is what every upstream filter chain ends in.
            Some(http_filter::ConfigType::TypedConfig(any)) if is::<UpstreamCodec>(any) => {}
            _ if filter.is_optional || filter.disabled => {}
            Some(http_filter::ConfigType::TypedConfig(any)) => {
                return Err(unknown(&filters.index(index), any));
            }
            _ => return Err(filters.index(index).unsupported(&filter.name)),
        }
    }
    let mut spoken = Spoken {
        auto_names: auto_names(&at.field("upstream_http_protocol_options"), upstream_http_protocol_options)?,
        ..Spoken::default()
    };
    common(&at.field("common_http_protocol_options"), common_http_protocol_options, &mut spoken)?;
    match upstream_protocol_options {
        Some(ExplicitHttpConfig(explicit)) => {
            let at = at.field("explicit_http_config");
            match &explicit.protocol_config {
                Some(ProtocolConfig::HttpProtocolOptions(options)) => {
                    spoken.http1(&at.field("http_protocol_options"), &Some(options.clone()))?;
                }
                Some(ProtocolConfig::Http2ProtocolOptions(options)) => {
                    let at = at.field("http2_protocol_options");
                    spoken.protocol = Protocol::Http2(http2(&at, &Some(options.clone()))?);
                }
                Some(ProtocolConfig::Http3ProtocolOptions(options)) => {
                    return Err(at.field("http3_protocol_options").unsupported(options));
                }
                None => return Err(at.missing("protocol_config")),
            }
        }
        Some(UseDownstreamProtocolConfig(options)) => {
            let at = at.field("use_downstream_protocol_config");
            spoken.http1(&at.field("http_protocol_options"), &options.http_protocol_options)?;
            let settings = http2(&at.field("http2_protocol_options"), &options.http2_protocol_options)?;
            spoken.protocol = Protocol::Downstream(settings);
        }
        // It lets ALPN choose, and ALPN needs TLS.
        Some(AutoConfig(options)) => return Err(at.field("auto_config").unsupported(options)),
        None => return Err(at.missing("upstream_protocol_options")),
    }
    Ok(spoken)
}

fn auto_names(
    at: &At<'_>,
    options: &Option<core::UpstreamHttpProtocolOptions>,
) -> Result<Option<AutoNames>, Invalid> {
    let Some(options) = options else { return Ok(None) };
    fields!(at, options => core::UpstreamHttpProtocolOptions {
        read: [auto_sni, auto_san_validation, override_auto_sni_header],
        harmless: [],
        refused: [],
    });
    let header = match override_auto_sni_header.as_str() {
        "" | ":authority" => None,
        name if is_token(name) => Some(name.to_ascii_lowercase().into()),
        name => {
            let at = at.field("override_auto_sni_header");
            return Err(at.refuse(Rule::BadHeaderName(name.to_owned())));
        }
    };
    let names = AutoNames { sni: *auto_sni, san: *auto_san_validation, header };
    Ok((names.sni || names.san).then_some(names))
}

fn common(
    at: &At<'_>,
    options: &Option<core::HttpProtocolOptions>,
    spoken: &mut Spoken,
) -> Result<(), Invalid> {
    let Some(options) = options else { return Ok(()) };
    fields!(at, options => core::HttpProtocolOptions {
        read: [idle_timeout, max_connection_duration, max_requests_per_connection, max_stream_duration],
        harmless: [
            // Responses of our own upstreams are bounded by our own limits.
            max_headers_count, max_response_headers_kb, max_connection_duration_jitter, headers_with_underscores_action,
        ],
        refused: [],
    });
    spoken.idle_timeout = duration(at.field("idle_timeout"), idle_timeout)?.unwrap_or(IDLE);
    spoken.max_connection_duration =
        duration(at.field("max_connection_duration"), max_connection_duration)?.unwrap_or_default();
    spoken.max_requests_per_connection = requests_per_connection(at, max_requests_per_connection)?;
    spoken.max_stream_duration =
        duration(at.field("max_stream_duration"), max_stream_duration)?.unwrap_or_default();
    Ok(())
}
