//! `accesslog.v3.AccessLog`: files, and the two standard streams.

use std::sync::Arc;

use forebay_proto::envoy::config::accesslog::v3 as pb;
use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::extensions::access_loggers::file::v3::{
    FileAccessLog, file_access_log::AccessLogFormat,
};
use forebay_proto::envoy::extensions::access_loggers::stream::v3 as stream;

use super::any::{is, unknown, unpack};
use super::at::At;
use super::fields::fields;
use super::invalid::{Invalid, Rule};
use super::scalar::each;
use crate::access_log::AccessLogConfig;

/// Reads a list of access logs.
pub(crate) fn access_logs(at: &At<'_>, logs: &[pb::AccessLog]) -> Result<Vec<AccessLogConfig>, Invalid> {
    each(at, logs, access_log)
}

fn access_log(at: &At<'_>, log: &pb::AccessLog) -> Result<AccessLogConfig, Invalid> {
    fields!(at, log => pb::AccessLog {
        read: [config_type],
        harmless: [name],
        refused: [filter],
    });
    let Some(pb::access_log::ConfigType::TypedConfig(any)) = config_type else {
        return Err(at.missing("typed_config"));
    };
    let at = at.field("typed_config");
    if is::<FileAccessLog>(any) {
        file(&at, &unpack(&at, any)?)
    } else if is::<stream::StdoutAccessLog>(any) {
        use stream::stdout_access_log::AccessLogFormat::LogFormat;
        let log: stream::StdoutAccessLog = unpack(&at, any)?;
        let format = log.access_log_format.map(|LogFormat(format)| format);
        Ok(AccessLogConfig { path: "/dev/stdout".into(), format: format_string(&at, format.as_ref())? })
    } else if is::<stream::StderrAccessLog>(any) {
        use stream::stderr_access_log::AccessLogFormat::LogFormat;
        let log: stream::StderrAccessLog = unpack(&at, any)?;
        let format = log.access_log_format.map(|LogFormat(format)| format);
        Ok(AccessLogConfig { path: "/dev/stderr".into(), format: format_string(&at, format.as_ref())? })
    } else {
        Err(unknown(&at, any))
    }
}

fn file(at: &At<'_>, log: &FileAccessLog) -> Result<AccessLogConfig, Invalid> {
    if log.path.is_empty() {
        return Err(at.field("path").refuse(Rule::Empty));
    }
    let format = match &log.access_log_format {
        None => None,
        Some(AccessLogFormat::Format(text)) => text_format(text),
        Some(AccessLogFormat::LogFormat(format)) => format_string(at, Some(format))?,
        Some(AccessLogFormat::JsonFormat(json)) => return Err(at.field("json_format").unsupported(json)),
        Some(AccessLogFormat::TypedJsonFormat(json)) => {
            return Err(at.field("typed_json_format").unsupported(json));
        }
    };
    Ok(AccessLogConfig { path: log.path.as_str().into(), format })
}

fn format_string(
    at: &At<'_>,
    format: Option<&core::SubstitutionFormatString>,
) -> Result<Option<Arc<str>>, Invalid> {
    use core::data_source::Specifier::InlineString;
    use core::substitution_format_string::Format;
    let Some(format) = format else { return Ok(None) };
    let at = at.field("log_format");
    fields!(at, format => core::SubstitutionFormatString {
        read: [format],
        harmless: [content_type, json_format_options],
        refused: [omit_empty_values, formatters],
    });
    match format {
        None => Ok(None),
        Some(Format::TextFormat(text)) => Ok(text_format(text)),
        Some(Format::TextFormatSource(source)) => match &source.specifier {
            Some(InlineString(text)) => Ok(text_format(text)),
            other => Err(at.field("text_format_source").unsupported(other)),
        },
        Some(Format::JsonFormat(json)) => Err(at.field("json_format").unsupported(json)),
    }
}

/// An empty format is Envoy's way to ask for its default one.
fn text_format(text: &str) -> Option<Arc<str>> {
    (!text.is_empty()).then(|| text.into())
}
