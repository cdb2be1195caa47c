use super::*;

#[test]
fn the_question_travels_escaped() {
    let question = Explain {
        url: "http://a.localhost:8080/x?y=1&z".parse().unwrap(),
        admin: ([127, 0, 0, 1], 1).into(),
        headers: vec![("knative-serving-tag".into(), "a b".into())],
    };
    assert_eq!(
        target(&question),
        "/explain?format=json&url=http%3A%2F%2Fa.localhost%3A8080%2Fx%3Fy%3D1%26z&header=knative-serving-tag%3Aa%20b"
    );
}

#[test]
fn the_answer_is_status_and_body() {
    let answer =
        parse("HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n\r\nurl is missing\n").unwrap();
    assert_eq!(answer.status, 400);
    assert_eq!(answer.read(), ("url is missing\n".to_owned(), false));
    assert!(parse("SSH-2.0-x\r\n\r\n").is_none());
}

#[test]
fn steps_are_lines_and_a_cluster_is_success() {
    let said = |body: &str| Answer { status: 200, body: body.to_owned() }.read();
    assert_eq!(said(r#"{"steps":["a","  b"],"clusters":[{}]}"#), ("a\n  b".to_owned(), true));
    assert_eq!(said(r#"{"steps":["a"],"clusters":[]}"#), ("a".to_owned(), false));
}
