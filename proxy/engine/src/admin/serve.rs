//! The admin server: a few connections, none of which can hold up another. Knows no commands.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::access::{AccessLog, Line};
use super::answer::{Answer, Request};
use super::{Provider, Shared};

/// Bounds of the admin server.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections at a time; others wait in the kernel's queue.
    pub connections: usize,
    /// How long a client may take to send a request, and how long a connection may idle.
    pub header_read: Duration,
    /// How long a connection may live before it is asked to close; half as long again, and it is cut. Also bounds a
    /// client that does not read its answer.
    pub lifetime: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            // Probes, scrapers, two or three people: far more than they need, and still no burden.
            connections: 256,
            // Above the scrape interval most people use, so that a scraper keeps its connection.
            header_read: Duration::from_secs(75),
            lifetime: Duration::from_secs(600),
        }
    }
}

/// Answers made on blocking threads at the same time: a dump can be many megabytes.
const HEAVY: usize = 2;
/// With no file left, nothing changes until a connection ends: this often is soon enough.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown`, then lets answers under way finish for a second. The socket must be non-blocking.
pub async fn serve(
    socket: TcpListener,
    provider: Arc<dyn Provider>,
    bounds: Bounds,
    log: AccessLog,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let socket = tokio::net::TcpListener::from_std(socket)?;
    let places = Arc::new(Semaphore::new(bounds.connections));
    let heavy = Arc::new(Semaphore::new(HEAVY));
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accept = async {
            // Never closed.
            let place = places.clone().acquire_owned().await.ok();
            (place, socket.accept().await)
        };
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            (place, accepted) = accept => match accepted {
                Ok((stream, _)) => {
                    let work = connection(stream, provider.clone(), heavy.clone(), bounds, log.clone());
                    connections.spawn(async move {
                        work.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    warn!(%error, "admin interface: cannot accept a connection");
                    sleep(PAUSE).await;
                }
            },
        }
    }
    // The answer to /quitquitquit is still on its way.
    let _ = timeout(Duration::from_secs(1), async { while connections.join_next().await.is_some() {} }).await;
    Ok(())
}

async fn connection(
    stream: TcpStream,
    provider: Shared,
    heavy: Arc<Semaphore>,
    bounds: Bounds,
    log: AccessLog,
) {
    let ends = stream.peer_addr().ok().zip(stream.local_addr().ok()).filter(|_| !log.is_off());
    let service = service_fn(|request: http::Request<Incoming>| {
        let (provider, heavy, log) = (provider.clone(), heavy.clone(), log.clone());
        async move {
            let line = ends.map(|(peer, local)| Line::begin(&request, peer, local));
            let answer = answer(&request, provider, &heavy).await;
            if let Some(mut line) = line {
                line.end(answer.status, answer.body.len() as u64);
                log.write(&line);
            }
            Ok::<_, Infallible>(response(answer))
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_read)
        // A client that closes its sending half after the request still wants the answer.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    // Errors of a client's making (resets, garbage, time) are its own business.
    if timeout(bounds.lifetime, served.as_mut()).await.is_err() {
        served.as_mut().graceful_shutdown();
        let _ = timeout(bounds.lifetime / 2, served).await;
    }
}

async fn answer(request: &http::Request<Incoming>, provider: Shared, heavy: &Semaphore) -> Answer {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let request = match Request::parse(request.method().as_str(), target) {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    if !request.is_heavy() {
        return request.answer(&*provider);
    }
    // Never closed.
    let _turn = heavy.acquire().await;
    match tokio::task::spawn_blocking(move || request.answer(&*provider)).await {
        Ok(answer) => answer,
        Err(error) => Answer::text(500, format!("the answer could not be made: {error}\n")),
    }
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
