//! The admin pages of a running gateway: what is in force in protobuf's JSON, what was refused and why, and the numbers of
//! its updates.

use forebay_proto::type_url;

use super::backend::Backend;
use super::resources::{self, forward, host, route};
use super::world::{to, until};

#[test]
fn a_dump_is_protobufs_json_down_to_the_filters() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).start();
    let dump = world.admin("GET", "/config_dump?include_eds");
    for part in [
        "\"@type\": \"type.googleapis.com/envoy.admin.v3.BootstrapConfigDump\"",
        "\"@type\": \"type.googleapis.com/envoy.admin.v3.ClustersConfigDump\"",
        "\"@type\": \"type.googleapis.com/envoy.admin.v3.EndpointsConfigDump\"",
        "\"@type\": \"type.googleapis.com/envoy.config.cluster.v3.Cluster\"",
        "\"stat_prefix\": \"ingress_http\"",
        "\"@type\": \"type.googleapis.com/envoy.extensions.filters.http.router.v3.Router\"",
        "\"last_updated\": \"20",
    ] {
        assert!(dump.contains(part), "{part} is not in {dump}");
    }
    assert_eq!(world.admin("GET", "/config_dump?resource=dynamic_warming_clusters"), "{}\n");
    let names = world.admin("GET", "/config_dump?resource=dynamic_active_clusters&mask=cluster.name");
    assert!(names.contains("\"name\": \"backend\"") && !names.contains("connect_timeout"), "{names}");
}

#[test]
fn what_was_refused_stands_beside_what_is_in_force() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).start();
    let mut broken = resources::cluster("backend", None, false);
    broken.lb_policy = 99;
    world.control.store.set(type_url::CLUSTER, "backend", &broken);
    let dump = || world.admin("GET", "/config_dump?resource=dynamic_active_clusters&name_regex=backend");
    until("it was refused", || dump().contains("\"error_state\""));
    let dump = dump();
    for part in [
        "\"cluster\": {",
        "\"failed_configuration\": {",
        "\"lb_policy\": 99",
        "\"details\": \"lb_policy: ",
        "\"last_update_attempt\": \"20",
    ] {
        assert!(dump.contains(part), "{part} is not in {dump}");
    }
    assert!(world.stat("cluster_manager.cds.update_rejected") >= 1);
    assert_eq!(world.connect().get("/x").text(), "/x");
}

#[test]
fn updates_are_counted_by_envoys_names() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).start();
    for (name, least) in [
        ("cluster_manager.active_clusters", 1),
        ("cluster_manager.cluster_added", 1),
        ("cluster_manager.cds.update_success", 1),
        ("cluster_manager.cds.update_attempt", 2),
        ("listener_manager.listener_added", 1),
        ("listener_manager.total_listeners_active", 1),
        ("listener_manager.lds.update_success", 1),
        ("http.ingress_http.rds.services.update_success", 1),
        ("http.ingress_http.rds.services.config_reload", 1),
        ("server.live", 1),
        ("server.memory_physical_size", 1),
    ] {
        assert!(world.stat(name) >= least, "{name} is {}", world.stat(name));
    }
    assert_eq!(world.stat("server.state"), 0);
    let before = world.stat("http.ingress_http.rds.services.config_reload");
    world.set_hosts(vec![host("b", "b", vec![route("/", forward("backend"))])]);
    until("it was taken", || world.stat("http.ingress_http.rds.services.config_reload") > before);
    let text = world.admin("GET", "/stats?type=TextReadouts&filter=rds");
    assert!(text.starts_with("http.ingress_http.rds.services.version_text: \""), "{text}");
    let labels = "{envoy_rds_route_config=\"services\",envoy_http_conn_manager_prefix=\"ingress_http\"}";
    let shown = world.admin("GET", "/stats/prometheus?filter=rds");
    assert!(shown.contains(&format!("envoy_http_rds_update_success{labels} ")), "{shown}");
}

#[test]
fn an_endpoint_counts_what_happened_at_it() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.get("/1");
    client.get("/2");
    let shown = world.admin("GET", "/clusters");
    for (name, n) in [("rq_total", 2), ("rq_success", 2), ("rq_error", 0), ("cx_total", 1), ("cx_active", 1)]
    {
        let line = format!("backend::{}::{name}::{n}\n", backend.address);
        assert!(shown.contains(&line), "{line} is not in {shown}");
    }
    assert_eq!(world.admin("POST", "/reset_counters"), "OK\n");
    assert_eq!(world.stat("http.ingress_http.downstream_rq_total"), 0);
}
