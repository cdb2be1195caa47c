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
        "/explain?url=http%3A%2F%2Fa.localhost%3A8080%2Fx%3Fy%3D1%26z&header=knative-serving-tag%3Aa%20b"
    );
}

#[test]
fn the_answer_is_status_and_body() {
    let answer = parse("HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\n\r\nno host\n").unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (404, "no host\n"));
    assert!(parse("SSH-2.0-x\r\n\r\n").is_none());
}
