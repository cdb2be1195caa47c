//! `route.v3.Route`: a condition and what follows from it.

use forebay_proto::envoy::config::route::v3 as pb;
use forebay_route::{Action, Route};

use super::at::At;
use super::fields::fields;
use super::headers::{Lists, header_ops};
use super::invalid::Invalid;
use super::matching::route_match;
use super::per_filter::per_filter;
use super::redirect::{direct, redirect};
use super::route_action::{Inherited, forward};
use super::virtual_host::buffer_limit;
use crate::names::Names;

/// Reads a route.
pub(crate) fn route(
    at: &At<'_>,
    message: &pb::Route,
    inherited: &Inherited,
    direct_body: u32,
    names: &mut Names,
) -> Result<Route, Invalid> {
    fields!(at, message => pb::Route {
        read: [
            name, r#match, typed_per_filter_config, request_headers_to_add, request_headers_to_remove,
            response_headers_to_add, response_headers_to_remove, action, per_request_buffer_limit_bytes,
            request_body_buffer_limit,
        ],
        harmless: [
            // Notes, counters and spans.
            metadata, decorator, tracing, stat_prefix,
        ],
        refused: [route_specifiers],
    });
    let mut inherited = inherited.clone();
    if let Some(limit) = buffer_limit(at, per_request_buffer_limit_bytes, request_body_buffer_limit)? {
        inherited.rare.buffer_limit = Some(limit);
    }
    let Some(condition) = r#match else { return Err(at.missing("match")) };
    Ok(Route {
        name: names.text(name),
        matcher: {
            let matcher = route_match(&at.field("match"), condition, names)?;
            names.matchers.one(matcher)
        },
        headers: header_ops(
            at,
            Lists {
                request_add: request_headers_to_add,
                request_remove: request_headers_to_remove,
                response_add: response_headers_to_add,
                response_remove: response_headers_to_remove,
            },
            names,
        )?,
        filters: per_filter(at, typed_per_filter_config, names)?,
        action: match action {
            Some(pb::route::Action::Route(action)) => {
                Action::Forward(forward(&at.field("route"), action, inherited, names)?)
            }
            Some(pb::route::Action::Redirect(action)) => {
                Action::Redirect(redirect(&at.field("redirect"), action)?.into())
            }
            Some(pb::route::Action::DirectResponse(action)) => {
                Action::Direct(direct(&at.field("direct_response"), action, direct_body)?)
            }
            Some(pb::route::Action::FilterAction(_)) => {
                return Err(at.field("filter_action").unsupported(format_args!("a filter's action")));
            }
            Some(pb::route::Action::NonForwardingAction(_)) => {
                return Err(at
                    .field("non_forwarding_action")
                    .unsupported(format_args!("a route of a gRPC server")));
            }
            None => return Err(at.missing("action")),
        },
    })
}
