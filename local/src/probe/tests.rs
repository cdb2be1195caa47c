//! Attempts against real servers, without replicas.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use forebay_knative::api::{Handler, HttpHeader, Probe, Protocol, Scheme};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::Target;
use super::plan::Check;
use crate::guard::{Guard, Program};
use crate::launch::{Launch, Site};
use crate::options::Options;
use crate::probe::grpc::{HealthCheckRequest, HealthCheckResponse, frame};
use crate::process::Spawner;

/// What attempts need besides an address.
pub(crate) struct Bench {
    site: Site,
    spawner: Spawner,
    launch: Launch,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let program = Program { path: "cat".into(), args: Vec::new() };
        let (guard, _) = Guard::start(program, "test".to_owned()).unwrap();
        Self {
            site: Site::new(&Options::new("/"), "/this".into()),
            spawner: Spawner::new(guard, "test".to_owned()),
            launch: Launch {
                program: "/bin/sh".into(),
                name: "sh".into(),
                args: Vec::new(),
                env: [("WORD".to_owned(), "yes".to_owned())].into(),
                dir: "/".into(),
            },
        }
    }

    pub(crate) fn target(&self, address: std::net::SocketAddr) -> Target<'_> {
        Target {
            address,
            front: None,
            started: Instant::now(),
            launch: &self.launch,
            base: Path::new("/"),
            site: &self.site,
            spawner: &self.spawner,
            last_miss: Default::default(),
        }
    }

    async fn once(
        &self,
        handler: Handler,
        protocol: Protocol,
        address: std::net::SocketAddr,
    ) -> Result<(), String> {
        let check = Check::new(&probe(handler), protocol).unwrap();
        check.once(&self.target(address)).await.map_err(|miss| miss.what)
    }
}

pub(crate) fn probe(handler: Handler) -> Probe {
    Probe {
        handler,
        initial_delay_seconds: 0,
        period_seconds: 0,
        timeout_seconds: 1,
        success_threshold: 1,
        failure_threshold: 0,
    }
}

fn http(path: &str) -> Handler {
    let header = |name: &str, value: &str| HttpHeader { name: name.into(), value: value.into() };
    Handler::HttpGet {
        path: path.into(),
        port: 1,
        scheme: Scheme::Http,
        host: "".into(),
        http_headers: [header("Host", "me.example"), header("X-A", "1"), header("X-A", "2")].into(),
    }
}

fn exec(script: &str) -> Handler {
    Handler::Exec { command: ["sh", "-c", script].map(Into::into).into() }
}

/// Answers `/N` with status N to those who send what [`http`] has; everything in one HTTP version.
async fn web(h2: bool) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|request: Request<Incoming>| async move {
                let host = request.uri().authority().map(|a| a.as_str().to_owned());
                let host = host.or_else(|| Some(request.headers().get("host")?.to_str().ok()?.to_owned()));
                let polite = host.as_deref() == Some("me.example")
                    && request.headers().get_all("x-a").iter().count() == 2
                    && request.headers()["user-agent"].as_bytes().starts_with(b"kube-probe/");
                let status = if polite { request.uri().path()[1..].parse().unwrap() } else { 418u16 };
                Ok::<_, Infallible>(Response::builder().status(status).body(Full::new(Bytes::new())).unwrap())
            });
            tokio::spawn(async move {
                let io = TokioIo::new(stream);
                if h2 {
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(io, service)
                        .await
                } else {
                    hyper::server::conn::http1::Builder::new().serve_connection(io, service).await
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn http_succeeds_with_200_to_399_in_either_version() {
    let bench = Bench::new();
    for (h2, protocol) in [(false, Protocol::Http1), (true, Protocol::H2c), (false, Protocol::H2c)] {
        let address = web(h2).await;
        for status in [200, 204, 302, 399] {
            let path = format!("/{status}");
            assert_eq!(bench.once(http(&path), protocol, address).await, Ok(()), "{path}, h2: {h2}");
        }
        let answer = bench.once(http("/404"), protocol, address).await;
        if h2 || protocol == Protocol::Http1 {
            assert_eq!(answer, Err("GET /404: answered 404 Not Found".to_owned()));
        }
        assert!(answer.is_err());
        assert!(bench.once(http("/500"), protocol, address).await.is_err());
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_runs_into_the_timeout() {
    let bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(
        bench.once(http("/200"), Protocol::Http1, address).await,
        Err("GET /200 timed out after 1.0 s".to_owned())
    );
    assert_eq!(
        bench.once(Handler::TcpSocket { port: 9, host: "".into() }, Protocol::Http1, address).await,
        Ok(())
    );
    drop(listener);
    assert_eq!(
        bench.once(http("/200"), Protocol::Http1, address).await,
        Err(format!("nothing listens on PORT={}", address.port()))
    );
}

/// A health service: `""` serves, `down` does not, others are unknown.
async fn health() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|request: Request<Incoming>| async move {
                assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
                assert_eq!(request.headers()["content-type"], "application/grpc");
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let status = match &*HealthCheckRequest::decode(&body[5..]).unwrap().service {
                    "" => Some(1),
                    "down" => Some(2),
                    _ => None,
                };
                let mut frames = Vec::new();
                let mut trailers = http::HeaderMap::new();
                match status {
                    Some(status) => {
                        let message = HealthCheckResponse { status };
                        frames.push(Ok::<_, Infallible>(Frame::data(Bytes::from(frame(&message)))));
                        trailers.insert("grpc-status", "0".parse().unwrap());
                    }
                    None => {
                        trailers.insert("grpc-status", "5".parse().unwrap());
                        trailers.insert("grpc-message", "unknown service".parse().unwrap());
                    }
                }
                frames.push(Ok(Frame::trailers(trailers)));
                Ok::<_, Infallible>(Response::new(Frames(frames.into())))
            });
            let io = TokioIo::new(stream);
            tokio::spawn(
                hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service),
            );
        }
    });
    address
}

/// The frames of one body, in order.
struct Frames(std::collections::VecDeque<Result<Frame<Bytes>, Infallible>>);

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.pop_front())
    }
}

#[tokio::test]
async fn grpc_succeeds_when_serving() {
    let bench = Bench::new();
    let address = health().await;
    let ask = |service: &str| {
        bench.once(Handler::Grpc { port: 0, service: service.into() }, Protocol::H2c, address)
    };
    assert_eq!(ask("").await, Ok(()));
    assert_eq!(ask("down").await, Err("gRPC health check of down: status is NotServing".to_owned()));
    assert_eq!(ask("x").await, Err("gRPC health check of x: grpc-status 5 unknown service".to_owned()));
    // A web server that knows nothing of gRPC.
    let web = web(true).await;
    let answer = bench.once(Handler::Grpc { port: 0, service: "".into() }, Protocol::H2c, web).await;
    assert!(answer.is_err());
}

#[tokio::test]
async fn exec_succeeds_with_status_0_and_is_killed_when_late() {
    let bench = Bench::new();
    let address = "127.0.0.1:1".parse().unwrap();
    assert_eq!(bench.once(exec("test $WORD = yes"), Protocol::Http1, address).await, Ok(()));
    let failed = bench.once(exec("exit 9"), Protocol::Http1, address).await;
    assert_eq!(failed, Err("exec sh -c exit 9: exited with code 9".to_owned()));
    let dir = tempfile::TempDir::new().unwrap();
    let late = format!("echo $$$$ > {0}/pid; sleep 60", dir.path().display());
    assert!(
        bench
            .once(exec(&late), Protocol::Http1, address)
            .await
            .unwrap_err()
            .ends_with("timed out after 1.0 s")
    );
    let pid = std::fs::read_to_string(dir.path().join("pid")).unwrap().trim().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    while rustix::process::test_kill_process(pid).is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let missing = Handler::Exec { command: ["no-such-command".into()].into() };
    let missing = bench.once(missing, Protocol::Http1, address).await.unwrap_err();
    assert!(missing.contains("command no-such-command is in no directory of PATH"), "{missing}");
}
