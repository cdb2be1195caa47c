use super::*;

fn record(name: &str, text: Option<&str>) -> Record {
    Record { name: name.to_owned(), bytes: text.map(|text| text.as_bytes().to_vec()) }
}

fn all(mut journal: Journal) -> Vec<Record> {
    journal.load().unwrap().map(Result::unwrap).collect()
}

fn file(dir: &Path) -> PathBuf {
    dir.join("objects.journal")
}

#[test]
fn what_is_written_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(dir.path()).unwrap();
    let (one, two) = (Record::name("Service", "default", "one"), Record::name("Service", "default", "two"));
    journal.write(&[record(&two, Some("2 2")), record(&one, Some("1"))]).unwrap();
    journal.write(&[record(&one, Some("1!")), record("service/default/never", None)]).unwrap();
    let both = [record("service/default/one", Some("1!")), record("service/default/two", Some("2 2"))];
    assert_eq!(all(journal), both);
    assert_eq!(all(Journal::open(dir.path()).unwrap()), both);
    let mut journal = Journal::open(dir.path()).unwrap();
    journal.write(&[record(&two, None)]).unwrap();
    assert_eq!(all(Journal::open(dir.path()).unwrap()), both[..1]);
    assert!(all(Journal::fresh(dir.path()).unwrap()).is_empty());
}

#[test]
fn what_is_outdated_goes_when_it_is_most_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(dir.path()).unwrap();
    let text = |n: u32| format!("{n:0>60000}");
    journal.write(&[record("service/default/rare", Some("once"))]).unwrap();
    for n in 0..100 {
        journal.write(&[record("service/default/busy", Some(&text(n)))]).unwrap();
        let length = std::fs::metadata(file(dir.path())).unwrap().len();
        assert!(length <= 2 * 60_100 + SLACK + 60_100, "{length} bytes after {n} changes");
    }
    let both =
        [record("service/default/busy", Some(&text(99))), record("service/default/rare", Some("once"))];
    assert_eq!(all(Journal::open(dir.path()).unwrap()), both);
}

#[test]
fn half_a_line_was_never_written() {
    let dir = tempfile::tempdir().unwrap();
    Journal::open(dir.path()).unwrap().write(&[record("a", Some("1")), record("b", Some("2"))]).unwrap();
    let bytes = std::fs::read(file(dir.path())).unwrap();
    std::fs::write(file(dir.path()), &bytes[..bytes.len() - 2]).unwrap();
    let mut journal = Journal::open(dir.path()).unwrap();
    let loaded: Vec<_> = journal.load().unwrap().map(Result::unwrap).collect();
    assert_eq!(loaded, [record("a", Some("1"))]);
    journal.write(&[record("c", Some("3"))]).unwrap();
    assert_eq!(all(journal), [record("a", Some("1")), record("c", Some("3"))]);
}

#[test]
fn names_are_one_word_each_whatever_they_are() {
    assert_eq!(
        Record::name("DomainMapping", "default", "hello.example.com"),
        "domainmapping/default/hello.example.com"
    );
    assert_eq!(Record::name("Service", "a b", "a/b\n"), "service/a%20b/a%2Fb%0A");
}

#[test]
fn what_another_wrote_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(file(dir.path()), "forebay journal 2\nsomething\n").unwrap();
    let error = Journal::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("objects.journal: is not what this version wrote; --fresh"), "{error}");
    assert_eq!(std::fs::read(file(dir.path())).unwrap(), b"forebay journal 2\nsomething\n");
    Journal::fresh(dir.path()).unwrap();
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = Journal::open(&dir.path().join("missing")).unwrap_err();
    assert!(error.to_string().starts_with(&format!("state {}/missing/", dir.path().display())), "{error}");
}
