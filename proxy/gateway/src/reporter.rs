//! Tells the autoscaler of load, over the websocket protocol that Knative's activator speaks (facts: one binary frame of
//! `WireStatMessages` a second, and at once when a first request waits). Knows no workers beyond their reports.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_engine::Report;
use forebay_model::Revision;
use forebay_report::metrics::{Stat, WireStatMessage, WireStatMessages};
use futures_util::{SinkExt, StreamExt};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tracing::{debug, info, warn};

/// Between reports, as Knative's activator has it.
const EVERY: Duration = Duration::from_secs(1);
/// A third of the 10 s after which the peer takes silence for death.
const PING: Duration = Duration::from_millis(3333);
const SILENCE: Duration = Duration::from_secs(10);
/// 1 KiB: a stat server says nothing but pongs, and the default of 128 KiB is taken at once.
const READ_BUFFER: usize = 1024;
/// Back-off of connection attempts: 100 ms, growing by 1.3 up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What one revision did since the last report.
#[derive(Default)]
struct Load {
    request_seconds: f64,
    arrivals: u64,
    /// Concurrency that was said ahead of the report.
    told: u32,
}

/// By namespace and name.
type Loads = HashMap<(Arc<str>, Arc<str>), (Arc<Revision>, Load)>;

/// Hears the workers until they are gone.
pub(crate) async fn run(mut heard: mpsc::UnboundedReceiver<Report>, name: String) {
    let mut servers: HashMap<Arc<str>, mpsc::UnboundedSender<WireStatMessages>> = HashMap::new();
    let mut loads = Loads::new();
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut since = Instant::now();
    loop {
        tokio::select! {
            report = heard.recv() => match report {
                Some(Report::Waiting { revision, concurrency }) => {
                    let (_, load) = entry(&mut loads, &revision);
                    let more = concurrency.saturating_sub(load.told);
                    if more > 0 {
                        load.told = concurrency;
                        // Samples of one second add up at the autoscaler, so only what is new is said.
                        let stat = stat(&name, f64::from(more), f64::from(more));
                        send(&mut servers, &revision, vec![message(&revision, stat)]);
                    }
                }
                Some(Report::Load { revision, request_seconds, arrivals }) => {
                    let (_, load) = entry(&mut loads, &revision);
                    load.request_seconds += request_seconds;
                    load.arrivals += arrivals;
                }
                None => break,
            },
            _ = tick.tick() => {
                let seconds = since.elapsed().as_secs_f64().max(0.001);
                since = Instant::now();
                let mut batches: HashMap<Arc<str>, (Arc<Revision>, Vec<WireStatMessage>)> = HashMap::new();
                for (_, (revision, load)) in loads.drain() {
                    let Some(server) = revision.report.clone() else { continue };
                    let told = f64::from(load.told);
                    let concurrency = (load.request_seconds / seconds - told).max(0.0);
                    let rate = (load.arrivals as f64 / seconds - told).max(0.0);
                    let message = message(&revision, stat(&name, concurrency, rate));
                    batches.entry(server).or_insert_with(|| (revision, Vec::new())).1.push(message);
                }
                for (_, (revision, messages)) in batches {
                    send(&mut servers, &revision, messages);
                }
            }
        }
    }
}

fn entry<'l>(loads: &'l mut Loads, revision: &Arc<Revision>) -> &'l mut (Arc<Revision>, Load) {
    let key = (revision.namespace.clone(), revision.name.clone());
    loads.entry(key).or_insert_with(|| (revision.clone(), Load::default()))
}

fn stat(name: &str, concurrency: f64, rate: f64) -> Stat {
    Stat {
        pod_name: name.to_owned(),
        average_concurrent_requests: concurrency,
        request_count: rate,
        ..Stat::default()
    }
}

fn message(revision: &Revision, stat: Stat) -> WireStatMessage {
    WireStatMessage {
        namespace: revision.namespace.to_string(),
        name: revision.name.to_string(),
        stat: Some(stat),
    }
}

fn send(
    servers: &mut HashMap<Arc<str>, mpsc::UnboundedSender<WireStatMessages>>,
    revision: &Revision,
    messages: Vec<WireStatMessage>,
) {
    let Some(url) = &revision.report else { return };
    let line = servers.entry(url.clone()).or_insert_with(|| {
        let (line, messages) = mpsc::unbounded_channel();
        tokio::task::spawn_local(keep_connected(url.clone(), messages));
        line
    });
    let _ = line.send(WireStatMessages { messages });
}

/// Keeps one connection to a stat server. Reports that find no connection are dropped, as Knative's activator drops them: old
/// load is no load; but the last one before a connection stands is kept, so that a first request is not forgotten.
async fn keep_connected(url: Arc<str>, mut messages: mpsc::UnboundedReceiver<WireStatMessages>) {
    let mut pause = Duration::from_millis(100);
    let mut told = false;
    loop {
        match tokio::time::timeout(Duration::from_secs(3), connect(&url)).await {
            Ok(Ok((socket, _))) => {
                debug!(%url, "reporting load to the autoscaler");
                if told {
                    info!(%url, "the autoscaler is back");
                }
                (pause, told) = (Duration::from_millis(100), false);
                if carry(socket, &mut messages).await {
                    return;
                }
                continue;
            }
            Ok(Err(error)) if !told => {
                warn!(%url, %error, "the autoscaler cannot be reached; load is not reported until it is");
                told = true;
            }
            Err(_) if !told => {
                warn!(%url, "the autoscaler does not answer; load is not reported until it does");
                told = true;
            }
            _ => {}
        }
        tokio::time::sleep(pause).await;
        pause = pause.mul_f64(1.3).min(LONGEST_PAUSE);
        // Keep only the newest report.
        let mut newest = None;
        while let Ok(message) = messages.try_recv() {
            newest = Some(message);
        }
        if messages.is_closed() && newest.is_none() {
            return;
        }
    }
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn connect(url: &str) -> Result<(Socket, Response), Error> {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    tokio_tungstenite::connect_async_with_config(url, Some(config), false).await
}

/// Carries reports until the connection breaks (false) or there is nobody left to report (true).
async fn carry(mut socket: Socket, messages: &mut mpsc::UnboundedReceiver<WireStatMessages>) -> bool {
    let mut ping = tokio::time::interval(PING);
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            message = messages.recv() => {
                let Some(message) = message else {
                    let _ = socket.close(None).await;
                    return true;
                };
                if socket.send(Message::Binary(message.encode_to_vec().into())).await.is_err() {
                    return false;
                }
            }
            incoming = socket.next() => match incoming {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return false,
                Some(Ok(_)) => heard = Instant::now(),
            },
            _ = ping.tick() => {
                if heard.elapsed() > SILENCE || socket.send(Message::Ping(Vec::new().into())).await.is_err() {
                    return false;
                }
            }
        }
    }
}
