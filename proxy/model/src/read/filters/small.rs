//! `header_mutation.v3`, `cors.v3`, `buffer.v3` and `fault.v3`, with what routes tell them.

use forebay_proto::envoy::config::common::mutation_rules::v3 as rules;
use forebay_proto::envoy::extensions::filters::common::fault::v3 as common;
use forebay_proto::envoy::extensions::filters::http::{
    buffer::v3 as buffer, cors::v3 as cors, fault::v3 as fault, header_mutation::v3 as mutation,
};
use forebay_proto::envoy::r#type::v3::FractionalPercent;
use forebay_route::Fraction;

use super::matchers;
use crate::filter::{Abort, Buffer, BufferRoute, Cors, FaultInjection, HeaderMutation, Mutation, Mutations};
use crate::names::Names;
use crate::read::at::At;
use crate::read::fields::fields;
use crate::read::headers::{add, header_name};
use crate::read::invalid::{Invalid, Rule};
use crate::read::matching::{fraction, share, text_match};
use crate::read::scalar::{duration, each, flag, number};

// === header_mutation

pub(super) fn header_mutation(
    at: &At<'_>,
    message: &mutation::HeaderMutation,
    names: &mut Names,
) -> Result<HeaderMutation, Invalid> {
    Ok(HeaderMutation {
        all: mutations(&at.field("mutations"), &message.mutations, names)?,
        specific_last: message.most_specific_header_mutations_wins,
    })
}

pub(in crate::read) fn mutation_per_route(
    at: &At<'_>,
    message: &mutation::HeaderMutationPerRoute,
    names: &mut Names,
) -> Result<Mutations, Invalid> {
    mutations(&at.field("mutations"), &message.mutations, names)
}

fn mutations(
    at: &At<'_>,
    message: &Option<mutation::Mutations>,
    names: &mut Names,
) -> Result<Mutations, Invalid> {
    let Some(message) = message else { return Ok(Mutations::default()) };
    fields!(at, message => mutation::Mutations {
        read: [request_mutations, response_mutations],
        harmless: [],
        refused: [query_parameter_mutations, response_trailers_mutations, request_trailers_mutations],
    });
    let mut list = |field, list: &[rules::HeaderMutation]| -> Result<Vec<Mutation>, Invalid> {
        let at = at.field(field);
        let all = each(&at, list, |at, message| one(at, message, names))?;
        Ok(all.into_iter().flatten().collect())
    };
    Ok(Mutations {
        request: list("request_mutations", request_mutations)?,
        response: list("response_mutations", response_mutations)?,
    })
}

/// One change; none if it says that an empty value is not to be added.
fn one(at: &At<'_>, message: &rules::HeaderMutation, names: &mut Names) -> Result<Option<Mutation>, Invalid> {
    use rules::header_mutation::Action::{Append, Remove, RemoveOnMatch};
    Ok(match &message.action {
        Some(Append(option)) => add(&at.field("append"), option, names)?.map(Mutation::Add),
        Some(Remove(name)) => Some(Mutation::Remove(header_name(&at.field("remove"), name, names)?)),
        Some(RemoveOnMatch(matching)) => {
            let at = at.field("remove_on_match");
            let Some(matcher) = &matching.key_matcher else { return Err(at.missing("key_matcher")) };
            Some(Mutation::RemoveMatching(text_match(&at.field("key_matcher"), matcher, names)?))
        }
        None => return Err(at.missing("action")),
    })
}

// === cors

pub(in crate::read) fn cors_policy(
    at: &At<'_>,
    message: &cors::CorsPolicy,
    names: &mut Names,
) -> Result<Cors, Invalid> {
    fields!(at, message => cors::CorsPolicy {
        read: [
            allow_origin_string_match, allow_methods, allow_headers, expose_headers, max_age, allow_credentials,
            filter_enabled, allow_private_network_access, forward_not_matching_preflights,
        ],
        harmless: [],
        refused: [shadow_enabled],
    });
    let list = at.field("allow_origin_string_match");
    Ok(Cors {
        origins: each(&list, allow_origin_string_match, |at, origin| text_match(at, origin, names))?,
        methods: names.text(allow_methods),
        headers: names.text(allow_headers),
        expose: names.text(expose_headers),
        max_age: names.text(max_age),
        credentials: flag(allow_credentials, false),
        enabled: filter_enabled
            .as_ref()
            .map(|share| fraction(&at.field("filter_enabled"), share))
            .transpose()?,
        private_network: flag(allow_private_network_access, false),
        forward_not_matching: flag(forward_not_matching_preflights, true),
    })
}

// === buffer

pub(super) fn buffer(at: &At<'_>, message: &buffer::Buffer) -> Result<Buffer, Invalid> {
    let most = number(at.field("max_request_bytes"), &message.max_request_bytes, 1..=u32::MAX)?;
    Ok(Buffer { most: most.ok_or_else(|| at.missing("max_request_bytes"))? })
}

pub(in crate::read) fn buffer_per_route(
    at: &At<'_>,
    message: &buffer::BufferPerRoute,
) -> Result<Option<BufferRoute>, Invalid> {
    use buffer::buffer_per_route::Override;
    Ok(match &message.r#override {
        Some(Override::Disabled(true)) => Some(BufferRoute::Disabled),
        Some(Override::Disabled(false)) => None,
        Some(Override::Buffer(inner)) => Some(BufferRoute::Limit(buffer(&at.field("buffer"), inner)?)),
        None => return Err(at.missing("override")),
    })
}

// === fault

pub(in crate::read) fn http_fault(
    at: &At<'_>,
    message: &fault::HttpFault,
    names: &mut Names,
) -> Result<FaultInjection, Invalid> {
    fields!(at, message => fault::HttpFault {
        read: [delay, abort, headers],
        harmless: [
            // There is no runtime that could say otherwise, and no metadata to write down.
            delay_percent_runtime, abort_percent_runtime, delay_duration_runtime, abort_http_status_runtime,
            max_active_faults_runtime, response_rate_limit_percent_runtime, abort_grpc_status_runtime,
            disable_downstream_cluster_stats, filter_metadata,
        ],
        refused: [upstream_cluster, downstream_nodes, max_active_faults, response_rate_limit],
    });
    Ok(FaultInjection {
        headers: matchers(&at.field("headers"), headers, names)?,
        delay: delay.as_ref().map(|delay| held_up(&at.field("delay"), delay)).transpose()?,
        abort: abort.as_ref().map(|abort| refused(&at.field("abort"), abort)).transpose()?,
    })
}

fn held_up(at: &At<'_>, message: &common::FaultDelay) -> Result<(std::time::Duration, Fraction), Invalid> {
    use common::fault_delay::FaultDelaySecifier::{FixedDelay, HeaderDelay};
    let time = match &message.fault_delay_secifier {
        Some(FixedDelay(time)) => duration(at.field("fixed_delay"), &Some(*time))?.unwrap_or_default(),
        Some(HeaderDelay(_)) => return Err(at.field("header_delay").unsupported(format_args!("a header's"))),
        None => return Err(at.missing("fixed_delay")),
    };
    Ok((time, percentage(at, &message.percentage)?))
}

fn refused(at: &At<'_>, message: &fault::FaultAbort) -> Result<(Abort, Fraction), Invalid> {
    use fault::fault_abort::ErrorType::{GrpcStatus, HeaderAbort, HttpStatus};
    let body = match &*message.response_body {
        "" => "fault filter abort",
        own => own,
    };
    let (status, grpc) = match &message.error_type {
        Some(HttpStatus(code)) => {
            let status = u16::try_from(*code).ok().filter(|code| (200..=599).contains(code));
            (status.ok_or_else(|| at.field("http_status").refuse(Rule::NotAStatus(*code)))?, None)
        }
        Some(GrpcStatus(code)) => (200, Some(*code)),
        Some(HeaderAbort(_)) => return Err(at.field("header_abort").unsupported(format_args!("a header's"))),
        None => return Err(at.missing("error_type")),
    };
    Ok((Abort { status, grpc, body: body.into() }, percentage(at, &message.percentage)?))
}

/// Nothing said is nothing done.
fn percentage(at: &At<'_>, message: &Option<FractionalPercent>) -> Result<Fraction, Invalid> {
    match message {
        Some(percent) => share(&at.field("percentage"), percent),
        None => Ok(Fraction { numerator: 0, denominator: 100 }),
    }
}
