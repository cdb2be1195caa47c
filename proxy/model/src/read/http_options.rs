//! Protocol options: common to all versions of HTTP, of HTTP/1 and of HTTP/2, for either side of the proxy.

use std::time::Duration;

use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::extensions::http::header_formatters::preserve_case::v3::PreserveCaseFormatterConfig;

use super::any::{is, unknown, unpack};
use super::at::At;
use super::fields::fields;
use super::invalid::Invalid;
use super::scalar::{choice, duration, number};
use crate::cluster::{Http2, Keepalive};
use crate::http_manager::{HeaderCase, Underscores};

/// Envoy's default for idle connections.
const IDLE: Duration = Duration::from_secs(3600);
/// Envoy's default for the number of a request's headers.
const HEADERS: u32 = 100;

/// What is common to all versions of HTTP.
pub(crate) struct Common {
    pub(crate) idle_timeout: Duration,
    pub(crate) max_connection_duration: Duration,
    pub(crate) max_requests_per_connection: Option<u32>,
    pub(crate) max_stream_duration: Duration,
    pub(crate) max_headers_count: u32,
    pub(crate) underscores: Underscores,
}

/// Reads them; what is not said is Envoy's default.
pub(crate) fn common(at: &At<'_>, options: &Option<core::HttpProtocolOptions>) -> Result<Common, Invalid> {
    use core::http_protocol_options::HeadersWithUnderscoresAction::{Allow, DropHeader, RejectRequest};
    let none = core::HttpProtocolOptions::default();
    fields!(at, options.as_ref().unwrap_or(&none) => core::HttpProtocolOptions {
        read: [
            idle_timeout, max_connection_duration, max_headers_count, max_stream_duration,
            headers_with_underscores_action, max_requests_per_connection,
        ],
        harmless: [max_connection_duration_jitter, max_response_headers_kb],
        refused: [],
    });
    Ok(Common {
        idle_timeout: duration(at.field("idle_timeout"), idle_timeout)?.unwrap_or(IDLE),
        max_connection_duration: duration(at.field("max_connection_duration"), max_connection_duration)?
            .unwrap_or_default(),
        max_requests_per_connection: requests_per_connection(at, max_requests_per_connection)?,
        max_stream_duration: duration(at.field("max_stream_duration"), max_stream_duration)?
            .unwrap_or_default(),
        max_headers_count: number(at.field("max_headers_count"), max_headers_count, 1..=u32::MAX)?
            .unwrap_or(HEADERS),
        underscores: match choice(
            at.field("headers_with_underscores_action"),
            *headers_with_underscores_action,
        )? {
            Allow => Underscores::Allow,
            DropHeader => Underscores::Drop,
            RejectRequest => Underscores::Reject,
        },
    })
}

/// Zero is Envoy's word for no limit.
pub(crate) fn requests_per_connection(
    at: &At<'_>,
    value: &Option<forebay_proto::google::protobuf::UInt32Value>,
) -> Result<Option<u32>, Invalid> {
    Ok(number(at.field("max_requests_per_connection"), value, 0..=u32::MAX)?.filter(|n| *n != 0))
}

/// Settings of HTTP/1, either side.
pub(crate) fn http1(
    at: &At<'_>,
    options: &Option<core::Http1ProtocolOptions>,
) -> Result<core::Http1ProtocolOptions, Invalid> {
    let options = options.clone().unwrap_or_default();
    fields!(at, &options => core::Http1ProtocolOptions {
        read: [accept_http_10, default_host_for_http_10, header_key_format],
        harmless: [
            // Trailers and absolute URLs are always understood; which parser reads them is ours to choose.
            allow_absolute_url, enable_trailers, use_balsa_parser, override_stream_error_on_invalid_http_message,
            allow_custom_methods,
        ],
        refused: [allow_chunked_length, send_fully_qualified_url, ignore_http_11_upgrade],
    });
    let _ = (accept_http_10, default_host_for_http_10);
    header_case(at, header_key_format)?;
    Ok(options)
}

/// How the names of fields are written in HTTP/1.
pub(crate) fn header_case(
    at: &At<'_>,
    format: &Option<core::http1_protocol_options::HeaderKeyFormat>,
) -> Result<HeaderCase, Invalid> {
    use core::http1_protocol_options::header_key_format::HeaderFormat::{ProperCaseWords, StatefulFormatter};
    let Some(format) = format else { return Ok(HeaderCase::Lower) };
    let at = at.field("header_key_format");
    match &format.header_format {
        None => Err(at.missing("header_format")),
        Some(ProperCaseWords(_)) => Ok(HeaderCase::Proper),
        Some(StatefulFormatter(extension)) => {
            let at = at.field("stateful_formatter");
            let Some(any) = &extension.typed_config else { return Err(at.missing("typed_config")) };
            let at = at.field("typed_config");
            if !is::<PreserveCaseFormatterConfig>(any) {
                return Err(unknown(&at, any));
            }
            let config: PreserveCaseFormatterConfig = unpack(&at, any)?;
            fields!(at, &config => PreserveCaseFormatterConfig {
                read: [],
                harmless: [],
                refused: [forward_reason_phrase, formatter_type_on_envoy_headers],
            });
            Ok(HeaderCase::AsWritten)
        }
    }
}

/// Settings of HTTP/2, either side.
pub(crate) fn http2(at: &At<'_>, options: &Option<core::Http2ProtocolOptions>) -> Result<Http2, Invalid> {
    /// RFC 9113: a window is below 2^31.
    const WINDOW: u32 = i32::MAX as u32;
    /// RFC 9113: where windows begin, and the least that Envoy lets anybody ask for.
    const LEAST: u32 = 65_535;
    let default = Http2::default();
    let Some(options) = options else { return Ok(default) };
    fields!(at, options => core::Http2ProtocolOptions {
        read: [
            max_concurrent_streams, initial_stream_window_size, initial_connection_window_size, connection_keepalive,
            allow_connect,
        ],
        harmless: [
            // Defences against floods have our own limits.
            max_outbound_frames, max_outbound_control_frames, max_consecutive_inbound_frames_with_empty_payload,
            max_inbound_priority_frames_per_stream, max_inbound_window_update_frames_per_data_frame_sent,
            stream_reset_burst, stream_reset_rate,
            // How headers are packed is between the two codecs.
            hpack_table_size, enable_huffman_encoding, max_header_field_size_kb, use_oghttp2_codec,
            stream_error_on_invalid_http_messaging, override_stream_error_on_invalid_http_message,
            max_metadata_size, disallow_obs_text,
        ],
        refused: [allow_metadata, custom_settings_parameters],
    });
    Ok(Http2 {
        max_concurrent_streams: number(
            at.field("max_concurrent_streams"),
            max_concurrent_streams,
            1..=WINDOW,
        )?
        .unwrap_or(default.max_concurrent_streams),
        stream_window: number(
            at.field("initial_stream_window_size"),
            initial_stream_window_size,
            LEAST..=WINDOW,
        )?
        .unwrap_or(default.stream_window),
        connection_window: number(
            at.field("initial_connection_window_size"),
            initial_connection_window_size,
            LEAST..=WINDOW,
        )?
        .unwrap_or(default.connection_window),
        allow_connect: *allow_connect,
        keepalive: match connection_keepalive {
            Some(settings) => keepalive(&at.field("connection_keepalive"), settings)?,
            None => None,
        },
    })
}

/// No interval is Envoy's word for no PINGs.
fn keepalive(at: &At<'_>, settings: &core::KeepaliveSettings) -> Result<Option<Keepalive>, Invalid> {
    fields!(at, settings => core::KeepaliveSettings {
        read: [interval, timeout],
        // Connections are not opened in step, so neither are their PINGs.
        harmless: [interval_jitter],
        refused: [connection_idle_interval],
    });
    let timeout = duration(at.field("timeout"), timeout)?
        .filter(|t| !t.is_zero())
        .ok_or_else(|| at.missing("timeout"))?;
    let interval = duration(at.field("interval"), interval)?.filter(|interval| !interval.is_zero());
    Ok(interval.map(|interval| Keepalive { interval, timeout }))
}
