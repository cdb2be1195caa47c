//! Access logs: a line for each request, in one file for all workers.

use super::backend::Backend;
use super::resources::access_log;
use super::world::{to, until};

fn lines(path: &std::path::Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn a_line_says_what_happened() {
    let backend = Backend::answering("HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\nthere");
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("access.log");
    let format = "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% \
                  %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_HOST% %UPSTREAM_CLUSTER% %REQ(:AUTHORITY)%\n";
    let world =
        to(&[backend.address]).manager(|m| m.access_log = vec![access_log(&path, Some(format))]).start();
    let mut client = world.connect();
    client.send("POST /x?y HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi");
    client.response();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n");
    client.response();
    until("two lines", || lines(&path).len() == 2);
    let lines = lines(&path);
    assert_eq!(lines[0], format!("POST /x?y HTTP/1.1 201 - via_upstream 2 5 {} backend a", backend.address));
    assert!(lines[1].contains(" 400 DPE "), "{}", lines[1]);
}

#[test]
fn the_last_lines_are_written_before_the_end_and_none_twice() {
    let backend = Backend::echoing_path();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("access.log");
    let world = to(&[backend.address])
        .workers(2)
        .manager(|m| m.access_log = vec![access_log(&path, Some("%REQ(:PATH)%\n"))])
        .start();
    for i in 0..20 {
        world.connect().get(&format!("/{i}"));
    }
    drop(world);
    let mut seen = lines(&path);
    seen.sort();
    let mut sent: Vec<_> = (0..20).map(|i| format!("/{i}")).collect();
    sent.sort();
    assert_eq!(seen, sent);
}

#[test]
fn a_rotated_file_is_left_for_a_new_one() {
    let backend = Backend::echoing_path();
    let home = tempfile::tempdir().unwrap();
    let (path, old) = (home.path().join("access.log"), home.path().join("access.log.1"));
    let world = to(&[backend.address])
        .workers(2)
        .manager(|m| m.access_log = vec![access_log(&path, Some("%REQ(:PATH)%\n"))])
        .start();
    world.connect().get("/before");
    until("it is written", || lines(&path) == ["/before"]);
    std::fs::rename(&path, &old).unwrap();
    world.admin("POST", "/reopen_logs");
    until("a new file", || path.exists());
    world.connect().get("/after");
    until("it is written there", || lines(&path) == ["/after"]);
    assert_eq!(lines(&old), ["/before"]);
}
