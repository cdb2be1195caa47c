//! The guard's own side: reads process groups from its standard input and, at its end, kills what is left of them.
//! Knows nothing of the platform that started it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::signal::unix::{SignalKind, signal};

use super::MARKER;

/// The whole life of the guard process, for the hidden subcommand `__guard`. Returns when its standard input has ended
/// and no process of the instance is left, at the latest a few seconds later.
///
/// It leaves the terminal's session and ignores the signals that ask for an end: its end is its parent's end.
pub fn guard_main() -> ExitCode {
    // Fails only for the leader of a process group, who already has what this is for.
    let _ = rustix::process::setsid();
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_name(c"frb-guard");
    // Handlers that nobody reads are the safe way to ignore a signal; they last as long as the runtime does.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let _signals = runtime.as_ref().ok().map(|runtime| {
        let _entered = runtime.enter();
        [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()]
            .map(signal)
    });
    let charge = Charge::read(io::stdin().lock());
    charge.end();
    ExitCode::SUCCESS
}

/// What the guard answers for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Charge {
    groups: BTreeSet<i32>,
    /// `FOREBAY_INSTANCE=…`, as it stands in an environment.
    marker: Option<String>,
}

impl Charge {
    /// Reads until the writer is gone. Lines are `+GROUP`, `-GROUP` and `FOREBAY_INSTANCE=…`.
    fn read(lines: impl BufRead) -> Self {
        let mut charge = Self::default();
        for line in lines.lines().map_while(Result::ok) {
            if let Some(group) = line.strip_prefix('+') {
                charge.groups.extend(group.parse::<i32>());
            } else if let Some(group) = line.strip_prefix('-') {
                if let Ok(group) = group.parse::<i32>() {
                    charge.groups.remove(&group);
                }
            } else if line.strip_prefix(MARKER).is_some_and(|rest| rest.len() > 1) {
                charge.marker = Some(line);
            }
        }
        charge
    }

    /// Kills until a whole look finds nothing more. A process that forks while it is looked for leaves a child with the
    /// same environment, so the next look finds that.
    fn end(&self) {
        let deadline = Instant::now() + LONGEST;
        loop {
            for group in self.groups.iter().filter_map(|&group| Pid::from_raw(group)) {
                // An error says that it is gone, which is what is wanted.
                let _ = kill_process_group(group, Signal::KILL);
            }
            let Some(left) = self.marker.as_deref().and_then(marked) else { return };
            if left.is_empty() || Instant::now() > deadline {
                return;
            }
            for pid in left {
                let _ = kill_process(pid, Signal::KILL);
            }
            sleep(BETWEEN);
        }
    }
}

/// Living processes with `marker` in their environment. `None`: this platform does not tell.
fn marked(marker: &str) -> Option<Vec<Pid>> {
    let own = rustix::process::getpid();
    let found = fs::read_dir("/proc/self").and_then(|_| fs::read_dir("/proc")).ok()?;
    let pids = found.flatten().filter_map(|entry| {
        let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        // Unreadable: another user's, hence not ours. A zombie's is empty.
        let environment = fs::read(entry.path().join("environ")).ok()?;
        (pid != own && environment.split(|&b| b == 0).any(|var| var == marker.as_bytes())).then_some(pid)
    });
    Some(pids.collect())
}

/// Between two looks: killed processes need a moment to go.
const BETWEEN: Duration = Duration::from_millis(5);
/// A process that even SIGKILL does not end (stuck in the kernel) must not keep the guard for ever.
const LONGEST: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_groups_that_were_not_taken_back() {
        let charge = Charge::read(&b"FOREBAY_INSTANCE=ab12\n+10\n+11\n-10\nnoise\n+x\n"[..]);
        assert_eq!(charge, Charge { groups: [11].into(), marker: Some("FOREBAY_INSTANCE=ab12".into()) });
        // An empty marker would match every process that has the variable.
        assert_eq!(Charge::read(&b"FOREBAY_INSTANCE=\n"[..]).marker, None);
    }
}
