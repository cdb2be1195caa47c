use proptest::prelude::*;

use super::*;

fn refused(format: &str) -> (usize, String, String) {
    let error = Format::parse(format).expect_err(format);
    (error.at, error.token, error.why)
}

#[test]
fn the_default_compiles() {
    assert_eq!(Format::default(), Format::parse(DEFAULT).unwrap());
}

#[test]
fn literals_are_kept_and_joined() {
    let format = Format::parse("100%% of %RESPONSE_CODE%%%\n").unwrap();
    assert_eq!(
        format.pieces,
        [Piece::Literal("100% of ".into()), Piece::Value(Op::Status, None), Piece::Literal("%\n".into())]
    );
    // Known from the start: one literal.
    assert_eq!(
        Format::parse("a %ACCESS_LOG_TYPE% b").unwrap().pieces,
        [Piece::Literal("a DownstreamEnd b".into())]
    );
}

#[test]
fn headers_take_two_names_and_a_length() {
    let format = Format::parse("%REQ(X-First?:Path):7%").unwrap();
    let op = Op::Header { of: Headers::Request, name: "x-first".into(), or: Some(":path".into()) };
    assert_eq!(format.pieces, [Piece::Value(op, Some(7))]);
}

#[test]
fn every_operator_of_envoy_for_http_is_known() {
    for operator in [
        "ACCESS_LOG_TYPE",
        "BYTES_RECEIVED",
        "BYTES_SENT",
        "COMMON_DURATION(DS_RX_BEG:US_TX_BEG:us)",
        "CONNECTION_ID",
        "CONNECTION_TERMINATION_DETAILS",
        "DOWNSTREAM_DIRECT_LOCAL_ADDRESS",
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
        "DOWNSTREAM_DIRECT_REMOTE_PORT",
        "DOWNSTREAM_HEADER_BYTES_SENT",
        "DOWNSTREAM_LOCAL_ADDRESS",
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
        "DOWNSTREAM_LOCAL_PORT",
        "DOWNSTREAM_REMOTE_ADDRESS",
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(24)",
        "DOWNSTREAM_REMOTE_PORT",
        "DOWNSTREAM_TLS_VERSION",
        "DOWNSTREAM_WIRE_BYTES_RECEIVED",
        "DURATION",
        "DYNAMIC_METADATA(a:b):3",
        "EMIT_TIME(%s)",
        "ENVIRONMENT(HOME)",
        "FILTER_STATE(x)",
        "GRPC_STATUS",
        "GRPC_STATUS(SNAKE_STRING)",
        "GRPC_STATUS_NUMBER",
        "HOSTNAME",
        "LOCAL_REPLY_BODY",
        "METADATA(CLUSTER:a)",
        "PATH",
        "PATH(NQ:ORIG):10",
        "PROTOCOL",
        "QUERY_PARAM(q):5",
        "REQUEST_DURATION",
        "REQUEST_HEADER(A?B):3",
        "REQUEST_HEADERS_BYTES",
        "REQUEST_TX_DURATION",
        "REQUESTED_SERVER_NAME",
        "RESPONSE_CODE",
        "RESPONSE_CODE_DETAILS",
        "RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)",
        "RESPONSE_DURATION",
        "RESPONSE_FLAGS",
        "RESPONSE_FLAGS_LONG",
        "RESPONSE_HEADER(A)",
        "RESPONSE_TRAILER(A)",
        "RESPONSE_TX_DURATION",
        "ROUTE_NAME",
        "START_TIME",
        "START_TIME(%Y)",
        "STREAM_ID",
        "TRACE_ID",
        "TRAILER(A)",
        "UPSTREAM_CLUSTER",
        "UPSTREAM_CLUSTER_RAW",
        "UPSTREAM_CONNECTION_ID",
        "UPSTREAM_HOST",
        "UPSTREAM_HOST_NAME",
        "UPSTREAM_LOCAL_ADDRESS",
        "UPSTREAM_PROTOCOL",
        "UPSTREAM_REMOTE_ADDRESS",
        "UPSTREAM_REMOTE_PORT",
        "UPSTREAM_REQUEST_ATTEMPT_COUNT",
        "UPSTREAM_TRANSPORT_FAILURE_REASON",
        "UPSTREAM_WIRE_BYTES_SENT",
        "VIRTUAL_CLUSTER_NAME",
    ] {
        let parsed = Format::parse(&format!("%{operator}%"));
        assert!(parsed.is_ok(), "{operator}: {parsed:?}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let error = Format::parse("ok %NO_SUCH_THING% x").unwrap_err();
    assert_eq!(error.to_string(), "format string, position 3: %NO_SUCH_THING%: unknown operator");
    for (format, at, token, why) in [
        ("%", 0, "%", "a single % must be written %%"),
        ("50% off", 2, "% off", "a single % must be written %%"),
        ("%DURATION", 0, "%DURATION", "closing % is missing"),
        ("a %REQ(X%", 2, "%REQ(X%", "closing parenthesis is missing"),
        ("%REQ()%", 0, "%REQ()%", "a header name in parentheses is missing"),
        ("%REQ%", 0, "%REQ%", "a header name in parentheses is missing"),
        ("%REQ(A?B?C)%", 0, "%REQ(A?B?C)%", "more than one alternative header"),
        ("%REQ(A):x%", 0, "%REQ(A):x%", "length must be an integer, given: x"),
        ("%REQ(A)B%", 0, "%REQ(A)B%", "closing % is missing"),
        ("%DURATION:3%", 0, "%DURATION:3%", "length is not allowed for DURATION"),
        ("%START_TIME(%Y-%Q)%", 0, "%START_TIME(%Y-%Q)%", "unknown time specifier %Q"),
        (
            "%COMMON_DURATION(A:DS_TX_END:ms)%",
            0,
            "%COMMON_DURATION(A:DS_TX_END:ms)%",
            "unknown point in time \"A\"",
        ),
        (
            "%COMMON_DURATION(DS_RX_BEG:DS_TX_END)%",
            0,
            "%COMMON_DURATION(DS_RX_BEG:DS_TX_END)%",
            "expected START:END:PRECISION",
        ),
        ("%PATH(XX)%", 0, "%PATH(XX)%", "invalid PATH option \"XX\", only WQ and NQ are allowed"),
    ] {
        assert_eq!(refused(format), (at, token.to_owned(), why.to_owned()));
    }
    assert!(refused("%DURATION(x)%").2.contains("takes no parameters"));
    assert!(refused("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(200)%").2.contains("mask"));
}

proptest! {
    /// No text, however strange, makes the compiler panic, and an error points into the text.
    #[test]
    fn never_panics(text in "[%A-Z_():?0-9a-zä]{0,40}") {
        if let Err(error) = Format::parse(&text) {
            prop_assert!(text[error.at..].starts_with(&error.token));
        }
    }

    /// What has no per cent sign is copied as it is.
    #[test]
    fn plain_text_is_itself(text in "[^%]{1,40}") {
        prop_assert_eq!(Format::parse(&text).unwrap().pieces, [Piece::Literal(text.as_str().into())]);
    }
}
