//! Whatever the platform dies of, nothing it started is left.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use crate::support::{APP, Site, alive, eventually, kill};

/// A process with a platform of two replicas in it, each with a child in its group and one that left it.
struct Doomed {
    child: Child,
    pids: Vec<u32>,
    _dir: tempfile::TempDir,
}

fn doomed() -> Doomed {
    let dir = tempfile::TempDir::new().unwrap();
    let habits = ["ignore-term", "child", "ignore-term hang", "child", "new-session log away hang", "serve"];
    let mut command = Command::new(APP);
    command.arg("parent").arg(dir.path()).args(habits).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut pids, mut words) = (Vec::new(), 0);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        match line.unwrap().split_once(' ').map(|(what, pid)| (what.to_owned(), pid.to_owned())) {
            Some((what, pid)) if what == "started" || what == "child" => pids.push(pid.parse().unwrap()),
            Some(_) => {}
            // `ready` and `away`.
            None => words += 1,
        }
        if words == 4 && pids.len() == 6 {
            break;
        }
    }
    assert!(pids.iter().all(|&pid| alive(pid)));
    Doomed { child, pids, _dir: dir }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn killing_the_platform_leaves_no_process() {
    let mut doomed = doomed();
    doomed.child.kill().unwrap();
    doomed.child.wait().unwrap();
    for &pid in &doomed.pids {
        eventually("every process ends", || !alive(pid)).await;
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn the_guard_outlives_signals_to_the_terminals_group_and_is_replaced_when_killed() {
    let mut doomed = doomed();
    let guard = || {
        let children = format!("/proc/{0}/task/{0}/children", doomed.child.id());
        let children = std::fs::read_to_string(children).unwrap();
        let mut children = children.split_whitespace().map(|pid| pid.parse::<u32>().unwrap());
        children.find(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "frb-guard\n")
        })
    };
    eventually("the guard has its name", || guard().is_some()).await;
    let first = guard().unwrap();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        kill(first, signal);
    }
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(guard(), Some(first));
    kill(first, Signal::KILL);
    eventually("another guard comes", || guard().is_some_and(|second| second != first)).await;
    doomed.child.kill().unwrap();
    doomed.child.wait().unwrap();
    for &pid in &doomed.pids {
        eventually("every process ends", || !alive(pid)).await;
    }
}

#[tokio::test]
async fn a_shutdown_leaves_no_process_not_even_one_in_a_session_of_its_own() {
    let mut site = Site::with(|options| options.grace = std::time::Duration::from_millis(200)).await;
    site.run("hello", 1, &["child", "new-session log away hang", "serve"]);
    let child: u32 = site.line("child ").await[6..].parse().unwrap();
    site.line("away").await;
    site.ready().await;
    site.platform.clone().shutdown().await;
    if cfg!(target_os = "linux") {
        assert!(!alive(child));
    }
}
