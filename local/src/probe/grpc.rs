//! One call of `grpc.health.v1.Health/Check`. Success is SERVING. Knows nothing of when.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpStream;

use super::http::told;

/// grpc/health/v1/health.proto, the two messages of `Check`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    pub(crate) service: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct HealthCheckResponse {
    #[prost(enumeration = "ServingStatus", tag = "1")]
    pub(crate) status: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum ServingStatus {
    Unknown = 0,
    Serving = 1,
    NotServing = 2,
    ServiceUnknown = 3,
}

/// Asks for `service`; empty is the server as a whole.
pub(crate) async fn check(stream: TcpStream, service: &str) -> Result<(), String> {
    let authority = stream.peer_addr().map_err(|e| e.to_string())?;
    let message = HealthCheckRequest { service: service.to_owned() };
    let request = http::Request::post(format!("http://{authority}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "kube-probe/forebay")
        .body(Full::new(Bytes::from(frame(&message))))
        .map_err(|e| e.to_string())?;
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(|e| told(&e))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(|e| told(&e))?;
        let (head, body) = response.into_parts();
        if !head.status.is_success() {
            return Err(format!("answered HTTP status {}", head.status.as_u16()));
        }
        let body = http_body_util::Limited::new(body, LONGEST).collect().await.map_err(|e| told(&*e))?;
        // An error without a message comes as headers only.
        let trailers = body.trailers().unwrap_or(&head.headers);
        let field = |name| trailers.get(name).and_then(|v: &http::HeaderValue| v.to_str().ok());
        match field("grpc-status") {
            Some("0") => serving(&body.to_bytes()),
            Some(code) => Err(format!("grpc-status {code} {}", field("grpc-message").unwrap_or(""))
                .trim_end()
                .to_owned()),
            None => Err("answered without grpc-status".to_owned()),
        }
    };
    tokio::select! {
        biased;
        answer = answer => answer,
        Err(e) = connection => Err(told(&e)),
    }
}

/// A message after its five bytes: not compressed, length.
pub(crate) fn frame(message: &impl Message) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend((message.encoded_len() as u32).to_be_bytes());
    bytes.extend(message.encode_to_vec());
    bytes
}

fn serving(body: &[u8]) -> Result<(), String> {
    let message = body.get(5..).ok_or("answered no message")?;
    match HealthCheckResponse::decode(message).map_err(|e| told(&e))?.status() {
        ServingStatus::Serving => Ok(()),
        status => Err(format!("status is {status:?}")),
    }
}

/// More than any health answer, in bytes.
const LONGEST: usize = 64 << 10;
