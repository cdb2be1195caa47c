//! What is shown, as Envoy shows it.

use super::*;

#[test]
fn an_unknown_path_gets_the_commands() {
    let admin = Running::start(Bounds::default());
    let (status, body) = admin.get("/nope");
    assert_eq!(status, 404);
    assert!(body.starts_with("invalid path. admin commands are:\n  /: Admin home page\n"), "{body}");
    assert!(body.contains("\n  /drain_listeners (POST): drain listeners\n      graceful: "), "{body}");
    let (status, help) = admin.get("/help");
    assert_eq!((status, format!("invalid path. {help}")), (200, body));
    let (status, head, home) = admin.ask("GET", "/");
    assert!(status == 200 && head.contains("content-type: text/html"), "{head}");
    assert!(
        home.contains("<a href='stats/prometheus'>")
            && home.contains("<form action='quitquitquit' method='post'>")
    );
    assert_eq!(admin.get("/ready/").0, 404);
}

#[test]
fn statistics_in_three_formats() {
    let admin = Running::start(Bounds::default());
    let stats = admin.provider.registry.source().cluster(&"default/a".into());
    stats.add(Cluster::UpstreamRqTotal, 3);
    assert_eq!(admin.get("/stats?usedonly").1, "cluster.default/a.upstream_rq_total: 3\n");
    assert_eq!(admin.get("/stats?filter=upstream_rq_(total|retry)%24").1.lines().count(), 2);
    let all = admin.json("/stats?format=json&usedonly");
    assert_eq!(all, json!({ "stats": [{ "name": "cluster.default/a.upstream_rq_total", "value": 3 }] }));
    let (status, head, body) = admin.ask("GET", "/stats/prometheus?usedonly");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(body.contains("envoy_cluster_upstream_rq_total{envoy_cluster_name=\"default/a\"} 3\n"), "{body}");
    assert_eq!(admin.get("/stats?format=prometheus&usedonly").1, body);
    let (status, body) = admin.get("/stats?filter=(");
    assert_eq!(status, 400);
    assert!(body.starts_with("Invalid re2 regex: "), "{body}");
    assert_eq!(admin.get("/stats?format=xml").0, 400);
}

#[test]
fn statistics_are_picked_by_sort_and_by_what_does_not_match() {
    let admin = Running::start(Bounds::default());
    let stats = admin.provider.registry.source().cluster(&"default/a".into());
    stats.add(Cluster::UpstreamRqTotal, 3);
    stats.inc(Cluster::UpstreamRqActive);
    let gauge = "cluster.default/a.upstream_rq_active: 1\n";
    assert_eq!(admin.get("/stats?usedonly&type=Gauges").1, gauge);
    assert_eq!(admin.get("/stats?usedonly&filter=_total&invert_filter").1, gauge);
    assert_eq!(admin.get("/stats?type=Foo"), (400, "invalid &type= param".into()));
    assert!(admin.get("/stats?histogram_buckets=foo").1.starts_with("usage: /stats?histogram_buckets=("));
    assert_eq!(admin.get("/stats?format=html").0, 501);
    assert_eq!(admin.get("/stats/prometheus?histogram_buckets=detailed").0, 400);
    assert!(admin.get("/stats/prometheus?histogram_buckets=summary").1.contains("quantile=\"0.99\"} nan\n"));
    assert_eq!(admin.ask("POST", "/reset_counters").2, "OK\n");
    assert_eq!(admin.get("/stats?usedonly").1, gauge, "a level stays");
}

#[test]
fn config_dump_can_be_narrowed() {
    let admin = Running::start(Bounds::default());
    assert_eq!(admin.json("/config_dump")["configs"].as_array().unwrap().len(), 2);
    assert_eq!(admin.json("/config_dump?include_eds")["configs"].as_array().unwrap().len(), 3);
    let named = admin.json("/config_dump?name_regex=.*/b");
    assert_eq!(named["configs"][0]["dynamic_active_clusters"].as_array().unwrap().len(), 1);
    assert_eq!(named["configs"][1].as_object().unwrap().len(), 1, "no more than its type");
    let only = "/config_dump?resource=dynamic_active_clusters";
    let entry = "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.DynamicCluster";
    assert_eq!(
        admin.json(&format!("{only}&name_regex=default/a")),
        json!({ "configs": [{ "@type": entry, "version_info": "1", "cluster": { "name": "default/a" } }] })
    );
    assert_eq!(admin.get(&format!("{only}&name_regex=a")), (200, "{}\n".into()), "the whole name");
    assert_eq!(
        admin.json(&format!("{only}&mask=cluster.name&name_regex=default/b")),
        json!({ "configs": [{ "@type": entry, "cluster": { "name": "default/b" } }] })
    );
    let masked = admin.json("/config_dump?mask=dynamic_active_clusters.version_info");
    let clusters = "type.googleapis.com/envoy.admin.v3.ClustersConfigDump";
    assert_eq!(
        masked["configs"],
        json!([{ "@type": clusters, "dynamic_active_clusters": [{ "version_info": "1" }, { "version_info": "2" }] }])
    );
    for (target, status, text) in [
        ("resource=nope", 404, "nope not found in config dump"),
        ("mask=a", 400, "FieldMask a could not be successfully applied to any configs."),
        ("name_regex=(", 400, "INVALID_ARGUMENT: Error while parsing name_regex from (: "),
        (
            "resource=version_info",
            400,
            "version_info is not a repeated field. Use ?mask=version_info to get only this field",
        ),
    ] {
        let (got, body) = admin.get(&format!("/config_dump?{target}"));
        assert!(got == status && body.starts_with(text), "{target}: {got} {body}");
    }
}

#[test]
fn clusters_and_listeners_as_text_and_json() {
    let admin = Running::start(Bounds::default());
    assert_eq!(
        admin.get("/clusters").1,
        "default/a::observability_name::default/a\n\
         default/a::default_priority::max_connections::1\n\
         default/a::default_priority::max_pending_requests::2\n\
         default/a::default_priority::max_requests::3\n\
         default/a::default_priority::max_retries::4\n\
         default/a::added_via_api::true\n\
         default/a::forebay_waiting::5\n\
         default/a::127.0.0.1:4000::cx_active::1\n\
         default/a::127.0.0.1:4000::rq_active::2\n\
         default/a::127.0.0.1:4000::rq_total::9\n\
         default/a::127.0.0.1:4000::hostname::\n\
         default/a::127.0.0.1:4000::health_flags::/eds_status_draining\n\
         default/a::127.0.0.1:4000::weight::1\n\
         default/a::127.0.0.1:4000::region::\n\
         default/a::127.0.0.1:4000::zone::\n\
         default/a::127.0.0.1:4000::sub_zone::\n\
         default/a::127.0.0.1:4000::canary::false\n\
         default/a::127.0.0.1:4000::priority::0\n\
         default/a::127.0.0.1:4000::success_rate::-1\n\
         default/a::127.0.0.1:4000::local_origin_success_rate::-1\n"
    );
    let host = &admin.json("/clusters?format=json")["cluster_statuses"][0]["host_statuses"][0];
    assert_eq!(host["address"]["socket_address"]["port_value"], 4000);
    assert_eq!(host["health_status"]["eds_health_status"], "DRAINING");
    // Defaults of the protocol's messages are left out, counters come first.
    assert_eq!(host["stats"][0], json!({ "value": "9", "name": "rq_total" }));
    assert_eq!(host["stats"][1], json!({ "type": "GAUGE", "value": "1", "name": "cx_active" }));
    assert_eq!(admin.get("/clusters?filter=default/b"), (200, String::new()));
    assert_eq!(admin.get("/listeners").1, "gateway::0.0.0.0:8080\ngateway::[::]:8080\n");
    let listener = &admin.json("/listeners?format=json")["listener_statuses"][0];
    assert_eq!(listener["local_address"]["socket_address"]["address"], "0.0.0.0");
    assert_eq!(listener["additional_local_addresses"][0]["socket_address"]["address"], "::");
}

#[test]
fn server_info_has_envoys_fields() {
    let admin = Running::start(Bounds::default());
    let info = admin.json("/server_info");
    assert_eq!(info["state"], "LIVE");
    assert_eq!(info["version"], "forebay/0.1.0");
    assert_eq!(info["uptime_current_epoch"], "61s");
    assert_eq!(info["node"]["id"], "n");
    assert_eq!(info["command_line_options"]["concurrency"], 2);
}

#[test]
fn small_things_as_envoy_says_them() {
    let admin = Running::start(Bounds::default());
    assert_eq!(admin.get("/hot_restart_version").1, "disabled");
    assert_eq!(admin.json("/runtime"), json!({ "entries": {}, "layers": [] }));
    assert_eq!(admin.ask("POST", "/runtime_modify?a=1").2, "No admin layer specified");
    assert!(admin.get("/contention").1.starts_with("Mutex contention tracing is not enabled."));
    assert_eq!(admin.ask("POST", "/heapprofiler?enable=y").0, 501);
    assert_eq!(admin.json("/memory")["pageheap_free"], "2");
    let unready = &admin.json("/init_dump?mask=listener")["unready_targets_dumps"][0];
    assert_eq!(*unready, json!({ "name": "listener gateway", "target_names": ["routes"] }));
    assert_eq!(admin.get("/init_dump?mask=cluster").1, "{}\n");
    let certificate = &admin.json("/certs")["certificates"][0]["cert_chain"][0];
    assert_eq!(certificate["subject_alt_names"], json!([{ "dns": "a.example" }]));
    assert_eq!(certificate["days_until_expiration"], "29");
}

#[test]
fn requests_are_written_down_where_told() {
    use forebay_telemetry::log::{Files, Format};
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("admin.log");
    let files = Files::default();
    let file = files.open(&path).unwrap();
    let format =
        Format::parse("%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %BYTES_SENT% %REQ(HOST)%\n").unwrap();
    let admin = Running::logged(Bounds::default(), AccessLog::default().and(&file, Arc::new(format)));
    admin.get("/ready?x=1");
    admin.get("/nope");
    assert!(file.flush(Duration::from_secs(5)));
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "GET /ready?x=1 200 5 admin");
    assert!(lines[1].starts_with("GET /nope 404 "), "{text}");
}
