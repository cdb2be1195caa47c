use std::fs;
use std::time::Duration;

use super::*;

/// Longer than any doubt, short enough for a test that fails.
const LONG: Duration = Duration::from_secs(5);

const HELLO: &str = "apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello}
spec: {template: {spec: {containers: [{image: example.com/hello}]}}}
";

struct Watched {
    _directory: Directory,
    events: UnboundedReceiver<Event>,
}

impl Watched {
    /// Begins to watch and returns what the first scan told.
    async fn open(paths: &[PathBuf]) -> (Self, Vec<String>) {
        let (directory, events) = Directory::open(paths).unwrap();
        let mut watched = Watched { _directory: directory, events };
        let mut first = Vec::new();
        loop {
            match watched.next().await.as_str() {
                "settled" => return (watched, first),
                other => first.push(other.to_owned()),
            }
        }
    }

    async fn next(&mut self) -> String {
        let event = tokio::time::timeout(LONG, self.events.recv()).await.expect("an event").expect("a watch");
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        match event {
            Event::Broken { path, problems } => {
                format!("{} broken at line {}", name(&path), problems[0].line)
            }
            Event::File { path, documents, .. } => {
                let objects: Vec<_> = documents.iter().map(|d| d.object.key().name.to_string()).collect();
                format!("{} says {}", name(&path), objects.join(", "))
            }
            Event::Gone { path } => format!("{} gone", name(&path)),
            Event::Settled => "settled".to_owned(),
        }
    }

    /// Nothing more happens for longer than any doubt lasts.
    async fn quiet(&mut self) {
        let more = tokio::time::timeout(Duration::from_millis(300), self.events.recv()).await;
        assert!(more.is_err(), "{more:?}");
    }
}

fn two() -> String {
    format!("{HELLO}---\n{}", HELLO.replace("name: hello", "name: more"))
}

#[tokio::test]
async fn the_first_scan_tells_all_in_order_and_says_when_it_is_done() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["b.yaml", "a.yml", "c.json", ".hidden.yaml", "a.yaml~", "notes.txt"] {
        fs::write(dir.path().join(name), if name == "c.json" { "[" } else { HELLO }).unwrap();
    }
    fs::create_dir(dir.path().join("deeper")).unwrap();
    fs::write(dir.path().join("deeper").join("d.yaml"), HELLO).unwrap();
    let (_, first) = Watched::open(&[dir.path().to_owned()]).await;
    assert_eq!(first, ["a.yml says hello", "b.yaml says hello", "c.json broken at line 1"]);
}

#[tokio::test]
async fn a_path_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.yaml");
    let Err(error) = Directory::open(std::slice::from_ref(&missing)) else { panic!("it is not there") };
    assert!(error.to_string().starts_with(&missing.display().to_string()), "{error}");
}

#[tokio::test]
async fn a_save_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("app.yaml");
    fs::write(&file, HELLO).unwrap();
    let (mut watched, _) = Watched::open(std::slice::from_ref(&file)).await;
    fs::write(&file, two()).unwrap();
    assert_eq!(watched.next().await, "app.yaml says hello, more");
    watched.quiet().await;
}

#[tokio::test]
async fn a_save_by_renaming_over() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("app.yaml");
    fs::write(&file, HELLO).unwrap();
    let (mut watched, _) = Watched::open(std::slice::from_ref(&file)).await;
    for text in [two(), HELLO.to_owned()] {
        let beside = dir.path().join("app.yaml.tmp");
        fs::write(&beside, &text).unwrap();
        fs::rename(&beside, &file).unwrap();
        let expected = if text == HELLO { "app.yaml says hello" } else { "app.yaml says hello, more" };
        assert_eq!(watched.next().await, expected, "the watch outlives the file it began with");
    }
    watched.quiet().await;
}

#[tokio::test]
async fn a_save_by_deleting_and_creating_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("app.yaml");
    fs::write(&file, HELLO).unwrap();
    let (mut watched, _) = Watched::open(&[dir.path().to_owned()]).await;
    fs::remove_file(&file).unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    fs::write(&file, two()).unwrap();
    assert_eq!(watched.next().await, "app.yaml says hello, more");
    watched.quiet().await;
}

#[tokio::test]
async fn a_save_that_empties_the_file_first() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("app.yaml");
    fs::write(&file, HELLO).unwrap();
    let (mut watched, _) = Watched::open(&[dir.path().to_owned()]).await;
    fs::write(&file, "").unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    fs::write(&file, two()).unwrap();
    assert_eq!(watched.next().await, "app.yaml says hello, more");
    watched.quiet().await;
}

#[tokio::test]
async fn a_save_twice_in_a_row_is_seen_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("app.yaml");
    fs::write(&file, HELLO).unwrap();
    let (mut watched, _) = Watched::open(&[dir.path().to_owned()]).await;
    fs::write(&file, two()).unwrap();
    fs::write(&file, two()).unwrap();
    assert_eq!(watched.next().await, "app.yaml says hello, more");
    watched.quiet().await;
}

#[tokio::test]
async fn a_save_without_a_change_is_not_seen() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("app.yaml");
    fs::write(&file, HELLO).unwrap();
    let (mut watched, _) = Watched::open(&[dir.path().to_owned()]).await;
    fs::write(&file, HELLO).unwrap();
    watched.quiet().await;
}

#[tokio::test]
async fn files_come_break_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let (mut watched, first) = Watched::open(&[dir.path().to_owned()]).await;
    assert!(first.is_empty(), "{first:?}");
    let file = dir.path().join("new.yaml");
    fs::write(&file, HELLO).unwrap();
    assert_eq!(watched.next().await, "new.yaml says hello");
    fs::write(&file, format!("{HELLO}  broken: [\n")).unwrap();
    assert!(watched.next().await.starts_with("new.yaml broken at line "));
    fs::write(&file, HELLO).unwrap();
    assert_eq!(watched.next().await, "new.yaml says hello");
    fs::write(&file, "").unwrap();
    assert_eq!(watched.next().await, "new.yaml says ", "empty for good");
    fs::remove_file(&file).unwrap();
    assert_eq!(watched.next().await, "new.yaml gone");
    watched.quiet().await;
}

#[tokio::test]
async fn a_mounted_config_map_that_turns_its_link() {
    let dir = tempfile::tempdir().unwrap();
    let link = |to: &str| {
        let beside = dir.path().join("..data_tmp");
        std::os::unix::fs::symlink(to, &beside).unwrap();
        fs::rename(&beside, dir.path().join("..data")).unwrap();
    };
    for (name, text) in [("..1", HELLO.to_owned()), ("..2", two())] {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("app.yaml"), text).unwrap();
    }
    link("..1");
    std::os::unix::fs::symlink("..data/app.yaml", dir.path().join("app.yaml")).unwrap();
    let (mut watched, first) = Watched::open(&[dir.path().to_owned()]).await;
    assert_eq!(first, ["app.yaml says hello"]);
    link("..2");
    assert_eq!(watched.next().await, "app.yaml says hello, more");
}

#[tokio::test]
async fn dropping_it_ends_the_watch() {
    let dir = tempfile::tempdir().unwrap();
    let (watched, _) = Watched::open(&[dir.path().to_owned()]).await;
    let Watched { _directory: directory, mut events } = watched;
    drop(directory);
    let end = tokio::time::timeout(LONG, events.recv()).await;
    assert!(matches!(end, Ok(None)), "{end:?}");
}
