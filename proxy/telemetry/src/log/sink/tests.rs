use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::*;

/// A request that is known by its status only.
struct Numbered(u16);

impl Record for Numbered {
    fn started(&self) -> u64 {
        0
    }

    fn status(&self) -> u16 {
        self.0
    }
}

fn write(writer: &mut LogWriter, numbers: std::ops::Range<u16>) {
    for n in numbers {
        writer.log(&Numbered(n));
    }
}

const PATIENCE: Duration = Duration::from_secs(5);

fn lines() -> Arc<Format> {
    Arc::new(Format::parse("line %RESPONSE_CODE%\n").unwrap())
}

#[test]
fn lines_of_all_workers_reach_the_file_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let file = LogFile::open(&path).unwrap();
    thread::scope(|scope| {
        for _ in 0..3 {
            let mut writer = file.writer(lines());
            scope.spawn(move || write(&mut writer, 0..5000));
        }
    });
    assert!(file.flush(PATIENCE));
    let written = fs::read_to_string(&path).unwrap();
    assert_eq!(written.lines().count() as u64 + file.lost(), 15_000);
    assert!(written.lines().all(|line| line.strip_prefix("line ").is_some_and(|n| n.parse::<u16>().is_ok())));
}

#[test]
fn a_line_waits_in_the_buffer_until_flushed_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let file = LogFile::open(&path).unwrap();
    let mut writer = file.writer(lines());
    assert_eq!(writer.log(&Numbered(1)), Pending::First);
    assert_eq!(writer.log(&Numbered(2)), Pending::More);
    assert!(file.flush(PATIENCE));
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
    writer.flush();
    assert!(file.flush(PATIENCE));
    assert_eq!(fs::read_to_string(&path).unwrap(), "line 1\nline 2\n");
    // A full buffer goes by itself, and a dropped writer leaves nothing behind.
    let full = (0..).find(|_| writer.log(&Numbered(3)) == Pending::None).unwrap();
    assert_eq!(full, FULL / "line 3\n".len());
    writer.log(&Numbered(4));
    drop(writer);
    assert!(file.flush(PATIENCE));
    assert!(fs::read_to_string(&path).unwrap().ends_with("line 3\nline 4\n"));
}

#[test]
fn the_last_lines_of_many_writers_at_once_are_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let file = LogFile::open(&path).unwrap();
    let mut writers: Vec<LogWriter> = (0..QUEUE as u16).map(|_| file.writer(lines())).collect();
    for writer in &mut writers {
        writer.log(&Numbered(1));
    }
    writers.iter_mut().for_each(LogWriter::flush);
    assert!(file.flush(PATIENCE));
    assert_eq!((file.lost(), fs::read_to_string(&path).unwrap().lines().count()), (0, QUEUE));
}

#[test]
fn appends_and_reopens_for_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    fs::write(&path, "before\n").unwrap();
    let file = LogFile::open(&path).unwrap();
    let mut writer = file.writer(lines());
    let mut log = |n| {
        writer.log(&Numbered(n));
        writer.flush();
        assert!(file.flush(PATIENCE));
    };
    log(1);
    fs::rename(&path, dir.path().join("old")).unwrap();
    log(2);
    file.reopen();
    log(3);
    assert_eq!(fs::read_to_string(dir.path().join("old")).unwrap(), "before\nline 1\nline 2\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "line 3\n");
    // A folder that is gone: the old file goes on.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    file.reopen();
    log(4);
    assert_eq!(file.lost(), 0);
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let error = LogFile::open("/nonexistent/access.log").err().unwrap();
    assert_eq!(
        error.to_string(),
        "cannot open access log /nonexistent/access.log: No such file or directory (os error 2)"
    );
}

#[test]
fn a_file_that_does_not_take_lines_costs_lines_and_no_time() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // Somebody holds the other end and does not read.
    let reader = thread::spawn({
        let fifo = fifo.clone();
        move || File::open(fifo).unwrap()
    });
    let file = LogFile::open(&fifo).unwrap();
    let reader = reader.join().unwrap();
    let mut writer = file.writer(lines());
    let each = 20_000u16;
    let mut written = 0u64;
    while file.lost() == 0 {
        write(&mut writer, 0..each);
        written += u64::from(each);
        assert!(written < 10_000_000, "the queue has no bound");
    }
    assert!(!file.flush(Duration::from_millis(20)), "it is stuck");
    // As soon as it is read, what was kept comes out whole.
    let read = thread::spawn(move || BufReader::new(reader).lines().map_while(Result::ok).count() as u64);
    drop(writer);
    assert!(file.flush(PATIENCE));
    let lost = file.lost();
    drop(file);
    assert_eq!(read.join().unwrap() + lost, written);
}

#[test]
fn a_full_disk_is_counted() {
    let Ok(file) = LogFile::open("/dev/full") else {
        // Not everywhere.
        return;
    };
    let mut writer = file.writer(lines());
    write(&mut writer, 0..10);
    writer.flush();
    assert!(file.flush(PATIENCE));
    assert_eq!(file.lost(), 10);
}

#[test]
fn dev_stdout_is_the_processs_own_output() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "--test-threads=1", "log::sink::tests::log_to_stdout"])
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("line 7\n"), "{text}");
}

#[test]
#[ignore = "run by dev_stdout_is_the_processs_own_output"]
fn log_to_stdout() {
    let file = LogFile::open("/dev/stdout").unwrap();
    file.writer(lines()).log(&Numbered(7));
    assert!(file.flush(PATIENCE));
}
