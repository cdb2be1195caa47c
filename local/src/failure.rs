//! Why a replica is not what it should be, in one word for machines and a sentence for people.
//! Knows nothing of what happens next.

use std::borrow::Cow;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// A reason and its message. See [`Event::Failed`](crate::Event::Failed) for the reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: Cow<'static, str>,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(reason: impl Into<Cow<'static, str>>, message: String) -> Self {
        Self { reason: reason.into(), message }
    }

    /// The revision itself makes no sense here.
    pub(crate) fn config(message: String) -> Self {
        Self::new("CreateContainerConfigError", message)
    }

    /// The program cannot be started.
    pub(crate) fn cannot_run(message: String) -> Self {
        Self::new("ContainerCannotRun", message)
    }

    /// The process ended unasked.
    pub(crate) fn exited(status: ExitStatus, message: String) -> Self {
        // Kubernetes shows a signal as 128 and its number.
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        Self::new(format!("ExitCode{code}"), message)
    }
}

/// `exited with code 3`, `was killed by SIGKILL`.
pub(crate) fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(number)) => match NAMES.iter().find(|(n, _)| *n == number) {
            Some((_, name)) => format!("was killed by {name}"),
            None => format!("was killed by signal {number}"),
        },
        (None, None) => format!("ended ({status})"),
    }
}

/// An error of the system, with what to do about it where that is known.
pub(crate) fn hinted(error: &std::io::Error) -> String {
    let hint = match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => "; `ulimit -n` sets the limit",
        Some(rustix::io::Errno::AGAIN) => "; `ulimit -u` sets the limit of processes",
        _ => "",
    };
    format!("{error}{hint}")
}

/// `12 ms`, `3.4 s`, `2m5s`.
pub(crate) fn span(time: Duration) -> String {
    match time.as_millis() {
        ms @ ..1_000 => format!("{ms} ms"),
        ms @ ..60_000 => format!("{}.{} s", ms / 1_000, ms / 100 % 10),
        _ => forebay_base::duration::show(Duration::from_secs(time.as_secs())),
    }
}

/// The signals that have the same number on every platform this runs on and that end programs.
const NAMES: [(i32, &str); 10] = [
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (6, "SIGABRT"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (11, "SIGSEGV"),
    (13, "SIGPIPE"),
    (15, "SIGTERM"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speaks_of_endings_and_times() {
        assert_eq!(ending(ExitStatus::from_raw(3 << 8)), "exited with code 3");
        assert_eq!(ending(ExitStatus::from_raw(9)), "was killed by SIGKILL");
        assert_eq!(ending(ExitStatus::from_raw(40)), "was killed by signal 40");
        assert_eq!(Failure::exited(ExitStatus::from_raw(9), String::new()).reason, "ExitCode137");
        assert_eq!(Failure::exited(ExitStatus::from_raw(3 << 8), String::new()).reason, "ExitCode3");
        assert_eq!(span(Duration::from_millis(12)), "12 ms");
        assert_eq!(span(Duration::from_millis(3_456)), "3.4 s");
        assert_eq!(span(Duration::from_millis(125_900)), "2m5s");
    }
}
