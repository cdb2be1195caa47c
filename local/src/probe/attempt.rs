//! One attempt of one probe against one replica. Knows nothing of when attempts are made.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use forebay_knative::api::{Handler, HttpHeader, Protocol, Scheme};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::plan::Miss;
use super::{grpc, http};
use crate::failure::ending;
use crate::launch::{Launch, Site};
use crate::process::Spawner;

/// What is probed.
pub(crate) struct Target<'a> {
    /// The app's.
    pub(crate) address: SocketAddr,
    /// Its queue-proxy's, where it has one.
    pub(crate) front: Option<SocketAddr>,
    pub(crate) started: Instant,
    pub(crate) launch: &'a Launch,
    pub(crate) base: &'a Path,
    pub(crate) site: &'a Site,
    pub(crate) spawner: &'a Spawner,
    /// Why the latest attempt of a start failed.
    pub(crate) last_miss: Mutex<String>,
}

impl Target<'_> {
    /// Where requests go.
    pub(crate) fn served(&self) -> SocketAddr {
        self.front.unwrap_or(self.address)
    }

    /// Why it is not ready, in words.
    pub(crate) fn last(&self) -> String {
        self.last_miss.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What an attempt does. The port is always the replica's own: the one in the manifest is the container's, and Knative
/// sends probes to the serving port whatever they say.
#[derive(Debug)]
pub(crate) enum Attempt {
    Exec {
        command: Box<[Box<str>]>,
    },
    Grpc {
        service: Box<str>,
    },
    Http {
        path: Box<str>,
        headers: Box<[HttpHeader]>,
        h2c: bool,
    },
    Tcp,
    /// Has the queue-proxy say whether the app is ready, as kubelet does.
    QueueProxy,
}

impl Attempt {
    /// `Err` says in words what this platform cannot do.
    pub(crate) fn new(handler: &Handler, protocol: Protocol) -> Result<Self, String> {
        Ok(match handler {
            Handler::Exec { command } => Attempt::Exec { command: command.clone() },
            Handler::Grpc { service, .. } => Attempt::Grpc { service: service.clone() },
            Handler::HttpGet { scheme: Scheme::Https, .. } => {
                return Err(
                    "httpGet.scheme: HTTPS is not supported on one machine; replicas are asked in clear text"
                        .into(),
                );
            }
            Handler::HttpGet { path, http_headers, .. } => {
                let attempt = Attempt::Http {
                    path: if path.is_empty() { "/".into() } else { path.clone() },
                    headers: http_headers.clone(),
                    h2c: protocol == Protocol::H2c,
                };
                if let Attempt::Http { path, headers, .. } = &attempt {
                    http::request(path, headers, "localhost").map_err(|e| format!("httpGet: {e}"))?;
                }
                attempt
            }
            Handler::TcpSocket { .. } => Attempt::Tcp,
        })
    }

    pub(crate) async fn run(&self, target: &Target<'_>) -> Result<(), Miss> {
        let miss = |what| Miss { what: format!("{self}: {what}"), refused: false };
        match self {
            Attempt::Exec { command } => exec(command, target).await.map_err(miss),
            Attempt::Grpc { service } => {
                grpc::check(self.connect(target).await?, service).await.map_err(miss)
            }
            Attempt::Http { path, headers, h2c: false } => {
                http::get(self.connect(target).await?, path, headers).await.map_err(miss)
            }
            Attempt::Http { path, headers, h2c: true } => {
                match http::get_h2(self.connect(target).await?, path, headers).await {
                    Ok(()) => Ok(()),
                    // A server of both kinds may keep its health page on HTTP/1.1 only; Knative asks both ways too.
                    Err(what) => {
                        http::get(self.connect(target).await?, path, headers).await.map_err(|_| miss(what))
                    }
                }
            }
            Attempt::Tcp => self.connect(target).await.map(drop),
            Attempt::QueueProxy => {
                let stream = self.connect_to(target.served()).await?;
                let header = HttpHeader { name: "K-Network-Probe".into(), value: "queue".into() };
                let asked = http::get(stream, "/", &[header]).await;
                match asked {
                    Ok(()) => Ok(()),
                    // What is wrong with the app tells more than what its queue-proxy makes of it.
                    Err(what) => self.connect(target).await.and(Err(miss(what))),
                }
            }
        }
    }

    /// Why the app itself cannot be reached, where its queue-proxy has not answered in time.
    pub(super) async fn behind(&self, target: &Target<'_>) -> Option<Miss> {
        let asked = matches!(self, Attempt::QueueProxy).then(|| self.connect(target))?;
        // To ask again costs an HTTP request.
        asked.await.err().map(|miss| Miss { refused: false, ..miss })
    }

    async fn connect(&self, target: &Target<'_>) -> Result<TcpStream, Miss> {
        self.connect_to(target.address).await
    }

    async fn connect_to(&self, address: SocketAddr) -> Result<TcpStream, Miss> {
        let miss = |e: io::Error| Miss {
            refused: e.kind() == io::ErrorKind::ConnectionRefused,
            what: match e.kind() {
                io::ErrorKind::ConnectionRefused => {
                    format!("nothing listens on PORT={}", address.port())
                }
                _ => format!("connect to {address}: {e}"),
            },
        };
        let stream = TcpStream::connect(address).await.map_err(miss)?;
        // A port among the kernel's ephemeral ones can connect to itself while nobody listens on it.
        if stream.local_addr().map_err(miss)? == address {
            return Err(miss(io::ErrorKind::ConnectionRefused.into()));
        }
        Ok(stream)
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Attempt::Exec { command } => write!(f, "exec {}", command.join(" ")),
            Attempt::Grpc { service } if service.is_empty() => f.write_str("gRPC health check"),
            Attempt::Grpc { service } => write!(f, "gRPC health check of {service}"),
            Attempt::Http { path, .. } => write!(f, "GET {path}"),
            Attempt::Tcp => f.write_str("TCP connect"),
            Attempt::QueueProxy => f.write_str("readiness by its queue-proxy"),
        }
    }
}

/// Success is exit status 0. A caller that gives up kills what was started.
async fn exec(command: &[Box<str>], target: &Target<'_>) -> Result<(), String> {
    let launch = target.site.probe(target.launch, target.base, command)?;
    let mut process =
        target.spawner.start_silent(&launch).map_err(|e| crate::launch::refused(&launch, &e))?;
    let status = process.wait().await.map_err(|e| e.to_string())?;
    if status.success() { Ok(()) } else { Err(ending(status)) }
}
