//! A child process that leads a group of its own: start it, signal all of it, see that nothing of it is left.
//! Knows nothing of revisions or probes.

use std::ffi::OsString;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::{Instant, sleep};

use crate::guard::{Guard, MARKER};
use crate::launch::Launch;
use crate::sockets;

/// Starts processes of one instance.
#[derive(Debug)]
pub(crate) struct Spawner {
    guard: Guard,
    marker: String,
    /// Inherited variables that are not passed on: this program's own settings.
    hidden: Vec<OsString>,
}

/// A running group. Dropped while it runs, it is killed.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    group: Pid,
    guard: Guard,
    /// Nothing of the group is left: its number may be another's now.
    over: bool,
}

/// What a process writes; taken once.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: ChildStderr,
}

impl Spawner {
    pub(crate) fn new(guard: Guard, marker: String) -> Self {
        let own = |name: &OsString| name.as_encoded_bytes().starts_with(b"FOREBAY_");
        Self { guard, marker, hidden: std::env::vars_os().map(|(name, _)| name).filter(own).collect() }
    }

    /// Starts `launch`, its output piped.
    pub(crate) fn start(&self, launch: &Launch) -> io::Result<(Process, Output)> {
        let mut process = self.run(launch, Stdio::piped)?;
        match (process.child.stdout.take(), process.child.stderr.take()) {
            (Some(stdout), Some(stderr)) => Ok((process, Output { stdout, stderr })),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Starts `launch`, its output thrown away.
    pub(crate) fn start_silent(&self, launch: &Launch) -> io::Result<Process> {
        self.run(launch, Stdio::null)
    }

    fn run(&self, launch: &Launch, output: fn() -> Stdio) -> io::Result<Process> {
        let mut command = Command::new(&launch.program);
        command.arg0(&launch.name).args(&launch.args).current_dir(&launch.dir);
        for name in &self.hidden {
            command.env_remove(name);
        }
        command.envs(&launch.env).env(MARKER, &self.marker);
        command.stdin(Stdio::null()).stdout(output()).stderr(output());
        // A group of its own: signals reach all of it, and the terminal's Ctrl-C does not.
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        // A child that was just started and not waited for has an id.
        let group = child.id().and_then(|id| Pid::from_raw(id as i32)).ok_or(io::ErrorKind::NotFound)?;
        self.guard.group(group.as_raw_nonzero().get());
        Ok(Process { child, group, guard: self.guard.clone(), over: false })
    }
}

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.group.as_raw_nonzero().get().unsigned_abs()
    }

    pub(crate) fn group(&self) -> i32 {
        self.group.as_raw_nonzero().get()
    }

    /// Waits for the leader's end. Cancel-safe; answers the same again once it has ended.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// SIGTERM to the whole group, SIGKILL to what is left of it after `grace`. The leader's end does not cut the
    /// grace of others short: a shell that is a mere wrapper ends at once, its server should not.
    pub(crate) async fn stop(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        let _ = kill_process_group(self.group, Signal::TERM);
        let orderly = async {
            let status = self.child.wait().await;
            let mut pace = FIRST_LOOK;
            while self.remains() {
                sleep(pace).await;
                pace = (pace * 2).min(LAST_LOOK);
            }
            status
        };
        tokio::select! {
            status = orderly => { status?; }
            () = sleep(grace) => {}
        }
        self.kill().await
    }

    /// SIGKILL to the whole group, and waits for the leader.
    pub(crate) async fn kill(&mut self) -> io::Result<ExitStatus> {
        let _ = kill_process_group(self.group, Signal::KILL);
        let status = self.child.wait().await;
        // The kernel takes a moment for the others; their ports should be free when we say so. Bounded, for a process
        // may be stuck in the kernel, or be a zombie nobody collects on a platform that does not tell.
        let until = Instant::now() + KILLED;
        let mut pace = FIRST_LOOK;
        while self.remains() && Instant::now() < until {
            sleep(pace).await;
            pace = (pace * 2).min(LAST_LOOK);
        }
        self.over = true;
        status
    }

    /// Whether a living process of the group is left.
    fn remains(&self) -> bool {
        match test_kill_process_group(self.group) {
            Err(Errno::SRCH) => false,
            // macOS: only zombies are left, or others' processes.
            Err(_) => false,
            Ok(()) => sockets::members(self.group()).is_none_or(|members| !members.is_empty()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.over {
            let _ = kill_process_group(self.group, Signal::KILL);
        }
        self.guard.forget(self.group());
    }
}

/// Between looks at a dying group: each may read the whole table of processes.
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LAST_LOOK: Duration = Duration::from_millis(50);
/// How long after SIGKILL it is waited for.
const KILLED: Duration = Duration::from_millis(200);
