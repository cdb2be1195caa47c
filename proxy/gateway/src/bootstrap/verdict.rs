//! The verdict on every field of a bootstrap: read, without effect here (one warning), or refused. Looks at what is written,
//! so that each is told with its line. Knows nothing of values.

use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};

use super::problem::Problem;
use super::tree::Node;

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Honoured, or judged by whoever reads its value.
    Read,
    /// Accepted; the text says why nothing comes of it.
    Idle(&'static str),
    /// It would change what requests see, and we do not have it.
    Refused,
}

use Verdict::{Idle, Read, Refused};

/// A message's fields. All of them: a test compares with the vocabulary.
type Table = (&'static str, &'static [(&'static str, Verdict)]);

const STATISTICS: &str = "statistics are kept by every worker and added up when they are asked for";
const TUNING: &str = "it tunes machinery that is not here";
const FIXED: &str = "how it is done is fixed here";

const TABLES: [Table; 7] = [
    (
        "envoy.config.bootstrap.v3.Bootstrap",
        &[
            ("node", Read),
            ("node_context_params", Idle("xdstp resource names are not used")),
            ("static_resources", Read),
            ("dynamic_resources", Read),
            ("cluster_manager", Read),
            ("hds_config", Refused),
            ("flags_path", Idle("feature flags are not read from files")),
            ("stats_sinks", Idle("statistics are served by the admin interface only")),
            ("deferred_stat_options", Idle(STATISTICS)),
            ("stats_config", Idle(STATISTICS)),
            ("stats_flush_interval", Idle(STATISTICS)),
            ("stats_flush_on_admin", Idle(STATISTICS)),
            ("stats_eviction_interval", Idle(STATISTICS)),
            ("watchdog", Idle("no thread watches the others")),
            ("watchdogs", Idle("no thread watches the others")),
            ("tracing", Refused),
            ("layered_runtime", Read),
            ("admin", Read),
            ("overload_manager", Read),
            ("enable_dispatcher_stats", Idle(STATISTICS)),
            ("header_prefix", Refused),
            ("stats_server_version_override", Idle(STATISTICS)),
            ("use_tcp_for_dns_lookups", Refused),
            ("dns_resolution_config", Refused),
            ("typed_dns_resolver_config", Read),
            ("bootstrap_extensions", Read),
            ("fatal_actions", Idle("a crash ends the process")),
            ("config_sources", Refused),
            ("default_config_source", Refused),
            ("default_socket_interface", Read),
            ("certificate_provider_instances", Refused),
            ("inline_headers", Idle(TUNING)),
            ("perf_tracing_file_path", Idle(TUNING)),
            ("default_regex_engine", Read),
            ("xds_delegate_extension", Refused),
            ("xds_config_tracker_extension", Refused),
            ("listener_manager", Refused),
            ("application_log_config", Idle("the format of log lines is the one of --log-format")),
            ("grpc_async_client_manager_config", Idle(TUNING)),
            ("memory_allocator_manager", Idle(TUNING)),
            ("enable_worker_cpu_affinity", Idle("the system places threads")),
        ],
    ),
    (
        "envoy.config.bootstrap.v3.Bootstrap.StaticResources",
        &[("listeners", Read), ("clusters", Read), ("secrets", Refused)],
    ),
    (
        "envoy.config.bootstrap.v3.Bootstrap.DynamicResources",
        &[
            ("lds_config", Read),
            ("lds_resources_locator", Refused),
            ("cds_config", Read),
            ("cds_resources_locator", Refused),
            ("ads_config", Read),
        ],
    ),
    (
        "envoy.config.bootstrap.v3.ClusterManager",
        &[
            ("local_cluster_name", Idle("endpoints of all zones are alike")),
            ("outlier_detection", Idle("no outlier is detected, so none is logged")),
            ("upstream_bind_config", Refused),
            ("load_stats_config", Idle("load is not reported")),
            (
                "enable_deferred_cluster_creation",
                Idle("a worker makes a cluster's state when it is first used, always"),
            ),
        ],
    ),
    (
        "envoy.config.bootstrap.v3.Admin",
        &[
            ("access_log", Read),
            ("access_log_path", Read),
            ("profile_path", Idle(TUNING)),
            ("address", Read),
            ("socket_options", Refused),
            ("ignore_global_conn_limit", Idle("the admin interface has a limit of its own")),
            ("allow_paths", Refused),
        ],
    ),
    (
        "envoy.config.core.v3.ApiConfigSource",
        &[
            ("api_type", Read),
            ("transport_api_version", Read),
            ("cluster_names", Refused),
            ("grpc_services", Read),
            ("refresh_delay", Idle("a stream is not polled")),
            ("request_timeout", Idle("a stream is not polled")),
            ("rate_limit_settings", Read),
            ("set_node_on_first_message_only", Read),
            ("config_validators", Refused),
        ],
    ),
    (
        "envoy.config.core.v3.GrpcService.EnvoyGrpc",
        &[
            ("cluster_name", Read),
            ("authority", Read),
            ("retry_policy", Idle(FIXED)),
            ("max_receive_message_length", Read),
            ("skip_envoy_headers", Idle("no such headers are sent")),
        ],
    ),
];

/// Judges what is written of `node`, a message of type `name` at `path`. Warnings are added; the first refusal ends it.
pub(super) fn judge(
    pool: &DescriptorPool,
    name: &str,
    node: &Node,
    path: &str,
    warnings: &mut Vec<Problem>,
) -> Result<(), Problem> {
    let (Some(descriptor), Some((_, table))) =
        (pool.get_message_by_name(name), TABLES.iter().find(|(message, _)| *message == name))
    else {
        return Ok(());
    };
    for (written, node) in node.fields() {
        // What is no field is told of by the reader of values.
        let Some(field) = field(&descriptor, written) else { continue };
        let path = if path.is_empty() { field.name().to_owned() } else { format!("{path}.{}", field.name()) };
        let verdict =
            table.iter().find(|(name, _)| *name == field.name()).map_or(Refused, |(_, verdict)| *verdict);
        match verdict {
            Read => {}
            Idle(why) => warnings.push(Problem::at(node.line, path.clone(), format!("has no effect: {why}"))),
            Refused => return Err(Problem::at(node.line, path, "is not supported")),
        }
        if let Kind::Message(inner) = field.kind() {
            for (index, item) in node.items().iter().enumerate() {
                let path = if field.is_list() { format!("{path}[{index}]") } else { path.clone() };
                judge(pool, inner.full_name(), item, &path, warnings)?;
            }
        }
    }
    Ok(())
}

fn field(descriptor: &MessageDescriptor, written: &str) -> Option<prost_reflect::FieldDescriptor> {
    descriptor.get_field_by_name(written).or_else(|| descriptor.get_field_by_json_name(written))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_the_vocabulary_has_a_verdict() {
        let pool = forebay_proto::json::descriptors().unwrap();
        for (name, table) in TABLES {
            let descriptor = pool.get_message_by_name(name).unwrap();
            let mut fields: Vec<String> = descriptor.fields().map(|field| field.name().to_owned()).collect();
            let mut judged: Vec<String> = table.iter().map(|(field, _)| (*field).to_owned()).collect();
            fields.sort();
            judged.sort();
            assert_eq!(judged, fields, "{name}");
        }
    }
}
