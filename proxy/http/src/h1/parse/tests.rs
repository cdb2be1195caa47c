use super::*;

fn request(text: &str) -> Result<Option<(usize, RequestMeta)>, Reject> {
    parse_request(text.as_bytes(), &mut Head::default(), &Limits::default())
}

fn meta(text: &str) -> RequestMeta {
    request(text).unwrap().unwrap().1
}

#[test]
fn a_head_is_copied_lower_cased_and_indexed() {
    let mut head = Head::default();
    let text =
        "POST /a?b=c HTTP/1.1\r\nHost: Example.com:80\r\nX-Thing:  Va lue \r\nContent-Length: 12\r\n\r\nbody";
    let (n, meta) = parse_request(text.as_bytes(), &mut head, &Limits::default()).unwrap().unwrap();
    assert_eq!(n, text.len() - 4);
    assert_eq!(meta.framing, Framing::Length(12));
    assert!(meta.keep_alive && !meta.upgrade && !meta.expects_continue);
    assert_eq!(head.method(), b"POST");
    assert_eq!(head.path(), b"/a?b=c");
    assert_eq!(head.authority(), b"Example.com:80");
    assert_eq!(head.get(b"x-thing"), Some(&b"Va lue"[..]));
    assert!(!head.has(Known::Host), "the authority left the fields");
}

#[test]
fn every_prefix_of_a_head_waits_for_more() {
    let text = "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n";
    for n in 0..text.len() {
        assert_eq!(request(&text[..n]), Ok(None), "{n}");
    }
}

#[test]
fn ambiguous_or_malformed_requests_are_refused_by_rule() {
    let host = "Host: a\r\n";
    for (text, why) in [
        (
            format!("GET / HTTP/1.1\r\n{host}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Reject::LengthAndEncoding,
        ),
        (
            format!("GET / HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 1\r\n\r\n"),
            Reject::BadLength,
        ),
        (format!("GET / HTTP/1.1\r\n{host}Content-Length: 1, 1\r\n\r\n"), Reject::BadLength),
        (format!("GET / HTTP/1.1\r\n{host}Content-Length: +1\r\n\r\n"), Reject::BadLength),
        (format!("GET / HTTP/1.1\r\n{host}Content-Length: -1\r\n\r\n"), Reject::BadLength),
        (format!("GET / HTTP/1.1\r\n{host}Content-Length: 0x1\r\n\r\n"), Reject::BadLength),
        (format!("GET / HTTP/1.1\r\n{host}Content-Length:\r\n\r\n"), Reject::BadLength),
        (format!("GET / HTTP/1.1\r\n{host}Content-Length: 99999999999999999999\r\n\r\n"), Reject::BadLength),
        (format!("GET / HTTP/1.1\r\n{host}Transfer-Encoding: gzip, chunked\r\n\r\n"), Reject::Encoding),
        (
            format!(
                "GET / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
            ),
            Reject::Encoding,
        ),
        (format!("GET / HTTP/1.1\r\n{host}Transfer-Encoding: identity\r\n\r\n"), Reject::Encoding),
        (format!("GET / HTTP/1.1\r\n{host}Transfer-Encoding: xchunked\r\n\r\n"), Reject::Encoding),
        (format!("GET / HTTP/1.0\r\n{host}Transfer-Encoding: chunked\r\n\r\n"), Reject::EncodingInHttp10),
        (format!("GET / HTTP/1.1\r\n{host}A: b\r\n c\r\n\r\n"), Reject::Malformed),
        (format!("GET / HTTP/1.1\r\n{host}A : b\r\n\r\n"), Reject::Malformed),
        (format!("GET / HTTP/1.1\r\n{host}: b\r\n\r\n"), Reject::Malformed),
        (format!("GET / HTTP/1.1\r\n{host}A: b\0c\r\n\r\n"), Reject::Characters),
        (format!("GET / HTTP/1.1\r\n{host}A: b\rc\r\n\r\n"), Reject::BareLineEnd),
        (format!("GET / HTTP/1.1\r\n{host}A: b\n\r\n"), Reject::BareLineEnd),
        ("GET / HTTP/1.1\nHost: a\r\n\r\n".into(), Reject::BareLineEnd),
        ("GET / HTTP/1.1\r\n\r\n".into(), Reject::NoHost),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".into(), Reject::RepeatedHost),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".into(), Reject::BadHost),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n".into(), Reject::BadHost),
        ("GET http://u@b/ HTTP/1.1\r\nHost: a\r\n\r\n".into(), Reject::BadHost),
        ("GET ftp://b/ HTTP/1.1\r\nHost: a\r\n\r\n".into(), Reject::Scheme),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n".into(), Reject::Malformed),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n".into(), Reject::Target),
        ("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n".into(), Reject::Target),
        ("GET /\r\nHost: a\r\n\r\n".into(), Reject::Version),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n".into(), Reject::ConnectBody),
        ("GET /#f HTTP/1.1\r\nHost: a\r\n\r\n".into(), Reject::Fragment),
        ("CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n".into(), Reject::Target),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".into(), Reject::Encoding),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n".into(), Reject::Version),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n".into(), Reject::Malformed),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n".into(), Reject::Malformed),
    ] {
        assert_eq!(request(&text), Err(why), "{text:?}");
    }
}

#[test]
fn connect_names_an_authority_and_nothing_else() {
    let mut head = Head::default();
    let text = "CONNECT a.test:443 HTTP/1.1\r\nHost: other\r\n\r\n";
    let (_, meta) = parse_request(text.as_bytes(), &mut head, &Limits::default()).unwrap().unwrap();
    assert!(meta.upgrade && head.is_connect() && meta.framing == Framing::None);
    assert_eq!((head.authority(), head.path()), (&b"a.test:443"[..], &b""[..]));
    let mut out = Vec::new();
    super::super::write_request(&head, meta.framing, false, &mut out);
    assert_eq!(out, b"CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\n");
}

#[test]
fn limits_hold() {
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "a: b\r\n".repeat(120));
    assert_eq!(request(&many), Err(Reject::TooManyHeaders));
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}", "x".repeat(70_000));
    assert_eq!(request(&long), Err(Reject::TooLarge));
}

#[test]
fn absolute_form_replaces_the_host() {
    let mut head = Head::default();
    let text = "GET HTTP://b.example:81?q HTTP/1.1\r\nHost: a\r\n\r\n";
    parse_request(text.as_bytes(), &mut head, &Limits::default()).unwrap().unwrap();
    assert_eq!((head.authority(), head.path()), (&b"b.example:81"[..], &b"?q"[..]));
}

#[test]
fn persistence_follows_version_and_connection() {
    assert!(meta("GET / HTTP/1.1\r\nHost: a\r\n\r\n").keep_alive);
    assert!(!meta("GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n").keep_alive);
    assert!(!meta("GET / HTTP/1.0\r\n\r\n").keep_alive);
    assert!(meta("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
    assert!(meta("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n").expects_continue);
    assert!(meta("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").upgrade);
    assert!(!meta("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n").upgrade);
}

#[test]
fn responses_are_framed_by_status_and_headers() {
    let parse = |text: &str, to_head| {
        parse_response(text.as_bytes(), &mut Head::default(), &Limits::default(), to_head)
            .map(|o| o.unwrap().1)
    };
    for (text, framing, keep_alive) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Framing::Length(3), true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Framing::Chunked, true),
        ("HTTP/1.1 200 OK\r\n\r\n", Framing::Close, false),
        ("HTTP/1.1 204 No Content\r\n\r\n", Framing::None, true),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", Framing::None, true),
        ("HTTP/1.1 100 Continue\r\n\r\n", Framing::None, true),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", Framing::Length(0), false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", Framing::Length(3), false),
    ] {
        assert_eq!(parse(text, false), Ok(ResponseMeta { framing, keep_alive }), "{text:?}");
    }
    assert_eq!(parse("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true).unwrap().framing, Framing::None);
    assert_eq!(
        parse("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", false),
        Err(Reject::LengthAndEncoding)
    );
}
