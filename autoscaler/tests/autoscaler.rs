//! The whole autoscaler over real sockets, as the gateway and the platform see it.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_autoscaler::scaler::Activity;
use forebay_autoscaler::{Autoscaler, Config, Defaults, ScaleTo, Settings};
use forebay_report::metrics::{Stat, WireStatMessage, WireStatMessages};
use futures_util::{SinkExt, StreamExt};
use prost::Message as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const LIMIT: Duration = Duration::from_secs(5);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work).await.expect("took too long")
}

async fn next(orders: &mut UnboundedReceiver<ScaleTo>) -> (String, u32) {
    let order = within(orders.recv()).await.unwrap();
    (format!("{}/{}", order.key.0, order.key.1), order.replicas)
}

async fn reporter(autoscaler: &Autoscaler) -> Socket {
    connect_async(autoscaler.url()).await.unwrap().0
}

async fn report(socket: &mut Socket, name: &str, concurrency: f64) {
    let stat = Stat {
        pod_name: "gateway".into(),
        average_concurrent_requests: concurrency,
        request_count: concurrency,
        ..Stat::default()
    };
    let message = WireStatMessage { namespace: "default".into(), name: name.into(), stat: Some(stat) };
    let frame = WireStatMessages { messages: vec![message] };
    socket.send(Message::binary(frame.encode_to_vec())).await.unwrap();
}

fn settings(target: &str) -> Settings {
    let annotations = BTreeMap::from([
        ("autoscaling.knative.dev/target".to_owned(), target.to_owned()),
        ("autoscaling.knative.dev/target-utilization-percentage".to_owned(), "100".to_owned()),
    ]);
    Settings::from_annotations(&annotations, 0, &Defaults::default()).unwrap()
}

/// A tick of an hour: whatever happens in these tests happens because of a report.
fn tickless(target: &str) -> Settings {
    Settings { tick: Duration::from_secs(3600), ..settings(target) }
}

/// Windows of a few hundred milliseconds.
fn short(target: &str) -> Settings {
    Settings {
        stable_window: Duration::from_millis(300),
        panic_window: Duration::from_millis(50),
        bucket: Duration::from_millis(50),
        tick: Duration::from_millis(50),
        scale_to_zero_grace_period: Duration::from_millis(100),
        ..settings(target)
    }
}

#[tokio::test]
async fn a_waiting_request_starts_a_replica_without_a_tick() {
    let (autoscaler, mut orders) = Autoscaler::spawn(Config::default()).unwrap();
    autoscaler.restore("default", "hello-00001", tickless("10"), true);
    autoscaler.restore("default", "other-00001", tickless("10"), true);
    let mut socket = reporter(&autoscaler).await;
    report(&mut socket, "hello-00001", 1.0).await;
    assert_eq!(next(&mut orders).await, ("default/hello-00001".into(), 1));
    // More come while it starts: each report is acted on.
    report(&mut socket, "hello-00001", 34.0).await;
    assert!(next(&mut orders).await.1 >= 2);
    report(&mut socket, "other-00001", 25.0).await;
    assert_eq!(next(&mut orders).await, ("default/other-00001".into(), 3));
}

#[tokio::test]
async fn a_revision_lives_from_zero_to_zero() {
    let (autoscaler, mut orders) = Autoscaler::spawn(Config::default()).unwrap();
    autoscaler.upsert("default", "hello-00001", short("10"), true);
    assert_eq!(next(&mut orders).await.1, 1);
    autoscaler.set_ready("default", "hello-00001", 1);
    // Proven and idle.
    assert_eq!(next(&mut orders).await.1, 0);
    autoscaler.set_ready("default", "hello-00001", 0);

    let mut socket = reporter(&autoscaler).await;
    report(&mut socket, "hello-00001", 25.0).await;
    assert_eq!(next(&mut orders).await.1, 3);
    let waiting = &autoscaler.statuses().await[0];
    assert_eq!((waiting.activity, waiting.panicking, waiting.desired), (Activity::Activating, true, 3));
    autoscaler.set_ready("default", "hello-00001", 3);
    assert_eq!(autoscaler.statuses().await[0].activity, Activity::Active);

    // Silence: panic ends, the last replicas go.
    let mut last = 3;
    while last > 0 {
        let replicas = next(&mut orders).await.1;
        assert!(replicas < last, "{replicas} after {last}");
        autoscaler.set_ready("default", "hello-00001", replicas);
        last = replicas;
    }
    let idle = &autoscaler.statuses().await[0];
    assert_eq!((idle.activity, idle.stable, idle.wanted), (Activity::Inactive, 0.0, 0));
    assert_eq!(idle.reason, "no traffic for 300ms");
}

#[tokio::test]
async fn load_that_stays_keeps_its_replicas() {
    let (autoscaler, mut orders) = Autoscaler::spawn(Config::default()).unwrap();
    autoscaler.restore("default", "hello-00001", short("10"), true);
    let mut socket = reporter(&autoscaler).await;
    report(&mut socket, "hello-00001", 10.0).await;
    assert_eq!(next(&mut orders).await.1, 1);
    autoscaler.set_ready("default", "hello-00001", 1);
    // Three windows of reports, one for each bucket or so; never more than one replica's worth in two of them.
    for _ in 0..18 {
        report(&mut socket, "hello-00001", 5.0).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(autoscaler.statuses().await[0].activity, Activity::Active);
    while let Ok(order) = orders.try_recv() {
        assert_ne!(order.replicas, 0, "{}", order.reason);
    }
}

#[tokio::test]
async fn a_gateway_that_comes_back_is_heard_again() {
    let (autoscaler, mut orders) = Autoscaler::spawn(Config::default()).unwrap();
    autoscaler.restore("default", "hello-00001", tickless("10"), true);
    drop(reporter(&autoscaler).await);
    let mut socket = reporter(&autoscaler).await;
    report(&mut socket, "hello-00001", 1.0).await;
    assert_eq!(next(&mut orders).await.1, 1);
}

#[tokio::test]
async fn shutdown_closes_with_service_restart() {
    let (autoscaler, mut orders) = Autoscaler::spawn(Config::default()).unwrap();
    let mut socket = reporter(&autoscaler).await;
    let closing = tokio::spawn(autoscaler.shutdown());
    let close = within(socket.next()).await;
    let Some(Ok(Message::Close(Some(close)))) = close else { panic!("{close:?}") };
    assert_eq!(u16::from(close.code), 1012);
    assert!(within(socket.next()).await.is_none());
    within(closing).await.unwrap();
    assert_eq!(within(orders.recv()).await, None);
}
