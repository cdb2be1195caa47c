use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Command;
use std::thread;

use forebay_format::{Format, Record};

use super::*;

struct Long;

impl Record for Long {
    fn started(&self) -> u64 {
        0
    }

    fn request_header(&self, _: &str) -> Option<&[u8]> {
        Some(&[b'x'; 99])
    }
}

const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn one_path_is_one_file_for_as_long_as_somebody_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let files = Files::default();
    let (first, second) = (files.open(&path).unwrap(), files.clone().open(&path).unwrap());
    assert_eq!(first.downgrade().as_ptr(), second.downgrade().as_ptr());
    let weak = first.downgrade();
    drop(first);
    assert!(LogFile::upgrade(&weak).is_some());
    drop(second);
    assert!(LogFile::upgrade(&weak).is_none());
    assert!(files.flush(PATIENCE));
    assert_eq!(
        files.open(dir.path()).err().unwrap().to_string().split(':').next(),
        Some(&*format!("cannot open access log {}", dir.path().display()))
    );
}

#[test]
fn a_reconfigured_listener_goes_on_in_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let files = Files::default();
    let mut before = files.open(&path).unwrap().writer(Arc::new(Format::parse("old\n").unwrap()));
    let mut after = files.open(&path).unwrap().writer(Arc::new(Format::parse("new\n").unwrap()));
    before.log(&Long);
    after.log(&Long);
    drop(before);
    after.flush();
    fs::rename(&path, dir.path().join("rotated")).unwrap();
    files.reopen();
    after.log(&Long);
    after.flush();
    assert!(files.flush(PATIENCE));
    assert_eq!(fs::read_to_string(dir.path().join("rotated")).unwrap(), "old\nnew\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
    assert_eq!(files.lost(), 0);
}

/// Writes above 4 KiB to a pipe are not atomic: two threads that write would tear lines.
#[test]
fn workers_do_not_tear_each_others_lines_on_a_pipe() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let reader = thread::spawn({
        let fifo = fifo.clone();
        move || {
            let lines = BufReader::new(fs::File::open(fifo).unwrap()).lines().map_while(Result::ok);
            lines.inspect(|line| assert_eq!(line.len(), 99)).count() as u64
        }
    });
    let files = Files::default();
    let kept = files.open(&fifo).unwrap();
    let format = Arc::new(Format::parse("%REQ(X)%\n").unwrap());
    thread::scope(|scope| {
        for _ in 0..3 {
            let mut writer = files.open(&fifo).unwrap().writer(format.clone());
            scope.spawn(move || {
                for _ in 0..3000 {
                    writer.log(&Long);
                }
            });
        }
    });
    assert!(files.flush(PATIENCE));
    let lost = kept.lost();
    drop(kept);
    assert_eq!(reader.join().unwrap() + lost, 9000);
}
