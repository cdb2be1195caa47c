//! `rbac.v3`: who may do what.

use std::collections::BTreeMap;
use std::ops::Range;

use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::config::rbac::v3 as pb;
use forebay_proto::envoy::extensions::filters::http::rbac::v3 as filter;
use forebay_proto::envoy::r#type::matcher::v3 as matcher;
use forebay_route::TextMatch;

use crate::filter::{Rbac, RbacAction, RbacIp, RbacPolicy, RbacRoute, RbacRules, RbacTerm};
use crate::http_manager::InternalRanges;
use crate::names::Names;
use crate::read::address::cidr;
use crate::read::at::At;
use crate::read::fields::fields;
use crate::read::invalid::{Invalid, Rule};
use crate::read::matching::{header_match, text_match};
use crate::read::scalar::{choice, each};

/// Reads what the filter does.
pub(in crate::read) fn rbac(at: &At<'_>, message: &filter::Rbac, names: &mut Names) -> Result<Rbac, Invalid> {
    fields!(at, message => filter::Rbac {
        read: [rules, shadow_rules],
        harmless: [
            // Words in the names of counters, and more counters.
            rules_stat_prefix, shadow_rules_stat_prefix, track_per_rule_stats,
        ],
        refused: [matcher, shadow_matcher],
    });
    let mut read = |field, message: &Option<pb::Rbac>| {
        message.as_ref().map(|message| self::rules(&at.field(field), message, names)).transpose()
    };
    Ok(Rbac { rules: read("rules", rules)?, shadow: read("shadow_rules", shadow_rules)? })
}

/// Reads what a route says.
pub(in crate::read) fn per_route(
    at: &At<'_>,
    message: &filter::RbacPerRoute,
    names: &mut Names,
) -> Result<RbacRoute, Invalid> {
    let own = message.rbac.as_ref().map(|message| rbac(&at.field("rbac"), message, names));
    Ok(RbacRoute(own.transpose()?))
}

fn rules(at: &At<'_>, message: &pb::Rbac, names: &mut Names) -> Result<RbacRules, Invalid> {
    fields!(at, message => pb::Rbac {
        read: [action, policies],
        harmless: [],
        refused: [audit_logging_options],
    });
    let map = at.field("policies");
    let mut read = Vec::with_capacity(policies.len());
    for (name, message) in policies.iter().collect::<BTreeMap<_, _>>() {
        let at = map.key(name);
        fields!(at, message => pb::Policy {
            read: [permissions, principals],
            harmless: [
                // They say how a condition is computed.
                cel_config,
            ],
            refused: [condition, checked_condition],
        });
        for (field, empty) in [("permissions", permissions.is_empty()), ("principals", principals.is_empty())]
        {
            if empty {
                return Err(at.field(field).refuse(Rule::Empty));
            }
        }
        read.push(RbacPolicy {
            name: names.text(name),
            permissions: each(&at.field("permissions"), permissions, |at, one| permission(at, one, names))?,
            principals: each(&at.field("principals"), principals, |at, one| principal(at, one, names))?,
        });
    }
    use pb::rbac::Action::{Allow, Deny, Log};
    let action = match choice(at.field("action"), *action)? {
        Allow => RbacAction::Allow,
        Deny => RbacAction::Deny,
        Log => RbacAction::Log,
    };
    Ok(RbacRules { action, policies: read })
}

fn permission(at: &At<'_>, message: &pb::Permission, names: &mut Names) -> Result<RbacTerm, Invalid> {
    use pb::permission::Rule::{
        AndRules, Any, DestinationIp, DestinationPort, DestinationPortRange, Header, Matcher, Metadata,
        NotRule, OrRules, RequestedServerName, SourcedMetadata, UriTemplate, UrlPath,
    };
    let mut set = |field, set: &pb::permission::Set| {
        let place = at.field(field);
        let list = place.field("rules");
        if set.rules.is_empty() {
            return Err(list.refuse(Rule::Empty));
        }
        each(&list, &set.rules, |at, one| permission(at, one, names))
    };
    Ok(match &message.rule {
        Some(AndRules(rules)) => RbacTerm::All(set("and_rules", rules)?),
        Some(OrRules(rules)) => RbacTerm::Any(set("or_rules", rules)?),
        Some(Any(any)) => always(&at.field("any"), *any)?,
        Some(NotRule(rule)) => RbacTerm::Not(Box::new(permission(&at.field("not_rule"), rule, names)?)),
        Some(Header(header)) => RbacTerm::Header(header_match(&at.field("header"), header, names)?),
        Some(UrlPath(path)) => RbacTerm::Path(self::path(&at.field("url_path"), path, names)?),
        Some(DestinationIp(range)) => ip(&at.field("destination_ip"), RbacIp::Destination, range)?,
        Some(DestinationPort(port)) => {
            let at = at.field("destination_port");
            RbacTerm::Port(ports(&at, i64::from(*port), i64::from(*port) + 1)?)
        }
        Some(DestinationPortRange(range)) => {
            let at = at.field("destination_port_range");
            RbacTerm::Port(ports(&at, range.start.into(), range.end.into())?)
        }
        Some(RequestedServerName(name)) => {
            RbacTerm::ServerName(text_match(&at.field("requested_server_name"), name, names)?)
        }
        Some(Metadata(_)) => return Err(at.field("metadata").unsupported(format_args!("metadata"))),
        Some(SourcedMetadata(_)) => {
            return Err(at.field("sourced_metadata").unsupported(format_args!("metadata")));
        }
        Some(Matcher(extension)) => return Err(at.field("matcher").unsupported(&extension.name)),
        Some(UriTemplate(extension)) => return Err(at.field("uri_template").unsupported(&extension.name)),
        None => return Err(at.missing("rule")),
    })
}

fn principal(at: &At<'_>, message: &pb::Principal, names: &mut Names) -> Result<RbacTerm, Invalid> {
    use pb::principal::Identifier::{
        AndIds, Any, Authenticated, Custom, DirectRemoteIp, FilterState, Header, Metadata, NotId, OrIds,
        RemoteIp, SourceIp, SourcedMetadata, UrlPath,
    };
    let mut set = |field, set: &pb::principal::Set| {
        let place = at.field(field);
        let list = place.field("ids");
        if set.ids.is_empty() {
            return Err(list.refuse(Rule::Empty));
        }
        each(&list, &set.ids, |at, one| principal(at, one, names))
    };
    Ok(match &message.identifier {
        Some(AndIds(ids)) => RbacTerm::All(set("and_ids", ids)?),
        Some(OrIds(ids)) => RbacTerm::Any(set("or_ids", ids)?),
        Some(Any(any)) => always(&at.field("any"), *any)?,
        Some(NotId(id)) => RbacTerm::Not(Box::new(principal(&at.field("not_id"), id, names)?)),
        Some(Authenticated(who)) => {
            let at = at.field("authenticated");
            let at = at.field("principal_name");
            let name = who.principal_name.as_ref().map(|name| text_match(&at, name, names));
            RbacTerm::Authenticated(name.transpose()?)
        }
        Some(SourceIp(range)) => ip(&at.field("source_ip"), RbacIp::Connection, range)?,
        Some(DirectRemoteIp(range)) => ip(&at.field("direct_remote_ip"), RbacIp::Direct, range)?,
        Some(RemoteIp(range)) => ip(&at.field("remote_ip"), RbacIp::Remote, range)?,
        Some(Header(header)) => RbacTerm::Header(header_match(&at.field("header"), header, names)?),
        Some(UrlPath(path)) => RbacTerm::Path(self::path(&at.field("url_path"), path, names)?),
        Some(Metadata(_)) => return Err(at.field("metadata").unsupported(format_args!("metadata"))),
        Some(SourcedMetadata(_)) => {
            return Err(at.field("sourced_metadata").unsupported(format_args!("metadata")));
        }
        Some(FilterState(state)) => return Err(at.field("filter_state").unsupported(&state.key)),
        Some(Custom(extension)) => return Err(at.field("custom").unsupported(&extension.name)),
        None => return Err(at.missing("identifier")),
    })
}

/// By Envoy's own rule a term of this kind says yes.
fn always(at: &At<'_>, yes: bool) -> Result<RbacTerm, Invalid> {
    if yes { Ok(RbacTerm::Always) } else { Err(at.unsupported(false)) }
}

fn ip(at: &At<'_>, of: RbacIp, range: &core::CidrRange) -> Result<RbacTerm, Invalid> {
    Ok(RbacTerm::Ip(of, InternalRanges(vec![cidr(at, range)?])))
}

fn path(at: &At<'_>, message: &matcher::PathMatcher, names: &mut Names) -> Result<TextMatch, Invalid> {
    match &message.rule {
        Some(matcher::path_matcher::Rule::Path(text)) => text_match(&at.field("path"), text, names),
        None => Err(at.missing("rule")),
    }
}

fn ports(at: &At<'_>, start: i64, end: i64) -> Result<Range<u32>, Invalid> {
    let (Ok(from), Ok(to)) = (u32::try_from(start), u32::try_from(end)) else {
        return Err(at.refuse(Rule::OutOfRange { value: start.min(end), min: 0, max: 65_536 }));
    };
    if to > 65_536 || from >= to {
        return Err(at.refuse(Rule::OutOfRange { value: end - 1, min: 0, max: 65_535 }));
    }
    Ok(from..to)
}
