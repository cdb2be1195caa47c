//! Programs that do not come up, or do not stay: each is told in words, at once, and tried again.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use forebay_knative::RevisionKey;
use forebay_knative::api::Container;
use forebay_local::{Event, Urgency};
use rustix::process::Signal;

use crate::support::{Site, alive, container, kill, revision};

/// The failure of a revision whose container was changed.
async fn failure(name: &str, command: &[&str], change: impl FnOnce(&mut Container)) -> (String, String) {
    let mut site = Site::new().await;
    std::fs::write(site.path("plain.txt"), "text").unwrap();
    std::fs::write(site.path("script"), "#!/no/such/interpreter -x\n").unwrap();
    std::fs::set_permissions(site.path("script"), PermissionsExt::from_mode(0o755)).unwrap();
    let key = RevisionKey::new("default", name);
    let mut revision = revision(name, command);
    container(&mut revision, change);
    site.ensure(&key, revision);
    site.platform.scale(&key, 1, Urgency::Waiting);
    let (reason, message, _) = site.failed().await;
    let dir = site.dir.path().to_str().unwrap().to_owned();
    (reason, message.replace(&dir, "DIR"))
}

#[tokio::test]
async fn a_command_that_cannot_be_run_is_named() {
    for (command, reason, text) in [
        (
            &["./missing"][..],
            "ContainerCannotRun",
            "revision default/hello (image example.com/hello:1): spec.template.spec.containers[0].command[0]: DIR/missing does not exist",
        ),
        (
            &["no-such-command-anywhere"],
            "ContainerCannotRun",
            "command no-such-command-anywhere is in no directory of PATH",
        ),
        (&["plain.txt"], "ContainerCannotRun", "for the file of that name here write ./plain.txt"),
        (&["./plain.txt"], "ContainerCannotRun", "DIR/plain.txt is not executable (chmod +x DIR/plain.txt)"),
        (&["./"], "ContainerCannotRun", "is a directory"),
        (
            &["./script"],
            "ContainerCannotRun",
            "its first line asks for /no/such/interpreter, which does not exist",
        ),
        (&[""], "CreateContainerConfigError", "its command is empty"),
        (
            &[],
            "ContainerMissing",
            "nothing says how to run image example.com/hello:1 on this machine; give --image 'example.com/hello:1=COMMAND', or `command:` in the manifest",
        ),
    ] {
        let (got, message) = failure("hello", command, |_| {}).await;
        assert_eq!(got, reason, "{message}");
        assert!(message.contains(text), "{message}");
    }
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_named() {
    let (reason, message) =
        failure("hello", &["sh"], |container| container.working_dir = Some("/no/such".into())).await;
    assert_eq!(reason, "ContainerCannotRun");
    assert!(message.contains("working directory /no/such does not exist on this machine"), "{message}");
}

#[tokio::test]
async fn a_program_that_exits_at_once_is_told_with_its_last_lines_and_backs_off() {
    let mut site = Site::new().await;
    site.run("hello", 1, &["log", "cannot find", "log-error", "the database", "exit", "3"]);
    let mut waits = Vec::new();
    for _ in 0..4 {
        let (reason, message, log) = site.failed().await;
        assert_eq!(reason, "ExitCode3");
        assert!(message.starts_with("exited with code 3 after "), "{message}");
        assert!(message.contains("before it was ready on PORT="), "{message}");
        let mut log = log;
        log.sort();
        assert_eq!(log, ["cannot find", "the database"]);
        waits.push(message.rsplit_once("; it starts again in ").unwrap().1.to_owned());
    }
    assert_eq!(waits, ["10 ms", "100 ms", "200 ms", "400 ms"]);
    let status = site.platform.statuses().await.remove(0);
    assert_eq!(status.failures, 4);
    assert_eq!(status.last_failure.unwrap().0, "ExitCode3");
}

#[tokio::test]
async fn a_broken_program_that_is_repaired_comes_up_by_itself() {
    let mut site = Site::new().await;
    let file = site.path("repaired");
    site.run("hello", 1, &["exit-unless", file.to_str().unwrap(), "serve"]);
    assert_eq!(site.failed().await.0, "ExitCode7");
    std::fs::write(file, "").unwrap();
    site.ready().await;
}

#[tokio::test]
async fn a_program_on_the_wrong_port_is_told_so_and_may_still_come_round() {
    let mut site = Site::new().await;
    site.run("hello", 1, &["child", "on 127.0.0.1:0 serve", "sleep", "2500", "serve"]);
    let (reason, message, _) = site.failed().await;
    assert_eq!(reason, "WrongPort");
    assert!(message.starts_with("listens on "), "{message}");
    assert!(message.contains("not on PORT="), "{message}");
    site.ready().await;
}

#[tokio::test]
async fn a_program_that_never_listens_meets_the_progress_deadline_of_its_revision() {
    let mut site = Site::new().await;
    site.run_with("hello", 1, &["hang"], |revision| {
        revision.metadata.annotations =
            revision.metadata.annotations.with([("serving.knative.dev/progress-deadline", "1s")]);
    });
    let pid = site.started().await;
    let (reason, message, _) = site.failed().await;
    assert_eq!(reason, "ProgressDeadlineExceeded");
    assert!(message.starts_with("was not ready after 1.0 s: nothing listens on PORT="), "{message}");
    assert!(!alive(pid));
}

#[tokio::test]
async fn a_replica_killed_by_hand_is_gone_at_once_and_replaced() {
    let mut site = Site::new().await;
    site.run("hello", 1, &["serve"]);
    let pid = site.started().await;
    let (number, address) = site.ready().await;
    kill(pid, Signal::KILL);
    assert_eq!(site.gone().await, address);
    let (reason, message, _) = site.failed().await;
    assert_eq!(reason, "ExitCode137");
    assert!(message.starts_with("was killed by SIGKILL after "), "{message}");
    let (again, other) = site.ready().await;
    assert_eq!(again, number);
    assert_ne!(other, address);
}

#[tokio::test]
async fn a_failure_names_no_restart_when_none_is_wanted() {
    let mut site = Site::new().await;
    let file = site.path("go");
    let key = site.run("hello", 1, &["serve"]);
    let pid = site.started().await;
    site.ready().await;
    site.platform.scale(&key, 0, Urgency::Routine);
    let done = site
        .wait(|event| match event {
            Event::Draining { done, .. } => Ok(done),
            other => Err(other),
        })
        .await;
    // It dies while it drains: that is an end like any other.
    kill(pid, Signal::KILL);
    site.gone().await;
    drop((done, file));
    let begun = Instant::now();
    while !site.platform.statuses().await[0].replicas.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(site.platform.statuses().await[0].failures, 0);
}
