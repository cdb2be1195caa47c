//! Processes by id: signals, memory, who carries a mark in its environment. Linux' /proc only.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// A name in the environment of every replica that a test starts.
pub const MARK: &str = "FOREBAY_TEST_MARK";

pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid as i32).expect("a process id is positive");
    // It may have ended by itself.
    let _ = kill_process(pid, signal);
}

pub fn is_alive(pid: u32) -> bool {
    // A zombie is dead: only its parent has not looked yet.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit_once(')').map(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X'])))
        .unwrap_or(false)
}

/// Every living process that carries the mark, forebay's own companions included.
pub fn marked(mark: &str) -> Vec<u32> {
    let wanted = format!("{MARK}={mark}").into_bytes();
    let numbers =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers
        .filter(|pid: &u32| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ.split(|byte| *byte == 0).any(|pair| pair == wanted) && is_alive(*pid)
        })
        .collect()
}

/// The replicas among the marked: what runs the app, not what watches over it.
pub fn replicas(mark: &str) -> Vec<u32> {
    let mut pids = marked(mark);
    pids.retain(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        !line.split(|byte| *byte == 0).any(|word| word == b"__guard")
    });
    pids
}

/// Resident memory in KiB.
pub fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a living process has VmRSS");
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
