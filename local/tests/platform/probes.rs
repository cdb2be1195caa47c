//! Probes that decide about real replicas.

use forebay_knative::api::{Handler, HttpHeader, Scheme};
use forebay_local::Event;

use crate::support::{Site, alive, container, probe};

fn http() -> Handler {
    Handler::HttpGet {
        path: "/healthz".into(),
        port: 8080,
        scheme: Scheme::Http,
        host: "".into(),
        http_headers: [HttpHeader { name: "X-Probe".into(), value: "yes".into() }].into(),
    }
}

#[tokio::test]
async fn an_http_readiness_probe_decides_when_a_replica_is_ready() {
    let mut site = Site::new().await;
    let health = site.path("healthy");
    site.run_with("hello", 1, &["health", health.to_str().unwrap(), "serve"], |revision| {
        container(revision, |container| container.readiness_probe = Some(probe(http()).into()));
    });
    site.started().await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(site.events.is_empty(), "it listens, but is not ready: {:?}", site.events.recv().await);
    std::fs::write(health, "").unwrap();
    site.ready().await;
}

#[tokio::test]
async fn readiness_with_a_period_is_lost_and_found() {
    let mut site = Site::new().await;
    let health = site.path("healthy");
    std::fs::write(&health, "").unwrap();
    site.run_with("hello", 1, &["health", health.to_str().unwrap(), "serve"], |revision| {
        container(revision, |container| {
            let mut probe = probe(http());
            probe.period_seconds = 1;
            container.readiness_probe = Some(probe.into());
        });
    });
    let (_, address) = site.ready().await;
    std::fs::remove_file(&health).unwrap();
    let (at, message) = site
        .wait(|event| match event {
            Event::Unready { address, message, .. } => Ok((address, message)),
            other => Err(other),
        })
        .await;
    assert_eq!(at, address);
    assert_eq!(message, "GET /healthz: answered 503 Service Unavailable");
    std::fs::write(&health, "").unwrap();
    assert_eq!(site.ready().await.1, address);
}

#[tokio::test]
async fn a_failed_liveness_probe_restarts_the_replica() {
    let mut site = Site::new().await;
    let health = site.path("healthy");
    let file = health.to_str().unwrap();
    site.run_with("hello", 1, &["touch", file, "health", file, "serve"], |revision| {
        container(revision, |container| {
            let mut probe = probe(http());
            probe.period_seconds = 1;
            container.liveness_probe = Some(probe.into());
        });
    });
    let pid = site.started().await;
    let (_, address) = site.ready().await;
    std::fs::remove_file(&health).unwrap();
    assert_eq!(site.gone().await, address);
    let (reason, message, _) = site.failed().await;
    assert_eq!(reason, "Unhealthy");
    assert!(
        message.starts_with("failed its liveness probe: GET /healthz: answered 503 Service Unavailable"),
        "{message}"
    );
    site.ready().await;
    assert!(!alive(pid));
}

#[tokio::test]
async fn an_exec_probe_runs_in_the_replicas_surroundings() {
    let mut site = Site::new().await;
    site.run_with("hello", 1, &["sleep", "100", "touch", "made", "serve"], |revision| {
        container(revision, |container| {
            let command = ["/bin/sh", "-c", "test -f made && test $PORT = $(PORT)"].map(Into::into).into();
            container.readiness_probe = Some(probe(Handler::Exec { command }).into());
        });
    });
    site.ready().await;
    assert!(site.path("made").exists());
}

#[tokio::test]
async fn a_startup_probe_that_takes_too_long_kills() {
    let mut site = Site::new().await;
    site.run_with("hello", 1, &["serve"], |revision| {
        container(revision, |container| {
            let command = ["false"].map(Into::into).into();
            let mut probe = probe(Handler::Exec { command });
            probe.period_seconds = 1;
            container.startup_probe = Some(probe.into());
        });
    });
    let pid = site.started().await;
    let (reason, message, _) = site.failed().await;
    assert_eq!(reason, "Unhealthy");
    assert!(
        message.starts_with("its startup probe did not succeed in 1.0 s: exec false: exited with code 1"),
        "{message}"
    );
    assert!(!alive(pid));
}

#[tokio::test]
async fn a_probe_this_platform_cannot_run_is_refused_in_words() {
    let mut site = Site::new().await;
    site.run_with("hello", 1, &["serve"], |revision| {
        container(revision, |container| {
            let handler = Handler::HttpGet {
                path: "/".into(),
                port: 0,
                scheme: Scheme::Https,
                host: "".into(),
                http_headers: [].into(),
            };
            container.liveness_probe = Some(probe(handler).into());
        });
    });
    let (reason, message, _) = site.failed().await;
    assert_eq!(reason, "CreateContainerConfigError");
    assert!(
        message.contains("revision default/hello: livenessProbe: httpGet.scheme: HTTPS is not supported"),
        "{message}"
    );
}
