//! Locking.

use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

#[test]
fn one_owner_at_a_time() {
    let dir = TempDir::new().unwrap();
    let first = StateLock::open(dir.path()).unwrap();
    let error = StateLock::open(dir.path()).unwrap_err().to_string();
    let want = format!(
        "state directory {} is in use by another forebay (process {}); stop it, or give another with --state DIR",
        dir.path().display(),
        std::process::id()
    );
    assert_eq!(error, want);
    drop(first);
    StateLock::open(dir.path()).unwrap();
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = StateLock::open(file.join("below")).unwrap_err().to_string();
    assert!(error.starts_with(&format!("state: cannot create {}/below: ", file.display())), "{error}");
    // Root may write anywhere.
    if !rustix::process::geteuid().is_root() {
        let closed = dir.path().join("closed");
        std::fs::create_dir(&closed).unwrap();
        std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o555)).unwrap();
        let error = StateLock::open(&closed).unwrap_err().to_string();
        assert!(error.starts_with(&format!("state: cannot write {}/lock: ", closed.display())), "{error}");
    }
}
