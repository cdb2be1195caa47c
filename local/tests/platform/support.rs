//! A platform in a temporary directory, and ways to wait for what it tells.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use forebay_knative::RevisionKey;
use forebay_knative::api::{Container, ContainerPort, EnvVar, Probe, Protocol, Revision};
use forebay_local::{Event, Options, Platform, Urgency, Workload};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The test app's binary.
pub(crate) const APP: &str = env!("CARGO_BIN_EXE_forebay-local-testapp");
/// Nothing here takes this long unless it is broken.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) struct Site {
    pub(crate) dir: TempDir,
    pub(crate) platform: Platform,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    /// Log lines passed over while waiting for something else.
    pub(crate) lines: Vec<String>,
    /// Other events passed over, for those who wait for them later.
    passed: VecDeque<Event>,
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = TempDir::new().unwrap();
        let mut options = options(dir.path());
        change(&mut options);
        let (platform, events) = Platform::start(options).await.unwrap();
        Self { dir, platform, events, lines: Vec::new(), passed: VecDeque::new() }
    }

    /// Runs `replicas` of an app with these habits.
    pub(crate) fn run(&self, name: &str, replicas: u32, habits: &[&str]) -> RevisionKey {
        self.run_with(name, replicas, habits, |_| {})
    }

    pub(crate) fn run_with(
        &self,
        name: &str,
        replicas: u32,
        habits: &[&str],
        change: impl FnOnce(&mut Revision),
    ) -> RevisionKey {
        let key = RevisionKey::new("default", name);
        let mut revision = revision(name, &[&[APP, "app"], habits].concat());
        change(&mut revision);
        self.ensure(&key, revision);
        self.platform.scale(&key, replicas, Urgency::Routine);
        key
    }

    pub(crate) fn ensure(&self, key: &RevisionKey, revision: Revision) {
        let base_dir = self.dir.path().into();
        self.platform.ensure(Workload { key: key.clone(), revision: Arc::new(revision), base_dir });
    }

    /// The first event that `pick` wants; those before it are kept.
    pub(crate) async fn wait<T>(&mut self, mut pick: impl FnMut(Event) -> Result<T, Event>) -> T {
        let mut later = std::mem::take(&mut self.passed);
        while let Some(event) = later.pop_front() {
            match pick(event) {
                Ok(found) => {
                    self.passed.append(&mut later);
                    return found;
                }
                Err(other) => self.passed.push_back(other),
            }
        }
        let search = async {
            loop {
                match pick(self.events.recv().await.expect("the platform lives")) {
                    Ok(found) => return found,
                    Err(Event::Log { line, .. }) => self.lines.push(line),
                    // Dropped: who does not wait for it agrees to it.
                    Err(Event::Draining { .. }) => {}
                    Err(other) => self.passed.push_back(other),
                }
            }
        };
        match timeout(LONG, search).await {
            Ok(found) => found,
            Err(_) => {
                let last = &self.lines[self.lines.len().saturating_sub(20)..];
                panic!("waited in vain; seen: {:#?}, lines: {last:#?}", self.passed)
            }
        }
    }

    pub(crate) async fn ready(&mut self) -> (u32, std::net::SocketAddr) {
        self.wait(|event| match event {
            Event::Ready { replica, address, .. } => Ok((replica, address)),
            other => Err(other),
        })
        .await
    }

    pub(crate) async fn started(&mut self) -> u32 {
        self.wait(|event| match event {
            Event::Started { pid, .. } => Ok(pid),
            other => Err(other),
        })
        .await
    }

    pub(crate) async fn gone(&mut self) -> std::net::SocketAddr {
        self.wait(|event| match event {
            Event::Gone { address, .. } => Ok(address),
            other => Err(other),
        })
        .await
    }

    pub(crate) async fn failed(&mut self) -> (String, String, Vec<String>) {
        self.wait(|event| match event {
            Event::Failed { reason, message, last_log, .. } => Ok((reason, message, last_log)),
            other => Err(other),
        })
        .await
    }

    pub(crate) async fn line(&mut self, start: &str) -> String {
        if let Some(line) = self.lines.iter().find(|line| line.starts_with(start)) {
            return line.clone();
        }
        self.wait(|event| match event {
            Event::Log { line, .. } if line.starts_with(start) => Ok(line),
            other => Err(other),
        })
        .await
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

pub(crate) fn options(dir: &Path) -> Options {
    let mut options = Options::new(dir);
    options.guard = Some(vec![APP.into(), "__guard".into()]);
    options.grace = Duration::from_secs(5);
    options
}

pub(crate) fn revision(name: &str, command: &[&str]) -> Revision {
    let container = Container {
        image: format!("example.com/{name}:1").into(),
        command: command.iter().map(|&w| w.into()).collect(),
        ports: [ContainerPort { protocol: Protocol::Http1, container_port: 8080 }].into(),
        ..Container::default()
    };
    let key = RevisionKey::new("default", name);
    let revision = Revision::lone(&key, "my-configuration", container);
    Revision { service: Some("my-service".into()), ..revision }
}

/// Changes the one container.
pub(crate) fn container(revision: &mut Revision, change: impl FnOnce(&mut Container)) {
    change(&mut Arc::make_mut(&mut revision.spec).containers[0]);
}

pub(crate) fn var(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.into(), value: value.into() }
}

pub(crate) fn probe(handler: forebay_knative::api::Handler) -> Probe {
    Probe {
        handler,
        initial_delay_seconds: 0,
        period_seconds: 0,
        timeout_seconds: 1,
        success_threshold: 1,
        failure_threshold: 1,
    }
}

/// Whether a process runs; a zombie does not.
pub(crate) fn alive(pid: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X'])),
        Err(_) if Path::new("/proc/self").exists() => false,
        Err(_) => {
            let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
            rustix::process::test_kill_process(pid).is_ok()
        }
    }
}

pub(crate) async fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + LONG;
    while !is() {
        assert!(tokio::time::Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn kill(pid: u32, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
}
