//! One HTTP GET on a fresh connection. Success is a status of 200 to 399. Knows nothing of when.

use ::http::header::{HOST, HeaderName, HeaderValue, USER_AGENT};
use ::http::{Request, Response, StatusCode, Uri, Version};
use forebay_knative::api::HttpHeader;
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// HTTP/1.1.
pub(crate) async fn get(stream: TcpStream, path: &str, headers: &[HttpHeader]) -> Result<(), String> {
    let request = request(path, headers, &authority(&stream))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| told(&e))?;
    let answer = sender.send_request(request);
    let response = tokio::select! {
        biased;
        response = answer => response,
        // The connection ends early: it then knows why, and the answer fails next.
        Err(e) = connection => return Err(told(&e)),
    };
    judge(response)
}

/// HTTP/2 with prior knowledge.
pub(crate) async fn get_h2(stream: TcpStream, path: &str, headers: &[HttpHeader]) -> Result<(), String> {
    let authority = authority(&stream);
    let mut request = request(path, headers, &authority)?;
    *request.version_mut() = Version::HTTP_2;
    // A custom Host is the authority in HTTP/2.
    let host = request.headers_mut().remove(HOST);
    let authority = host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or(&authority);
    *request.uri_mut() = Uri::builder()
        .scheme("http")
        .authority(authority)
        .path_and_query(path)
        .build()
        .map_err(|e| e.to_string())?;
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(|e| told(&e))?;
    let answer = sender.send_request(request);
    tokio::select! {
        biased;
        response = answer => judge(response),
        Err(e) = connection => Err(told(&e)),
    }
}

/// The request for `path` with `headers`; `Err` says which of them is none.
pub(crate) fn request(
    path: &str,
    headers: &[HttpHeader],
    authority: &str,
) -> Result<Request<Empty<Bytes>>, String> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = path.parse().map_err(|e| format!("path {path:?}: {e}"))?;
    let map = request.headers_mut();
    let value = |text: &str| HeaderValue::from_str(text).map_err(|e| format!("{text:?}: {e}"));
    map.insert(HOST, value(authority)?);
    map.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    for HttpHeader { name, value: text } in headers {
        let name =
            HeaderName::from_bytes(name.as_bytes()).map_err(|e| format!("httpHeaders: {name:?}: {e}"))?;
        let value = value(text).map_err(|e| format!("httpHeaders: {e}"))?;
        // As kubelet does: these two replace, others add up.
        if name == HOST || name == USER_AGENT {
            map.insert(name, value);
        } else {
            map.append(name, value);
        }
    }
    Ok(request)
}

fn authority(stream: &TcpStream) -> String {
    stream.peer_addr().map_or_else(|_| "127.0.0.1".to_owned(), |address| address.to_string())
}

fn judge(response: hyper::Result<Response<Incoming>>) -> Result<(), String> {
    match response.map_err(|e| told(&e))?.status() {
        status if (200..400).contains(&status.as_u16()) => Ok(()),
        status => Err(format!(
            "answered {} {}",
            status.as_u16(),
            StatusCode::canonical_reason(&status).unwrap_or("")
        )),
    }
}

/// An error with its causes.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |e| e.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Programs know this prefix from Kubernetes; some keep such requests out of their logs.
const AGENT: &str = "kube-probe/forebay";
