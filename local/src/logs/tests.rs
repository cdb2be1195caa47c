//! Lines and files.

use tempfile::TempDir;

use super::file::LogFile;
use super::line::{LONGEST, Lines};
use super::*;

#[test]
fn bytes_become_lines_however_they_are_cut() {
    let text = b"one\ntwo\r\n\nfour";
    for cut in 0..text.len() {
        let mut lines = Lines::default();
        let mut got = lines.feed(&text[..cut]);
        got.extend(lines.feed(&text[cut..]));
        assert_eq!(got, ["one", "two", ""], "cut at {cut}");
        assert_eq!(lines.rest(), ["four"]);
        assert!(lines.rest().is_empty());
    }
}

#[test]
fn a_line_without_end_comes_in_pieces() {
    let mut lines = Lines::default();
    let mut got = Vec::new();
    for _ in 0..10 {
        got.extend(lines.feed(&vec![b'x'; 10_000]));
    }
    got.extend(lines.rest());
    assert!(got.iter().all(|line| line.len() <= LONGEST));
    assert_eq!(got.iter().map(String::len).sum::<usize>(), 100_000);
    // Exactly as long as a piece may be: one line, not a line and an empty one.
    assert_eq!(Lines::default().feed(&[vec![b'y'; LONGEST], vec![b'\n']].concat()).len(), 1);
}

#[test]
fn nothing_that_moves_the_cursor_is_shown() {
    let shown = |bytes: &[u8]| Lines::default().feed(&[bytes, b"\n"].concat()).remove(0);
    assert_eq!(shown(b"tab\tand \x1b[1;31mred\x1b[0m"), "tab\tand \x1b[1;31mred\x1b[0m");
    assert_eq!(
        shown(b"\x1b[2Jclear \x1b]0;title\x07 \x1b"),
        "\u{fffd}[2Jclear \u{fffd}]0;title\u{fffd} \u{fffd}"
    );
    assert_eq!(shown(b"\x00\x01bin\xff\xfe"), "\u{fffd}\u{fffd}bin\u{fffd}\u{fffd}");
    assert_eq!(shown("é\u{9b}5A".as_bytes()), "é\u{fffd}5A");
    assert_eq!(shown(b"progress 10%\rprogress 20%"), "progress 10%\u{fffd}progress 20%");
}

#[test]
fn a_file_is_put_aside_at_its_limit_and_continued_by_the_next_process() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("logs/ns/app-0.log");
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    let mut file = LogFile::new(path.clone(), 20, "first");
    assert!(!path.exists(), "a silent program leaves no file");
    for _ in 0..3 {
        assert!(file.write(b"0123456789\n").is_none());
    }
    assert_eq!(read(&path.with_added_extension("1")), "first\n0123456789\n0123456789\n");
    assert_eq!(read(&path), "0123456789\n");
    assert!(LogFile::new(path.clone(), 20, "second").write(b"x\n").is_none());
    assert_eq!(read(&path), "0123456789\nsecond\nx\n");
}

#[test]
fn a_file_that_cannot_be_written_is_told_once() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("logs"), "a file where a directory should be").unwrap();
    let mut file = LogFile::new(dir.path().join("logs/ns/app-0.log"), 20, "title");
    assert!(file.write(b"x").is_some());
    assert!(file.write(b"x").is_none());
}

#[test]
fn names_cannot_lead_out_of_the_directory() {
    let key = RevisionKey::new("..", "../../etc/x");
    assert_eq!(path("/s".as_ref(), &key, 3, ""), PathBuf::from("/s/logs/__/______etc_x-3.log"));
}

#[test]
fn old_logs_are_pruned() {
    let dir = TempDir::new().unwrap();
    let namespace = dir.path().join("default");
    std::fs::create_dir(&namespace).unwrap();
    let age = |name: &str, days: u64| {
        let file = std::fs::File::create(namespace.join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(days * 24 * 3600)).unwrap();
    };
    age("old-0.log", 8);
    age("new-0.log", 6);
    prune(dir.path()).unwrap();
    assert!(!namespace.join("old-0.log").exists() && namespace.join("new-0.log").exists());
}

#[test]
fn a_tail_keeps_the_last_lines() {
    let tail = Tail::default();
    for n in 0..50 {
        tail.push(&format!("{n} {}", "é".repeat(1_000)));
    }
    let lines = tail.lines();
    assert_eq!(lines.len(), TAIL_LINES);
    assert!(lines[0].starts_with("40 ") && lines[9].starts_with("49 "));
    assert!(lines.iter().all(|line| line.chars().count() == TAIL_CHARS));
}
