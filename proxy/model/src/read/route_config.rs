//! `route.v3.RouteConfiguration`, read host by host: a configuration of 10 MB in which one host changed costs a comparison
//! of bytes for the others.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use forebay_proto::envoy::config::route::v3 as pb;
use forebay_route::{Conflict, Settings, Table, VirtualHost};

use super::any::decode;
use super::at::At;
use super::config_source::config_source;
use super::fields::fields;
use super::headers::{Lists, header_ops};
use super::invalid::{Invalid, Rule};
use super::per_filter::per_filter;
use super::redirect::DIRECT_BODY;
use super::scalar::{flag, number};
use super::virtual_host::virtual_host;
use super::wire;
use crate::names::Names;
use crate::source::is_file;

/// A route configuration as read.
pub(crate) struct RouteConfig {
    pub(crate) shell: Shell,
    /// Its own hosts, in order.
    pub(crate) hosts: Vec<Host>,
}

/// What it says beside its hosts.
pub(crate) struct Shell {
    pub(crate) settings: Settings,
    /// More hosts come by VHDS.
    pub(crate) vhds: bool,
    /// Clusters have to be there before the routes to them are used.
    pub(crate) validate_clusters: bool,
    /// Bytes that a direct response may have.
    pub(crate) direct_body: u32,
}

/// One host of a route configuration.
pub(crate) struct Host {
    /// Its name; `name#2` and so on where names repeat.
    pub(crate) key: Arc<str>,
    pub(crate) bytes: Bytes,
    pub(crate) host: Arc<VirtualHost>,
}

/// Reads an encoded route configuration. `known` hands back the host that it made of these very bytes before, if it did.
pub(crate) fn route_config(
    bytes: &Bytes,
    names: &mut Names,
    known: impl Fn(&Shell, &str, &[u8]) -> Option<Arc<VirtualHost>>,
) -> Result<RouteConfig, Invalid> {
    let at = At::ROOT;
    let undecodable = |error: wire::Truncated| {
        at.refuse(Rule::Undecodable {
            kind: "envoy.config.route.v3.RouteConfiguration".to_owned(),
            error: error.to_string(),
        })
    };
    let (rest, slices) = wire::split(bytes, VIRTUAL_HOSTS).map_err(undecodable)?;
    let shell = shell(&at, &decode::<pb::RouteConfiguration>(&at, &rest)?, names)?;
    let list = at.field("virtual_hosts");
    let mut keys = Keys::default();
    let mut hosts = Vec::with_capacity(slices.len());
    for (index, bytes) in slices.into_iter().enumerate() {
        let key = keys.of(wire::text(&bytes, NAME).map_err(undecodable)?.unwrap_or_default());
        let host = match known(&shell, &key, &bytes) {
            Some(host) => host,
            None => {
                let at = list.index(index);
                let message: pb::VirtualHost = decode(&at, &bytes)?;
                Arc::new(virtual_host(&at, &message, shell.direct_body, names)?)
            }
        };
        // One name, not two that are equal.
        let key = if *host.name == *key { host.name.clone() } else { key };
        hosts.push(Host { key, bytes, host });
    }
    Ok(RouteConfig { shell, hosts })
}

/// Reads a route configuration inside a listener.
pub(crate) fn inline(
    at: &At<'_>,
    message: &pb::RouteConfiguration,
    names: &mut Names,
) -> Result<(Table, Vec<Arc<VirtualHost>>), Invalid> {
    let shell = shell(at, message, names)?;
    if shell.vhds {
        return Err(at.field("vhds").unsupported(format_args!("VHDS outside RDS")));
    }
    let list = at.field("virtual_hosts");
    let hosts = (message.virtual_hosts.iter().enumerate())
        .map(|(index, message)| {
            virtual_host(&list.index(index), message, shell.direct_body, names).map(Arc::new)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let built = Table::build(shell.settings, hosts.iter().cloned());
    match built.refused.into_iter().next() {
        Some(conflict) => Err(list.refuse(duplicate(conflict))),
        None => Ok((built.table, hosts)),
    }
}

/// Two hosts claim one domain.
pub(crate) fn duplicate(conflict: Conflict) -> Rule {
    Rule::DuplicateDomain {
        domain: conflict.domain.to_string(),
        first: conflict.holder.to_string(),
        second: conflict.virtual_host.to_string(),
    }
}

/// `RouteConfiguration.virtual_hosts`.
const VIRTUAL_HOSTS: u32 = 2;
/// `VirtualHost.name`.
const NAME: u32 = 1;

/// Makes names unique.
#[derive(Default)]
struct Keys {
    seen: HashMap<Arc<str>, u32>,
}

impl Keys {
    fn of(&mut self, name: &str) -> Arc<str> {
        let Some(count) = self.seen.get_mut(name) else {
            let name: Arc<str> = name.into();
            self.seen.insert(name.clone(), 1);
            return name;
        };
        *count += 1;
        format!("{name}#{count}").into()
    }
}

fn shell(at: &At<'_>, message: &pb::RouteConfiguration, names: &mut Names) -> Result<Shell, Invalid> {
    fields!(at, message => pb::RouteConfiguration {
        read: [
            name, vhds, response_headers_to_add, response_headers_to_remove, request_headers_to_add,
            request_headers_to_remove, most_specific_header_mutations_wins, validate_clusters,
            max_direct_response_body_size_bytes, ignore_port_in_host_matching, ignore_path_parameters_in_path_matching,
            typed_per_filter_config,
        ],
        // The hosts are read one by one; headers of ours are never taken from outside anyway.
        harmless: [virtual_hosts, internal_only_headers, metadata],
        refused: [cluster_specifier_plugins, request_mirror_policies, vhost_header, route_specifiers],
    });
    if let Some(vhds) = vhds {
        let at = at.field("vhds");
        let at = at.field("config_source");
        // Virtual hosts travel by delta alone.
        if is_file(&config_source(&at, &vhds.config_source, name)?.key) {
            return Err(at.unsupported(format_args!("virtual hosts of a file")));
        }
    }
    Ok(Shell {
        settings: Settings {
            name: name.as_str().into(),
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
            ignore_port: *ignore_port_in_host_matching,
            ignore_path_parameters: *ignore_path_parameters_in_path_matching,
            most_specific_headers_win: *most_specific_header_mutations_wins,
        },
        vhds: vhds.is_some(),
        validate_clusters: flag(validate_clusters, false),
        direct_body: number(
            at.field("max_direct_response_body_size_bytes"),
            max_direct_response_body_size_bytes,
            0..=u32::MAX,
        )?
        .unwrap_or(DIRECT_BODY),
    })
}
