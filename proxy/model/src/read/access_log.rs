//! `accesslog.v3.AccessLog`: files, and the two standard streams.

use std::sync::Arc;

use forebay_format::Format;
use forebay_proto::envoy::config::accesslog::v3 as pb;
use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::extensions::access_loggers::file::v3::{
    FileAccessLog, file_access_log::AccessLogFormat,
};
use forebay_proto::envoy::extensions::access_loggers::stream::v3 as stream;
use forebay_proto::google::protobuf::{Struct, Value as Field, value::Kind};
use serde_json::{Map, Value as Json};

use super::any::{is, unknown, unpack};
use super::at::At;
use super::fields::fields;
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
        Some(AccessLogFormat::Format(text)) => text_format(&at.field("format"), text)?,
        Some(AccessLogFormat::LogFormat(format)) => format_string(at, Some(format))?,
        Some(AccessLogFormat::JsonFormat(json)) => json_format(&at.field("json_format"), json)?,
        Some(AccessLogFormat::TypedJsonFormat(json)) => json_format(&at.field("typed_json_format"), json)?,
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
        Some(TextFormat(text)) => text_format(&at.field("text_format"), text)?,
        Some(TextFormatSource(source)) => {
            let at = at.field("text_format_source");
            text_format(&at, &text_of(&at, source)?)?
        }
        Some(JsonFormat(json)) => json_format(&at.field("json_format"), json)?,
    };
    Ok(if *omit_empty_values { format.omit_empty() } else { format })
}

/// A text that is there, in a file, or in the environment; read once, when the resource is.
fn text_of(at: &At<'_>, source: &core::DataSource) -> Result<String, Invalid> {
    use core::data_source::Specifier::{EnvironmentVariable, Filename, InlineBytes, InlineString};
    match &source.specifier {
        Some(InlineString(text)) => Ok(text.clone()),
        Some(InlineBytes(bytes)) => String::from_utf8(bytes.clone())
            .map_err(|_| at.field("inline_bytes").unsupported("bytes that are no UTF-8")),
        Some(Filename(path)) => std::fs::read_to_string(path)
            .map_err(|error| at.field("filename").unsupported(format_args!("{path}: {error}"))),
        Some(EnvironmentVariable(name)) => {
            std::env::var(name).map_err(|_| at.field("environment_variable").unsupported(name))
        }
        None => Err(at.missing("inline_string")),
    }
}

/// An empty format is Envoy's way to ask for its default one.
fn text_format(at: &At<'_>, text: &str) -> Result<Format, Invalid> {
    if text.is_empty() {
        return Ok(Format::default());
    }
    Format::parse(text).map_err(|error| at.refuse(Rule::BadFormat(error.to_string())))
}

fn json_format(at: &At<'_>, template: &Struct) -> Result<Format, Invalid> {
    Format::json(&object(template)).map_err(|error| at.refuse(Rule::BadFormat(error.to_string())))
}

/// Sorted by key: what a `Struct` comes in is a map, which has no order to keep.
fn object(fields: &Struct) -> Json {
    let mut sorted: Vec<(&String, &Field)> = fields.fields.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    Json::Object(sorted.into_iter().map(|(name, field)| (name.clone(), json(field))).collect::<Map<_, _>>())
}

fn json(field: &Field) -> Json {
    match &field.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(on)) => (*on).into(),
        // A whole number stays one.
        Some(Kind::NumberValue(n)) if n.fract() == 0.0 && n.abs() < 1e15 => (*n as i64).into(),
        Some(Kind::NumberValue(n)) => (*n).into(),
        Some(Kind::StringValue(text)) => text.as_str().into(),
        Some(Kind::StructValue(inner)) => object(inner),
        Some(Kind::ListValue(list)) => list.values.iter().map(json).collect(),
    }
}
