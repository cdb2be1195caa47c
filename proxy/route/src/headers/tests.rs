use super::*;

#[test]
fn a_percent_sign_is_written_twice() {
    let parsed = |text: &str| Value::parse(text).map(|Value::Literal(it)| it.to_string());
    assert_eq!(parsed("plain"), Ok("plain".into()));
    assert_eq!(parsed("100%% of %%x%%"), Ok("100% of %x%".into()));
    assert_eq!(parsed("a%START_TIME%"), Err(InvalidValue::Variable("START_TIME".into())));
    assert_eq!(parsed("50% off"), Err(InvalidValue::Unterminated(" off".into())));
    assert_eq!(parsed("%"), Err(InvalidValue::Unterminated(String::new())));
}

#[test]
fn names_are_lower_case() {
    let add = HeaderAdd::new("Knative-Serving-Tag", Value::Literal("a".into()), HeaderAddAction::Overwrite);
    assert_eq!(&*add.name, "knative-serving-tag");
    assert!(HeaderOps::default().is_empty());
    assert!(!HeaderOps::from(HeaderLists { request_add: vec![add], ..HeaderLists::default() }).is_empty());
}
