//! What a queue-proxy is told.

use std::sync::Arc;

use forebay_knative::api::{HttpHeader, Scheme};

use super::*;

fn told(probe: Option<Handler>) -> BTreeMap<String, String> {
    let probe = probe.map(|handler| {
        Arc::new(Probe {
            handler,
            initial_delay_seconds: 0,
            period_seconds: 5,
            timeout_seconds: 1,
            success_threshold: 1,
            failure_threshold: 3,
        })
    });
    let key = RevisionKey::new("shop", "cart-00003");
    let container = Container { readiness_probe: probe, ..Container::default() };
    let revision = Revision { service: Some("cart".into()), ..Revision::lone(&key, "cart", container) };
    let launch = launch(Path::new("/bin/forebay"), &key, &revision, 2, 41_000, 41_001);
    assert_eq!(
        (launch.program.as_path(), &*launch.args),
        (Path::new("/bin/forebay"), &["queue-proxy".to_owned()][..])
    );
    launch.env
}

#[test]
fn whose_it_is_and_where_the_app_is() {
    let env = told(None);
    for (name, value) in [
        ("SERVING_NAMESPACE", "shop"),
        ("SERVING_SERVICE", "cart"),
        ("SERVING_CONFIGURATION", "cart"),
        ("SERVING_REVISION", "cart-00003"),
        ("SERVING_POD", "cart-00003-deployment-2"),
        ("QUEUE_SERVING_PORT", "41001"),
        ("USER_PORT", "41000"),
        ("REVISION_TIMEOUT_SECONDS", "300"),
        ("CONTAINER_CONCURRENCY", "0"),
        ("SERVING_READINESS_PROBE", ""),
        ("ENABLE_HTTP_FULL_DUPLEX", "false"),
    ] {
        assert_eq!(env.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[test]
fn the_probe_asks_the_app_on_its_own_port() {
    let of =
        |handler| -> Value { serde_json::from_str(&told(Some(handler))["SERVING_READINESS_PROBE"]).unwrap() };
    let times =
        json!({ "timeoutSeconds": 1, "periodSeconds": 5, "successThreshold": 1, "failureThreshold": 3 });
    let with = |kind: &str, handler: Value| {
        let mut expected = times.clone();
        expected[kind] = handler;
        expected
    };
    let header = HttpHeader { name: "x-a".into(), value: "b".into() };
    let get = Handler::HttpGet {
        path: "/up?x".into(),
        port: 0,
        scheme: Scheme::Http,
        host: "".into(),
        http_headers: [header].into(),
    };
    assert_eq!(
        of(get),
        with(
            "httpGet",
            json!({ "path": "/up?x", "port": 41_000, "host": "127.0.0.1", "scheme": "HTTP",
            "httpHeaders": [{ "name": "x-a", "value": "b" }] })
        )
    );
    assert_eq!(
        of(Handler::Grpc { port: 9, service: "s".into() }),
        with("grpc", json!({ "port": 41_000, "service": "s" }))
    );
    let tcp = with("tcpSocket", json!({ "port": 41_000, "host": "127.0.0.1" }));
    assert_eq!(of(Handler::TcpSocket { port: 9, host: "".into() }), tcp);
    assert_eq!(
        of(Handler::Exec { command: ["true".into()].into() }),
        tcp,
        "a command is the platform's to run"
    );
}
