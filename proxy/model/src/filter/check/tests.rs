use super::*;

fn check<'r>() -> Check<'r> {
    Check {
        source: "10.0.0.1:5".parse().unwrap(),
        destination: "[::1]:8080".parse().unwrap(),
        service: b"",
        time: 1_500_000,
        id: 7,
        method: b"POST",
        path: b"/a?b",
        host: b"h",
        scheme: "http",
        protocol: "HTTP/1.1",
        size: 3,
        headers: vec![(b":path", b"/a?b".to_vec()), (b"x", b"1,2".to_vec())],
        body: None,
        extensions: vec![("k", "v")],
    }
}

#[test]
fn a_check_says_where_when_and_what() {
    let sent = pb::CheckRequest::decode(&*encode_check(&check())).unwrap().attributes.unwrap();
    assert_eq!(sent.source.unwrap().address, Some(address("10.0.0.1:5".parse().unwrap())));
    assert_eq!(sent.destination.unwrap().address, Some(address("[::1]:8080".parse().unwrap())));
    assert_eq!(sent.context_extensions["k"], "v");
    let request = sent.request.unwrap();
    assert_eq!(request.time.map(|t| (t.seconds, t.nanos)), Some((1, 500_000_000)));
    let http = request.http.unwrap();
    assert_eq!((&*http.id, &*http.method, &*http.path, &*http.host), ("7", "POST", "/a?b", "h"));
    assert_eq!((&*http.scheme, &*http.protocol, http.size), ("http", "HTTP/1.1", 3));
    assert_eq!((&*http.headers["x"], &*http.headers[":path"]), ("1,2", "/a?b"));
}

#[test]
fn a_body_goes_as_bytes_or_as_text_that_cannot_break_the_message() {
    let all: Vec<u8> = (0..=255).collect();
    let http = |as_bytes| {
        let bytes = encode_check(&Check { body: Some((&all, as_bytes)), ..check() });
        pb::CheckRequest::decode(&*bytes).unwrap().attributes.unwrap().request.unwrap().http.unwrap()
    };
    assert_eq!((http(true).raw_body, http(true).body), (all.clone(), String::new()));
    let text = http(false).body;
    assert_eq!(text.len(), 256);
    assert!(text.ends_with(&"!".repeat(128)));
}

fn option(name: &str, append: Option<bool>, action: i32) -> core::HeaderValueOption {
    core::HeaderValueOption {
        header: Some(core::HeaderValue { key: name.into(), value: "v".into(), ..Default::default() }),
        append: append.map(|value| forebay_proto::google::protobuf::BoolValue { value }),
        append_action: action,
        ..Default::default()
    }
}

fn answer(code: i32, http: Option<pb::check_response::HttpResponse>) -> Decision {
    let status = forebay_proto::google::rpc::Status { code, ..Default::default() };
    let message = pb::CheckResponse { status: Some(status), http_response: http, ..Default::default() };
    decode_decision(&message.encode_to_vec()).unwrap()
}

#[test]
fn an_answer_allows_by_its_status_whatever_else_it_says() {
    use pb::check_response::HttpResponse::{DeniedResponse, OkResponse};
    assert_eq!(answer(0, None), Decision::Allowed(Allowed::default()));
    let refused = Decision::Denied(Denied { status: 403, headers: Vec::new(), body: Vec::new() });
    assert_eq!(answer(7, None), refused);
    assert_eq!(answer(7, Some(OkResponse(Default::default()))), refused);
    assert_eq!(answer(0, Some(DeniedResponse(Default::default()))), Decision::Allowed(Allowed::default()));
    assert_eq!(decode_decision(b"\xff\xff"), None);
}

#[test]
fn the_request_obeys_the_older_flag_and_the_response_the_newer_action_too() {
    let headers = vec![
        option("X-A", Some(true), 0),
        option("x-b", Some(false), 0),
        option("x-c", None, 0),
        option("x-d", None, 1),
        option("x-e", None, 2),
        option("x-f", None, 3),
    ];
    let ok = pb::OkHttpResponse {
        headers: headers.clone(),
        response_headers_to_add: headers,
        ..Default::default()
    };
    let Decision::Allowed(allowed) = answer(0, Some(pb::check_response::HttpResponse::OkResponse(ok))) else {
        panic!()
    };
    let how = |edits: &[Edit]| edits.iter().map(|edit| edit.how).collect::<Vec<_>>();
    use EditHow::{Add, AddIfAbsent, Append, Set, SetIfPresent};
    assert_eq!(how(&allowed.request), [Append, Set, Set, Set, Set, Set]);
    assert_eq!(how(&allowed.response), [Add, Set, Add, AddIfAbsent, Set, SetIfPresent]);
    assert_eq!(allowed.request[0].name, "x-a");
}
