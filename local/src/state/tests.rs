//! Saving, loading, locking.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

type Document = BTreeMap<String, u32>;

#[test]
fn what_was_saved_is_loaded_and_replaced_whole() {
    let dir = TempDir::new().unwrap();
    let state = StateDir::open(dir.path().join("a/b")).unwrap();
    assert_eq!(state.load::<Document>("world").unwrap(), None);
    for n in [1, 2] {
        let document = Document::from([("n".to_owned(), n)]);
        state.save("world", &document).unwrap();
        assert_eq!(state.load::<Document>("world").unwrap(), Some(document));
    }
    // A half-written successor, as a crash leaves it, changes nothing.
    std::fs::write(state.path().join("world.json.new"), "{\"n\":").unwrap();
    assert_eq!(state.load::<Document>("world").unwrap().unwrap()["n"], 2);
    state.remove("world").unwrap();
    state.remove("world").unwrap();
    assert_eq!(state.load::<Document>("world").unwrap(), None);
}

#[test]
fn one_owner_at_a_time() {
    let dir = TempDir::new().unwrap();
    let first = StateDir::open(dir.path()).unwrap();
    let error = StateDir::open(dir.path()).unwrap_err().to_string();
    let want = format!(
        "state directory {} is in use by another forebay (process {}); stop it, or give another with --state DIR",
        dir.path().display(),
        std::process::id()
    );
    assert_eq!(error, want);
    drop(first);
    StateDir::open(dir.path()).unwrap();
}

#[test]
fn a_broken_document_is_named_with_its_place() {
    let dir = TempDir::new().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    std::fs::write(dir.path().join("world.json"), "{\n \"n\": true}").unwrap();
    let error = state.load::<Document>("world").unwrap_err().to_string();
    assert!(error.contains("world.json is not what this version wrote: "), "{error}");
    assert!(error.contains("line 2") && error.ends_with("--fresh starts without it"), "{error}");
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = StateDir::open(file.join("below")).unwrap_err().to_string();
    assert!(error.starts_with(&format!("state: cannot create {}/below: ", file.display())), "{error}");
    // Root may write anywhere.
    if !rustix::process::geteuid().is_root() {
        let closed = dir.path().join("closed");
        std::fs::create_dir(&closed).unwrap();
        std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o555)).unwrap();
        let error = StateDir::open(&closed).unwrap_err().to_string();
        assert!(error.starts_with(&format!("state: cannot write {}/lock: ", closed.display())), "{error}");
    }
}
