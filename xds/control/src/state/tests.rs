use super::*;

fn record(name: &str, text: Option<&str>) -> Record {
    Record { name: name.to_owned(), bytes: text.map(|text| text.as_bytes().to_vec()) }
}

#[test]
fn what_is_written_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep").join("state");
    let state = StateDir::open(&path).unwrap();
    let (one, two) = (Record::name("Service", "default", "one"), Record::name("Service", "default", "two"));
    state.write(&[record(&one, Some("1")), record(&two, Some("2"))]).unwrap();
    state
        .write(&[record(&one, Some("1!")), record(&two, None), record("service/default/never.json", None)])
        .unwrap();
    let state = StateDir::open(&path).unwrap();
    assert_eq!(state.load().unwrap(), [record("service/default/one.json", Some("1!"))]);
    state.clear().unwrap();
    assert!(state.load().unwrap().is_empty());
}

#[test]
fn names_are_safe_whatever_they_are() {
    assert_eq!(
        Record::name("DomainMapping", "default", "hello.example.com"),
        "domainmapping/default/hello.example.com.json"
    );
    assert_eq!(Record::name("Service", "..", "a/b"), "service/%2E./a%2Fb.json");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = StateDir::open(&file.join("state")).unwrap_err();
    assert!(error.to_string().starts_with(&format!("state directory {}", file.display())), "{error}");
}
