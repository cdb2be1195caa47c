//! A bootstrap that cannot be obeyed: one clear line with file, line and field, and exit code 1.

use crate::plane::Plane;
use crate::world::{bootstrap, run};

async fn refused(text: Option<&[u8]>) -> String {
    for mode in ["serve", "validate"] {
        let ended = run(text, &["-c FILE", "--mode", mode]).await;
        assert_eq!((ended.status.code(), ended.out.as_str()), (Some(1), ""), "{mode}: {}", ended.err);
    }
    let ended = run(text, &["-c FILE", "-l", "off"]).await;
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    ended.err
}

#[tokio::test]
async fn missing_empty_or_no_yaml() {
    assert!(refused(None).await.contains("bootstrap.yaml: No such file"));
    assert!(refused(Some(b"")).await.contains("bootstrap.yaml: is empty"));
    assert!(refused(Some(b"{{{")).await.contains("bootstrap.yaml:1: not YAML"));
    assert!(refused(Some(b"\xff\xfe")).await.contains("not UTF-8"));
}

#[tokio::test]
async fn an_unknown_extension_is_named_with_its_line() {
    let plane = Plane::start().await;
    let text = bootstrap(plane.address)
        + "bootstrap_extensions:\n- name: x\n  typed_config:\n    \"@type\": type.googleapis.com/a.b.C\n";
    let line = text.lines().count();
    let said = refused(Some(text.as_bytes())).await;
    assert!(
        said.contains(&format!("bootstrap.yaml:{line}: bootstrap_extensions[0].typed_config.@type: ")),
        "{said}"
    );
    assert!(said.contains("\"type.googleapis.com/a.b.C\""), "{said}");
}

#[tokio::test]
async fn another_envoys_bootstrap_is_told_apart() {
    let plane = Plane::start().await;
    let v2 = bootstrap(plane.address).replace("transport_api_version: V3", "transport_api_version: V2");
    let said = refused(Some(v2.as_bytes())).await;
    assert!(said.contains("transport_api_version: is V2; V3 is the only version left"), "{said}");
    let newer = bootstrap(plane.address) + "quantum_config: {}\n";
    let said = refused(Some(newer.as_bytes())).await;
    assert!(said.contains("Bootstrap has no field \"quantum_config\""), "{said}");
}

#[tokio::test]
async fn a_static_cluster_is_tried_like_any_other() {
    let plane = Plane::start().await;
    let text = bootstrap(plane.address)
        .replace("    connect_timeout: 1s\n", "    connect_timeout: 1s\n    lb_policy: MAGLEV\n");
    let said = refused(Some(text.as_bytes())).await;
    assert!(said.contains("static_resources.clusters[0].lb_policy: "), "{said}");
    assert!(said.contains("bootstrap.yaml:15: "), "{said}");
}

#[tokio::test]
async fn a_port_that_is_taken() {
    let taken = Plane::start().await;
    let admin = "port_value: 0";
    let text = bootstrap(taken.address).replacen(admin, &format!("port_value: {}", taken.address.port()), 1);
    let ended = run(Some(text.as_bytes()), &["-c", "FILE"]).await;
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.err.contains("admin interface") && ended.err.contains("in use"), "{}", ended.err);
}
