//! `accesslog.v3.AccessLogFilter`: which requests are written down. What asks a runtime gets the value that stands beside it.

use forebay_format::{Flag, Flags};
use forebay_proto::envoy::config::accesslog::v3 as pb;
use forebay_proto::envoy::r#type::v3::fractional_percent::DenominatorType;

use super::at::At;
use super::invalid::{Invalid, Rule};
use super::matching::header_match;
use super::scalar::{choice, each};
use crate::access_log::{Compare, LogFilter};
use crate::names::Names;

/// Reads a filter and those inside it.
pub(super) fn log_filter(
    at: &At<'_>,
    filter: &pb::AccessLogFilter,
    names: &mut Names,
) -> Result<LogFilter, Invalid> {
    use pb::access_log_filter::FilterSpecifier::{
        AndFilter, DurationFilter, ExtensionFilter, GrpcStatusFilter, HeaderFilter, LogTypeFilter,
        MetadataFilter, NotHealthCheckFilter, OrFilter, ResponseFlagFilter, RuntimeFilter, StatusCodeFilter,
        TraceableFilter,
    };
    Ok(match &filter.filter_specifier {
        None => return Err(at.missing("filter_specifier")),
        Some(StatusCodeFilter(filter)) => {
            let (how, value) = comparison(&at.field("status_code_filter"), &filter.comparison)?;
            LogFilter::Status(how, value)
        }
        Some(DurationFilter(filter)) => {
            let (how, value) = comparison(&at.field("duration_filter"), &filter.comparison)?;
            LogFilter::Duration(how, value)
        }
        Some(NotHealthCheckFilter(_)) => LogFilter::NotHealthCheck,
        Some(TraceableFilter(_)) => LogFilter::Traceable,
        Some(RuntimeFilter(filter)) => share(&at.field("runtime_filter"), filter)?,
        Some(AndFilter(list)) => LogFilter::And(several(&at.field("and_filter"), &list.filters, names)?),
        Some(OrFilter(list)) => LogFilter::Or(several(&at.field("or_filter"), &list.filters, names)?),
        Some(HeaderFilter(filter)) => {
            let at = at.field("header_filter");
            let Some(header) = &filter.header else { return Err(at.missing("header")) };
            LogFilter::Header(header_match(&at.field("header"), header, names)?)
        }
        Some(ResponseFlagFilter(filter)) => {
            flags(&at.field("response_flag_filter").field("flags"), &filter.flags)?
        }
        Some(GrpcStatusFilter(filter)) => {
            let at = at.field("grpc_status_filter");
            let statuses = each(&at.field("statuses"), &filter.statuses, |at, status| {
                choice::<pb::grpc_status_filter::Status>(*at, *status).map(|status| status as u16)
            })?;
            LogFilter::GrpcStatus { statuses, exclude: filter.exclude }
        }
        Some(ExtensionFilter(filter)) => return Err(at.field("extension_filter").unsupported(&filter.name)),
        Some(MetadataFilter(filter)) => return Err(at.field("metadata_filter").unsupported(filter)),
        Some(LogTypeFilter(filter)) => return Err(at.field("log_type_filter").unsupported(filter)),
    })
}

/// Envoy wants two at least; one is understood all the same.
fn several(at: &At<'_>, list: &[pb::AccessLogFilter], names: &mut Names) -> Result<Vec<LogFilter>, Invalid> {
    let at = at.field("filters");
    if list.is_empty() {
        return Err(at.refuse(Rule::Empty));
    }
    each(&at, list, |at, filter| log_filter(at, filter, names))
}

fn comparison(at: &At<'_>, comparison: &Option<pb::ComparisonFilter>) -> Result<(Compare, u32), Invalid> {
    use pb::comparison_filter::Op;
    let Some(comparison) = comparison else { return Err(at.missing("comparison")) };
    let at = at.field("comparison");
    let how = match choice(at.field("op"), comparison.op)? {
        Op::Eq => Compare::Equal,
        Op::Ge => Compare::AtLeast,
        Op::Le => Compare::AtMost,
        Op::Ne => Compare::Other,
    };
    let Some(value) = &comparison.value else { return Err(at.missing("value")) };
    Ok((how, value.default_value))
}

fn share(at: &At<'_>, filter: &pb::RuntimeFilter) -> Result<LogFilter, Invalid> {
    let Some(percent) = &filter.percent_sampled else { return Ok(LogFilter::Share(0, 100)) };
    let at_percent = at.field("percent_sampled");
    let of = match choice(at_percent.field("denominator"), percent.denominator)? {
        DenominatorType::Hundred => 100,
        DenominatorType::TenThousand => 10_000,
        DenominatorType::Million => 1_000_000,
    };
    Ok(LogFilter::Share(percent.numerator, of))
}

fn flags(at: &At<'_>, names: &[String]) -> Result<LogFilter, Invalid> {
    let mut flags = Flags::NONE;
    for (index, name) in names.iter().enumerate() {
        match Flag::ALL.into_iter().find(|flag| flag.short() == name) {
            Some(flag) => flags.set(flag),
            None => return Err(at.index(index).unsupported(name)),
        }
    }
    Ok(LogFilter::Flags(flags))
}
