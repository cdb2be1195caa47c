//! What could be read in two ways is refused in one: the status Envoy gives, and the connection closed.

use crate::support::forebay::Forebay;
use crate::support::h1::Connection;
use crate::support::manifest::hello;

const HOST: &str = "hello.default.localhost";

/// What is wrong, what follows `Host: ..` in a POST to /sink, and the status.
const REFUSED: &[(&str, &str, u16)] = &[
    (
        "content-length and transfer-encoding",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("two different content-lengths", "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400),
    ("two equal content-lengths", "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    ("a list of content-lengths", "Content-Length: 5, 5\r\n\r\nhello", 400),
    ("a signed content-length", "Content-Length: +5\r\n\r\nhello", 400),
    ("a negative content-length", "Content-Length: -5\r\n\r\nhello", 400),
    ("a content-length beyond all numbers", "Content-Length: 99999999999999999999\r\n\r\nhello", 400),
    ("a content-length that is hexadecimal", "Content-Length: 0x5\r\n\r\nhello", 400),
    ("an empty content-length", "Content-Length:\r\n\r\n", 400),
    ("a folded header", "X-One: a\r\n b\r\n\r\n", 400),
    ("a header folded with a tab", "X-One: a\r\n\tb\r\n\r\n", 400),
    ("a bare CR in a value", "X-One: a\rb\r\n\r\n", 400),
    ("a bare LF after a header", "X-One: a\nX-Two: b\r\n\r\n", 400),
    ("a NUL in a value", "X-One: a\0b\r\n\r\n", 400),
    ("a space before the colon", "X-One : a\r\n\r\n", 400),
    ("a header without a name", ": a\r\n\r\n", 400),
    ("a header without a colon", "X-One\r\n\r\n", 400),
    ("a second host", "Host: other.default.localhost\r\n\r\n", 400),
    ("chunked that is not last", "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 501),
    ("an unknown transfer coding", "Transfer-Encoding: gzip\r\n\r\n", 501),
    ("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
    ("chunked by another name", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    ("a chunk size that is no number", "Transfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n", 400),
    ("a chunk size with a sign", "Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", 400),
    ("a chunk size beyond all numbers", "Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\n", 400),
    ("a chunk longer than it says", "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", 400),
    ("a bare LF after a chunk size", "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 400),
];

/// Whole requests whose first line or host is wrong.
const MALFORMED: &[(&str, &str, u16)] = &[
    ("no host", "GET / HTTP/1.1\r\n\r\n", 400),
    ("a host that is none", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ("a host nobody has", "GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n", 404),
    ("a path that is none", "GET nowhere HTTP/1.1\r\nHost: hello.default.localhost\r\n\r\n", 400),
    ("an encoded NUL", "GET /a%00b HTTP/1.1\r\nHost: hello.default.localhost\r\n\r\n", 400),
    (
        "a path above the root stops there",
        "GET /../../nowhere HTTP/1.1\r\nHost: hello.default.localhost\r\n\r\n",
        404,
    ),
    ("a method that is none", "G@T / HTTP/1.1\r\nHost: hello.default.localhost\r\n\r\n", 400),
    ("a version that is none", "GET / HTTP/3.7\r\nHost: hello.default.localhost\r\n\r\n", 426),
    ("no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", 400),
];

#[tokio::test]
async fn ambiguous_framing_is_refused_and_the_connection_closed() {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    let mut wrong = Vec::new();
    for (what, rest, status) in REFUSED {
        let request = format!("POST /sink HTTP/1.1\r\nHost: {HOST}\r\n{rest}");
        check(&forebay, what, &request, *status, true, &mut wrong).await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let after = forebay.get(HOST, "/").await;
    assert_eq!(after.status, 200, "and nothing of this hurt anybody else");
}

#[tokio::test]
async fn malformed_requests_get_the_status_that_says_so() {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    let mut wrong = Vec::new();
    for (what, request, status) in MALFORMED {
        // Framing is intact where only the path is wrong: the connection lives on, as with Envoy.
        let closes = matches!(status, 400 | 426) && !what.contains("NUL");
        check(&forebay, what, request, *status, closes, &mut wrong).await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn headers_beyond_the_limits_are_431() {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    let mut wrong = Vec::new();
    let long = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nX-Long: {}\r\n\r\n", "a".repeat(70 << 10));
    check(&forebay, "70 KiB in one header", &long, 431, true, &mut wrong).await;
    let line = format!("GET /{} HTTP/1.1\r\nHost: {HOST}\r\n\r\n", "a".repeat(70 << 10));
    check(&forebay, "70 KiB of path", &line, 431, true, &mut wrong).await;
    let fields: String = (0..200).map(|number| format!("X-{number}: a\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n");
    check(&forebay, "200 headers", &many, 431, true, &mut wrong).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn nothing_hidden_behind_a_refused_request_is_ever_run() {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    let hidden = format!("GET /status/299 HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let smuggled = format!(
        "POST /sink HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
        5 + hidden.len()
    );
    let mut connection = Connection::open(forebay.address).await.unwrap();
    connection.send(smuggled).await.unwrap();
    assert_eq!(connection.response().await.unwrap().status, 400);
    let rest = connection.rest().await.unwrap_or_default();
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
}

async fn check(
    forebay: &Forebay,
    what: &str,
    request: &str,
    status: u16,
    closed: bool,
    wrong: &mut Vec<String>,
) {
    let mut connection = Connection::open(forebay.address).await.unwrap();
    // A refusal may overtake the end of what is being sent.
    let _ = connection.send(request).await;
    match connection.response().await {
        Ok(answer) if answer.status != status => {
            wrong.push(format!("{what}: {} and not {status}", answer.status))
        }
        Ok(_) if closed && !connection.is_closed().await => wrong.push(format!("{what}: left open")),
        Ok(_) => {}
        Err(error) => wrong.push(format!("{what}: {error} and not {status}")),
    }
}
