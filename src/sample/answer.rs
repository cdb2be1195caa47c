//! The sample app's paths: request in, answer out. Knows nothing of sockets and processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use super::body::{self, Answer, Held, Sum};
use super::load::Load;
use super::settings::Settings;
use super::{grpc, websocket};

/// Everything a path may look at.
pub(super) struct App {
    settings: Settings,
    /// When connections could first be made: a cold start is measured from here.
    listening: SystemTime,
    pub load: Arc<Load>,
    /// Requests inside `/strict`, which bears one.
    strict: AtomicU32,
    /// Closed when the process was told to leave.
    leaving: watch::Receiver<()>,
}

impl App {
    pub(super) fn new(settings: Settings, listening: SystemTime, leaving: watch::Receiver<()>) -> Self {
        Self { settings, listening, load: Arc::default(), strict: AtomicU32::new(0), leaving }
    }

    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Held> {
        let present = self.load.enter();
        self.route(request).await.map(|inner| {
            let present = (!inner.is_end_stream()).then_some(present);
            Held { inner, present }
        })
    }

    async fn route(&self, request: Request<Incoming>) -> Response<Answer> {
        let query = Query::of(&request);
        let path = request.uri().path().to_owned();
        match path.as_str() {
            "/" => text(format!("Hello {}!\n", self.settings.target)),
            "/help" => text(HELP),
            "/sleep" => {
                sleep(query.millis("ms", 1_000)).await;
                text(format!("slept {} ms\n", query.number("ms", 1_000)))
            }
            "/stream" => {
                let lines = body::timed(query.number("n", 10), query.millis("ms", 100), |number| {
                    Bytes::from(format!("line {number}\n"))
                });
                typed("text/plain; charset=utf-8", lines)
            }
            "/sse" => {
                let events = body::timed(query.number("n", 10), query.millis("ms", 100), |number| {
                    Bytes::from(format!("id: {number}\ndata: event {number}\n\n"))
                });
                with(typed("text/event-stream", events), header::CACHE_CONTROL, "no-cache")
            }
            "/echo" => echo(request),
            "/bytes" => {
                let length = query.number("n", 1 << 20);
                let answer = typed("application/octet-stream", body::counted(length));
                with(answer, header::CONTENT_LENGTH, &length.to_string())
            }
            "/sink" => sink(request).await,
            "/headers" => json(&described(&request)),
            "/trailers" => trailers(request).await,
            "/revision" => json(&self.described()),
            "/strict" => self.strict(query.millis("ms", 10)).await,
            "/ws" => websocket::accept(request, Arc::clone(&self.load), self.leaving.clone()),
            "/crash" => std::process::exit(query.number("code", 1) as i32),
            path if path.starts_with("/status/") => status(&path["/status/".len()..]),
            path if grpc::is_ours(path) => grpc::answer(&self.settings.target, request).await,
            path => status_text(StatusCode::NOT_FOUND, format!("nothing at {path}; see /help\n")),
        }
    }

    fn described(&self) -> Value {
        json!({
            "K_SERVICE": self.settings.service,
            "K_REVISION": self.settings.revision,
            "PORT": self.settings.listen.port(),
            "TARGET": self.settings.target,
            "pid": std::process::id(),
            "listeningSince": self.listening.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64,
            // This question is a request as well.
            "concurrency": self.load.now(),
            "maxConcurrency": self.load.most(),
            "requests": self.load.served(),
        })
    }

    /// Fails the second when it sees two requests at once; what containerConcurrency 1 must never let happen.
    async fn strict(&self, pause: Duration) -> Response<Answer> {
        let _inside = Inside::of(&self.strict);
        if self.strict.load(Relaxed) > 1 {
            return status_text(StatusCode::INTERNAL_SERVER_ERROR, "two requests at once\n");
        }
        sleep(pause).await;
        text("alone\n")
    }
}

/// Also leaves when the client does and the answer is never finished.
struct Inside<'a>(&'a AtomicU32);

impl<'a> Inside<'a> {
    fn of(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Body and trailers as they arrive, each header as `echo-NAME`.
fn echo(request: Request<Incoming>) -> Response<Answer> {
    let (head, incoming) = request.into_parts();
    let mut answer = Response::new(incoming.boxed_unsync());
    for (name, value) in &head.headers {
        if let Ok(name) = HeaderName::try_from(format!("echo-{name}")) {
            answer.headers_mut().append(name, value.clone());
        }
    }
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
        if let Some(value) = head.headers.get(&name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    answer
}

async fn sink(request: Request<Incoming>) -> Response<Answer> {
    match drain(request.into_body()).await {
        Ok((sum, _)) => json(&json!({"bytes": sum.bytes, "check": sum.check})),
        Err(error) => status_text(StatusCode::BAD_REQUEST, format!("the body broke off: {error}\n")),
    }
}

/// Answers with trailers: the body's sum and, after it, whatever trailers the request had.
async fn trailers(request: Request<Incoming>) -> Response<Answer> {
    let (sum, mut trailers) = match drain(request.into_body()).await {
        Ok(read) => read,
        Err(error) => return status_text(StatusCode::BAD_REQUEST, format!("the body broke off: {error}\n")),
    };
    trailers.insert("x-check", HeaderValue::from(sum.check));
    let declared: Vec<&str> = trailers.keys().map(HeaderName::as_str).collect();
    let declared = declared.join(", ");
    let frames = [Ok(Frame::data(Bytes::from_static(b"trailers follow\n"))), Ok(Frame::trailers(trailers))];
    let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
    with(typed("text/plain; charset=utf-8", body), header::TRAILER, &declared)
}

async fn drain(mut body: Incoming) -> Result<(Sum, HeaderMap), hyper::Error> {
    let (mut sum, mut trailers) = (Sum::default(), HeaderMap::new());
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => sum.add(&data),
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
    }
    Ok((sum, trailers))
}

fn described(request: &Request<Incoming>) -> Value {
    let mut headers = Map::new();
    for name in request.headers().keys() {
        let values = request.headers().get_all(name).iter();
        let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        headers.insert(name.to_string(), json!(values));
    }
    json!({
        "method": request.method().as_str(),
        "uri": request.uri().to_string(),
        "version": format!("{:?}", request.version()),
        "headers": headers,
    })
}

fn status(code: &str) -> Response<Answer> {
    match code.parse().ok().and_then(|code: u16| StatusCode::from_u16(code).ok()) {
        Some(code) if code.as_u16() >= 200 => {
            let reason = code.canonical_reason().unwrap_or("unknown");
            let bodiless = matches!(code, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
            status_text(code, if bodiless { String::new() } else { format!("{} {reason}\n", code.as_u16()) })
        }
        _ => status_text(StatusCode::BAD_REQUEST, format!("{code:?} is no final status\n")),
    }
}

pub(super) fn status_text(code: StatusCode, words: impl Into<Bytes>) -> Response<Answer> {
    let mut answer = text(words);
    *answer.status_mut() = code;
    answer
}

fn text(words: impl Into<Bytes>) -> Response<Answer> {
    typed("text/plain; charset=utf-8", body::whole(words))
}

fn json(value: &Value) -> Response<Answer> {
    typed("application/json", body::whole(format!("{value}\n")))
}

fn typed(kind: &'static str, body: Answer) -> Response<Answer> {
    with(Response::new(body), header::CONTENT_TYPE, kind)
}

fn with(mut answer: Response<Answer>, name: HeaderName, value: &str) -> Response<Answer> {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}

/// The numbers of a query string: `?n=10&ms=5`.
struct Query(String);

impl Query {
    fn of(request: &Request<Incoming>) -> Self {
        Self(request.uri().query().unwrap_or_default().to_owned())
    }

    fn number(&self, name: &str, otherwise: u64) -> u64 {
        let pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        let mut named = pairs.filter(|(key, _)| *key == name);
        named.find_map(|(_, value)| value.parse().ok()).unwrap_or(otherwise)
    }

    fn millis(&self, name: &str, otherwise: u64) -> Duration {
        Duration::from_millis(self.number(name, otherwise))
    }
}

const HELP: &str = "\
/                  Hello $TARGET!
/sleep?ms=1000     answers after a while
/stream?n=10&ms=100  lines, one at a time
/sse?n=10&ms=100   server-sent events
/echo              body, headers (as echo-NAME) and trailers back as they arrive
/bytes?n=1048576   that many bytes
/sink              reads everything, answers how much and its check
/headers           the request as it arrived
/trailers          an answer with trailers
/revision          which revision, port and process this is, and its concurrency
/strict?ms=10      500 when two requests are here at once
/status/CODE       that status
/crash?code=1      ends the process
/ws                websocket echo
hello.Greeter      gRPC: SayHello, StreamHello, Chat; grpc.health.v1.Health: Check
";
