//! Listeners, clusters, routes and endpoints of files: they are obeyed when they are moved to their place, and what is wrong
//! with one leaves what was.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::plane::Plane;
use crate::support::until;
use crate::world::{Gateway, ask, bootstrap, run};

/// Answers every request with `text`.
async fn answering(text: &'static str) -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = socket.accept().await {
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
                text.len()
            );
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut head).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

const TYPES: &str = "type.googleapis.com/envoy.config";

fn listener(name: &str, routes: &Path) -> String {
    format!(
        r#"
- "@type": {TYPES}.listener.v3.Listener
  name: {name}
  address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
  filter_chains:
  - filters:
    - name: envoy.filters.network.http_connection_manager
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: {name}
        rds: {{route_config_name: routes, config_source: {{path_config_source: {{path: {}}}}}}}
        http_filters:
        - {{name: envoy.filters.http.router, typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}
"#,
        routes.display()
    )
}

fn cluster(endpoints: &Path) -> String {
    format!(
        r#"
- "@type": {TYPES}.cluster.v3.Cluster
  name: one
  type: EDS
  connect_timeout: 1s
  eds_cluster_config: {{service_name: serves, eds_config: {{path_config_source: {{path: {}}}}}}}
"#,
        endpoints.display()
    )
}

fn routes(name: &str, path: &str) -> String {
    format!(
        r#"
- "@type": {TYPES}.route.v3.RouteConfiguration
  name: {name}
  virtual_hosts:
  - name: all
    domains: ["*"]
    routes: [{{match: {{prefix: {path}}}, route: {{cluster: one}}}}]
"#
    )
}

fn endpoints(name: &str, at: SocketAddr) -> String {
    format!(
        r#"
- "@type": {TYPES}.endpoint.v3.ClusterLoadAssignment
  cluster_name: {name}
  endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: {}, port_value: {}}}}}}}}}]}}]
"#,
        at.ip(),
        at.port()
    )
}

/// Puts a file in its place as a whole, as whoever writes such files has to.
fn put(path: &Path, version: &str, resources: &str) {
    let resources = if resources.is_empty() { " []" } else { resources };
    let fresh = path.with_extension("new");
    fs::write(&fresh, format!("version_info: \"{version}\"\nresources:{resources}\n")).unwrap();
    fs::rename(fresh, path).unwrap();
}

fn of_files(home: &Path) -> String {
    format!(
        r#"
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}}}
dynamic_resources:
  cds_config: {{resource_api_version: V3, path_config_source: {{path: {0}/cds.yaml}}}}
  lds_config: {{resource_api_version: V3, path_config_source: {{path: {0}/lds.yaml}}}}
"#,
        home.display()
    )
}

async fn says(at: SocketAddr, path: &str, wanted: &str) {
    until(format!("{wanted:?} at {path}"), async || ask(at, "GET", "any", path).await.text() == wanted).await;
}

/// Everything comes from four files, and the endpoint says `old`.
async fn running(home: &TempDir) -> (Gateway, SocketAddr) {
    let path = |name: &str| home.path().join(name);
    put(&path("eds.yaml"), "1", &endpoints("serves", answering("old").await));
    put(&path("rds.yaml"), "1", &routes("routes", "/"));
    put(&path("cds.yaml"), "1", &cluster(&path("eds.yaml")));
    put(&path("lds.yaml"), "1", &listener("front", &path("rds.yaml")));
    let gateway = Gateway::start(&of_files(home.path()), &[]).await;
    let address = gateway.listener("front").await;
    says(address, "/", "old").await;
    (gateway, address)
}

#[tokio::test]
async fn all_four_kinds_are_obeyed_when_they_are_moved_to_their_place() {
    let home = tempfile::tempdir().unwrap();
    let (gateway, address) = running(&home).await;
    let path = |name: &str| home.path().join(name);
    put(&path("eds.yaml"), "2", &endpoints("serves", answering("new").await));
    says(address, "/", "new").await;
    put(&path("rds.yaml"), "2", &routes("routes", "/only"));
    until("the routes are others", async || ask(address, "GET", "any", "/").await.status == 404).await;
    says(address, "/only", "new").await;
    let both = format!("{}{}", listener("front", &path("rds.yaml")), listener("second", &path("rds.yaml")));
    put(&path("lds.yaml"), "2", &both);
    says(gateway.listener("second").await, "/only", "new").await;
    put(&path("cds.yaml"), "2", "");
    until("the cluster is gone", async || ask(address, "GET", "any", "/only").await.status == 503).await;
    let stats = gateway.admin("GET", "/stats").await;
    for line in [
        "cluster_manager.cds.update_success: 2",
        "listener_manager.lds.update_success: 2",
        "http.front.rds.routes.update_success: 2",
    ] {
        assert!(stats.text().contains(line), "{line}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_told_and_leaves_what_was() {
    let home = tempfile::tempdir().unwrap();
    let (gateway, address) = running(&home).await;
    let path = |name: &str| home.path().join(name);
    fs::write(path("rds.new"), "resources: [{}").unwrap();
    fs::rename(path("rds.new"), path("rds.yaml")).unwrap();
    gateway.logs("rds.yaml").await;
    put(&path("eds.yaml"), "2", &endpoints("others", answering("wrong").await));
    gateway.logs("\"others\"").await;
    put(&path("cds.yaml"), "2", &format!("{0}{0}", cluster(&path("eds.yaml"))));
    gateway.logs("is in the file twice").await;
    let two = format!("{}{}", routes("routes", "/a"), routes("more", "/b"));
    put(&path("rds.yaml"), "2", &two);
    gateway.logs("has 2 resources").await;
    says(address, "/", "old").await;
    put(&path("rds.yaml"), "3", &routes("routes", "/good"));
    // Only the new routes have nothing there.
    says(address, "/", "").await;
    says(address, "/good", "old").await;
    let stats = gateway.admin("GET", "/stats").await;
    // As Envoy counts them.
    for line in [
        "http.front.rds.routes.update_failure: 1",
        "http.front.rds.routes.update_rejected: 1",
        "http.front.rds.routes.update_success: 2",
        "cluster_manager.cds.update_rejected: 1",
    ] {
        assert!(stats.text().contains(line), "{line} in {}", stats.text());
    }
}

#[tokio::test]
async fn a_file_that_is_polled_is_read_where_it_lies() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let polled = |text: &str, name: &str| text.replace(name, &format!("{name}, poll_interval: 0.02s"));
    put(&path("eds.yaml"), "1", &endpoints("serves", answering("old").await));
    put(&path("rds.yaml"), "1", &routes("routes", "/"));
    put(&path("cds.yaml"), "1", &polled(&cluster(&path("eds.yaml")), "eds.yaml"));
    put(&path("lds.yaml"), "1", &listener("front", &path("rds.yaml")));
    let gateway = Gateway::start(&polled(&of_files(home.path()), "cds.yaml"), &[]).await;
    let at = gateway.listener("front").await;
    says(at, "/", "old").await;
    let written = |resources: String| format!("version_info: \"2\"\nresources:{resources}\n");
    fs::write(path("eds.yaml"), written(endpoints("serves", answering("new").await))).unwrap();
    says(at, "/", "new").await;
    fs::write(path("cds.yaml"), "resources: [{}").unwrap();
    gateway.logs("cds.yaml").await;
    says(at, "/", "new").await;
    // Nothing that is written where it lies counts where nobody polls.
    fs::write(path("rds.yaml"), written(routes("routes", "/only"))).unwrap();
    fs::write(path("cds.yaml"), written(String::new())).unwrap();
    until("the cluster is gone", async || ask(at, "GET", "any", "/").await.status == 503).await;
    let counted = async || {
        let stats = gateway.admin("GET", "/stats?filter=cds.update_success").await;
        stats.text().trim().rsplit(' ').next().and_then(|n| n.parse::<u64>().ok())
    };
    until("as in Envoy each reading is counted", async || counted().await > Some(4)).await;
}

#[tokio::test]
async fn a_config_map_s_link_is_turned() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    for (directory, answer) in [("first", "old"), ("second", "new")] {
        fs::create_dir(path(directory)).unwrap();
        put(&path(directory).join("eds.yaml"), directory, &endpoints("serves", answering(answer).await));
    }
    std::os::unix::fs::symlink("first", path("..data")).unwrap();
    std::os::unix::fs::symlink("..data/eds.yaml", path("eds.yaml")).unwrap();
    put(&path("rds.yaml"), "1", &routes("routes", "/"));
    let watched =
        format!("{}, watched_directory: {{path: {}}}", path("eds.yaml").display(), home.path().display());
    put(&path("cds.yaml"), "1", &cluster(Path::new(&watched)));
    put(&path("lds.yaml"), "1", &listener("front", &path("rds.yaml")));
    let gateway = Gateway::start(&of_files(home.path()), &[]).await;
    let address = gateway.listener("front").await;
    says(address, "/", "old").await;
    std::os::unix::fs::symlink("second", path("..data_tmp")).unwrap();
    fs::rename(path("..data_tmp"), path("..data")).unwrap();
    says(address, "/", "new").await;
}

#[tokio::test]
async fn a_file_that_is_not_there_stops_the_start() {
    let home = tempfile::tempdir().unwrap();
    put(&home.path().join("cds.yaml"), "1", "");
    let ended = run(Some(of_files(home.path()).as_bytes()), &["-c", "FILE"]).await;
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended.err.contains("bootstrap.yaml:5: dynamic_resources.lds_config.path_config_source.path: "),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("lds.yaml: No such file"), "{}", ended.err);
}

#[tokio::test]
async fn clusters_of_a_file_serve_beside_a_control_plane() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let plane = Plane::start().await;
    put(&path("cds.yaml"), "1", "");
    let file = format!("path_config_source: {{path: {}}}", path("cds.yaml").display());
    let text = bootstrap(plane.address).replacen("ads: {}", &file, 1);
    let gateway = Gateway::start(&text, &[]).await;
    until("listeners are asked for", async || {
        gateway.admin("GET", "/stats").await.text().contains("cluster_manager.cds.update_success: 1")
    })
    .await;
    put(&path("cds.yaml"), "2", &cluster(&path("absent.yaml")));
    gateway.logs("absent.yaml\" cannot be read: No such file").await;
    put(&path("eds.yaml"), "1", &endpoints("serves", answering("here").await));
    put(&path("cds.yaml"), "3", &cluster(&path("eds.yaml")));
    until("the cluster is there", async || gateway.admin("GET", "/clusters").await.text().contains("one::"))
        .await;
}
