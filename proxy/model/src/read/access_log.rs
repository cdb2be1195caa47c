//! `accesslog.v3.AccessLog`: files, and the two standard streams.

use std::sync::Arc;

use forebay_format::Format;
use forebay_proto::envoy::config::accesslog::v3 as pb;
use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::extensions::access_loggers::file::v3::{
    FileAccessLog, file_access_log::AccessLogFormat,
};
use forebay_proto::envoy::extensions::access_loggers::stream::v3 as stream;
use forebay_proto::google::protobuf::Struct;

use super::any::{is, unknown, unpack};
use super::at::At;
use super::data_source::text;
use super::fields::fields;
use super::format::json;
use super::invalid::{Invalid, Rule};
use super::log_filter::log_filter;
use super::scalar::each;
use crate::access_log::AccessLogConfig;
use crate::names::Names;

/// Reads access logs that belong to no listener: those of the admin interface.
pub fn loose_access_logs(logs: &[pb::AccessLog]) -> Result<Vec<AccessLogConfig>, Invalid> {
    access_logs(&At::ROOT.field("access_log"), logs, &mut Names::default())
}

/// Reads a list of access logs.
pub(crate) fn access_logs(
    at: &At<'_>,
    logs: &[pb::AccessLog],
    names: &mut Names,
) -> Result<Vec<AccessLogConfig>, Invalid> {
    each(at, logs, |at, log| access_log(at, log, names))
}

fn access_log(at: &At<'_>, log: &pb::AccessLog, names: &mut Names) -> Result<AccessLogConfig, Invalid> {
    fields!(at, log => pb::AccessLog {
        read: [config_type, filter],
        harmless: [name],
        refused: [],
    });
    let filter = match filter {
        Some(filter) => Some(log_filter(&at.field("filter"), filter, names)?),
        None => None,
    };
    let Some(pb::access_log::ConfigType::TypedConfig(any)) = config_type else {
        return Err(at.missing("typed_config"));
    };
    let at = at.field("typed_config");
    let (path, format) = if is::<FileAccessLog>(any) {
        file(&at, &unpack(&at, any)?)?
    } else if is::<stream::StdoutAccessLog>(any) {
        use stream::stdout_access_log::AccessLogFormat::LogFormat;
        let log: stream::StdoutAccessLog = unpack(&at, any)?;
        let format = log.access_log_format.map(|LogFormat(format)| format);
        ("/dev/stdout".into(), format_string(&at, format.as_ref())?)
    } else if is::<stream::StderrAccessLog>(any) {
        use stream::stderr_access_log::AccessLogFormat::LogFormat;
        let log: stream::StderrAccessLog = unpack(&at, any)?;
        let format = log.access_log_format.map(|LogFormat(format)| format);
        ("/dev/stderr".into(), format_string(&at, format.as_ref())?)
    } else {
        return Err(unknown(&at, any));
    };
    Ok(AccessLogConfig { path, format: Arc::new(format), filter })
}

fn file(at: &At<'_>, log: &FileAccessLog) -> Result<(Arc<str>, Format), Invalid> {
    if log.path.is_empty() {
        return Err(at.field("path").refuse(Rule::Empty));
    }
    let format = match &log.access_log_format {
        None => Format::default(),
        Some(AccessLogFormat::Format(written)) => text_format(&at.field("format"), written)?,
        Some(AccessLogFormat::LogFormat(format)) => format_string(at, Some(format))?,
        Some(AccessLogFormat::JsonFormat(object)) => json_format(&at.field("json_format"), object)?,
        Some(AccessLogFormat::TypedJsonFormat(object)) => {
            json_format(&at.field("typed_json_format"), object)?
        }
    };
    Ok((log.path.as_str().into(), format))
}

fn format_string(at: &At<'_>, format: Option<&core::SubstitutionFormatString>) -> Result<Format, Invalid> {
    use core::substitution_format_string::Format::{JsonFormat, TextFormat, TextFormatSource};
    let Some(format) = format else { return Ok(Format::default()) };
    let at = at.field("log_format");
    fields!(at, format => core::SubstitutionFormatString {
        read: [format, omit_empty_values],
        // Keys are sorted in any case.
        harmless: [content_type, json_format_options],
        refused: [formatters],
    });
    let format = match format {
        None => Format::default(),
        Some(TextFormat(written)) => text_format(&at.field("text_format"), written)?,
        Some(TextFormatSource(source)) => {
            let at = at.field("text_format_source");
            text_format(&at, &text(&at, source)?)?
        }
        Some(JsonFormat(object)) => json_format(&at.field("json_format"), object)?,
    };
    Ok(if *omit_empty_values { format.omit_empty() } else { format })
}

/// An empty format is Envoy's way to ask for its default one.
fn text_format(at: &At<'_>, text: &str) -> Result<Format, Invalid> {
    if text.is_empty() {
        return Ok(Format::default());
    }
    super::format::parse(text).map_err(|error| at.refuse(Rule::BadFormat(error.to_string())))
}

fn json_format(at: &At<'_>, template: &Struct) -> Result<Format, Invalid> {
    super::format::parse_json(&json(template)).map_err(|error| at.refuse(Rule::BadFormat(error.to_string())))
}
