//! `LocalReplyConfig`: mappers with their filters, and the format of bodies.

use std::sync::Arc;

use forebay_format::Flag;
use forebay_proto::envoy::config::accesslog::v3 as log;
use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3 as pb;

use super::at::At;
use super::data_source::text;
use super::fields::fields;
use super::format::format;
use super::headers::adds;
use super::invalid::{Invalid, Rule};
use super::matching::header_match;
use super::scalar::{choice, each};
use crate::local_reply::{BodyFormat, LocalReplies, Mapper, ReplyCondition};
use crate::names::Names;

/// Reads it; `None` where nothing is configured.
pub(crate) fn local_replies(
    at: &At<'_>,
    config: &Option<pb::LocalReplyConfig>,
    names: &mut Names,
) -> Result<Option<LocalReplies>, Invalid> {
    let Some(config) = config else { return Ok(None) };
    fields!(at, config => pb::LocalReplyConfig { read: [mappers, body_format], harmless: [], refused: [] });
    Ok(Some(LocalReplies {
        mappers: each(&at.field("mappers"), mappers, |at, message| mapper(at, message, names))?,
        format: body(&at.field("body_format"), body_format)?,
    }))
}

fn mapper(at: &At<'_>, message: &pb::ResponseMapper, names: &mut Names) -> Result<Mapper, Invalid> {
    fields!(at, message => pb::ResponseMapper {
        read: [filter, status_code, body, body_format_override, headers_to_add],
        harmless: [],
        refused: [],
    });
    let Some(filter) = filter else { return Err(at.missing("filter")) };
    Ok(Mapper {
        condition: condition(&at.field("filter"), filter, names)?,
        status: match status_code {
            None => None,
            Some(code) => Some(status(&at.field("status_code"), code.value)?),
        },
        body: match body {
            None => None,
            Some(source) => Some(text(&at.field("body"), source)?.into()),
        },
        headers: adds(&at.field("headers_to_add"), headers_to_add, names)?,
        format: self::body(&at.field("body_format_override"), body_format_override)?,
    })
}

fn status(at: &At<'_>, code: u32) -> Result<u16, Invalid> {
    u16::try_from(code)
        .ok()
        .filter(|code| (200..=599).contains(code))
        .ok_or_else(|| at.refuse(Rule::NotAStatus(code)))
}

fn body(
    at: &At<'_>,
    message: &Option<forebay_proto::envoy::config::core::v3::SubstitutionFormatString>,
) -> Result<Option<BodyFormat>, Invalid> {
    let Some(message) = message else { return Ok(None) };
    let read = format(at, message)?;
    let content_type = match (&*message.content_type, read.is_json) {
        ("", true) => "application/json",
        ("", false) => "text/plain",
        (own, _) => own,
    };
    Ok(Some(BodyFormat { format: Arc::new(read.format), content_type: content_type.into() }))
}

fn condition(
    at: &At<'_>,
    message: &log::AccessLogFilter,
    names: &mut Names,
) -> Result<ReplyCondition, Invalid> {
    use log::access_log_filter::FilterSpecifier as Filter;
    use log::comparison_filter::Op;
    let mut all = |at: At<'_>, list: &[log::AccessLogFilter]| {
        each(&at.field("filters"), list, |at, filter| condition(at, filter, names))
    };
    Ok(match &message.filter_specifier {
        Some(Filter::AndFilter(and)) => ReplyCondition::All(all(at.field("and_filter"), &and.filters)?),
        Some(Filter::OrFilter(or)) => ReplyCondition::Any(all(at.field("or_filter"), &or.filters)?),
        Some(Filter::StatusCodeFilter(filter)) => {
            let at = at.field("status_code_filter");
            let Some(comparison) = &filter.comparison else { return Err(at.missing("comparison")) };
            let at = at.field("comparison");
            // There is no runtime, so the default is the value.
            let Some(value) = &comparison.value else { return Err(at.missing("value")) };
            let code = u16::try_from(value.default_value).unwrap_or(u16::MAX);
            match choice(at.field("op"), comparison.op)? {
                Op::Eq => ReplyCondition::Status(code, code),
                Op::Ge => ReplyCondition::Status(code, u16::MAX),
                Op::Le => ReplyCondition::Status(0, code),
                Op::Ne => ReplyCondition::NotStatus(code),
            }
        }
        Some(Filter::ResponseFlagFilter(filter)) => {
            let at = at.field("response_flag_filter");
            let at = at.field("flags");
            ReplyCondition::Flags(each(&at, &filter.flags, |at, name| {
                Flag::of_short(name).ok_or_else(|| at.unsupported(name))
            })?)
        }
        Some(Filter::HeaderFilter(filter)) => {
            let at = at.field("header_filter");
            let Some(header) = &filter.header else { return Err(at.missing("header")) };
            ReplyCondition::Header(header_match(&at.field("header"), header, names)?)
        }
        None => return Err(at.missing("filter_specifier")),
        Some(other) => return Err(at.unsupported(other)),
    })
}
