use super::*;

#[test]
fn a_percent_sign_is_written_twice_and_anything_else_is_a_known_variable() {
    let literal = |text: &str| match Value::parse(text) {
        Ok(Value::Literal(it)) => it.to_string(),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(literal("plain"), "plain");
    assert_eq!(literal("100%% of %%x%%"), "100% of %x%");
    assert!(matches!(Value::parse("a%START_TIME%"), Ok(Value::Format(_))));
    for bad in ["50% off", "%", "%NO_SUCH_THING%", "%REQ(x"] {
        let error = Value::parse(bad).unwrap_err().to_string();
        assert!(error.contains(bad.trim_start_matches("50")), "{error}");
    }
}

#[test]
fn names_are_lower_case() {
    let add = HeaderAdd::new("Knative-Serving-Tag", Value::Literal("a".into()), HeaderAddAction::Overwrite);
    assert_eq!(&*add.name, "knative-serving-tag");
    assert!(HeaderOps::default().is_empty());
    assert!(
        !HeaderOps::from(HeaderLists { request_add: Box::new([add]), ..HeaderLists::default() }).is_empty()
    );
}
