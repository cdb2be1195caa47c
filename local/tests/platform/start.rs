//! How replicas start: command, environment, directory, port, number.

use forebay_local::{Event, ReplicaState, Urgency};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{APP, Site, container, var};

#[tokio::test]
async fn a_replica_is_ready_when_it_listens_and_serves_on_its_own_port() {
    let mut site = Site::new().await;
    let key = site.run("hello", 2, &["sleep", "50", "serve"]);
    let (a, b) = (site.ready().await, site.ready().await);
    assert_ne!(a.0, b.0, "replicas have numbers of their own");
    assert_ne!(a.1, b.1, "and ports");
    for (_, address) in [a, b] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /1 HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    let status = site.platform.statuses().await.remove(0);
    assert_eq!((status.key, status.wanted, status.failures), (key, 2, 0));
    assert!(status.replicas.iter().all(|r| r.state == ReplicaState::Ready && r.process.is_some()));
    let port = a.1;
    site.platform.clone().shutdown().await;
    TcpListener::bind(port).await.expect("ports are free after a shutdown");
    assert!(site.platform.statuses().await.is_empty());
}

#[tokio::test]
async fn environment_arguments_and_directory_are_as_kubernetes_and_knative_have_them() {
    let mut site = Site::new().await;
    std::fs::create_dir(site.path("work")).unwrap();
    site.run_with("hello", 1, &[], |revision| {
        container(revision, |container| {
            container.args = ["environment", "log", "$(GREETING), $(UNKNOWN) $$(GREETING) $PORT", "serve"]
                .map(Into::into)
                .into();
            container.env = [var("TARGET", "world"), var("GREETING", "hello $(TARGET) on $(PORT)")].into();
            container.working_dir = Some("work".into());
        });
    });
    let (_, address) = site.ready().await;
    let port = address.port();
    site.line(&format!("hello world on {port}, $(UNKNOWN) $(GREETING) $PORT")).await;
    let dir = std::fs::canonicalize(site.path("work")).unwrap();
    assert!(site.lines.contains(&format!("dir {}", dir.display())), "{:#?}", site.lines);
    for var in [
        &format!("PORT={port}"),
        "K_SERVICE=my-service",
        "K_CONFIGURATION=my-configuration",
        "K_REVISION=hello",
        "HOST=127.0.0.1",
        "TARGET=world",
        &format!("GREETING=hello world on {port}"),
    ] {
        assert!(site.lines.contains(&format!("env {var}")), "{var} in {:#?}", site.lines);
    }
    assert!(site.lines.iter().any(|line| line.starts_with("env PATH=")), "the rest is inherited");
}

#[tokio::test]
async fn an_image_runs_the_command_given_for_it_with_the_manifests_args() {
    let mut site = Site::with(|options| {
        options.images = vec![
            ("example.com/hello".into(), "/does/not/exist".into()),
            ("example.com/hello:1".into(), format!("'{APP}' app log \"from the image\"")),
        ];
    })
    .await;
    site.run_with("hello", 1, &[], |revision| {
        container(revision, |container| {
            container.command = [].into();
            container.args = ["serve"].map(Into::into).into();
        });
    });
    site.line("from the image").await;
    site.ready().await;
}

#[tokio::test]
async fn scaling_down_takes_the_youngest_and_up_again_fills_the_gap() {
    let mut site = Site::new().await;
    let key = site.run("hello", 1, &["serve"]);
    let (first, _) = site.ready().await;
    site.platform.scale(&key, 3, Urgency::Waiting);
    let (second, third) = (site.ready().await, site.ready().await);
    assert_eq!([first, second.0, third.0].iter().max(), Some(&2));
    site.platform.scale(&key, 1, Urgency::Routine);
    let mut gone = [site.gone().await, site.gone().await];
    gone.sort_unstable();
    let mut young = [second.1, third.1];
    young.sort_unstable();
    assert_eq!(gone, young);
    site.platform.scale(&key, 2, Urgency::Routine);
    assert_eq!(site.ready().await.0, 1, "numbers are used again");
    site.platform.remove(&key);
    site.gone().await;
    site.gone().await;
    while !site.platform.statuses().await.is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_revision_scaled_to_zero_before_it_starts_never_starts() {
    let mut site = Site::with(|options| options.parallel_starts = 1).await;
    let slow = site.run("slow", 1, &["sleep", "200", "serve"]);
    let never = site.run("never", 1, &["serve"]);
    site.platform.scale(&never, 0, Urgency::Routine);
    let started = site
        .wait(|event| match event {
            Event::Started { key, .. } => Ok(key),
            other => Err(other),
        })
        .await;
    assert_eq!(started, slow);
    site.ready().await;
    let statuses = site.platform.statuses().await;
    assert!(statuses[0].replicas.is_empty(), "{statuses:?}");
}
