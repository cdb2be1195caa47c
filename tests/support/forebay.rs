//! A `forebay up` of its own for each test: ports picked by the kernel, files in a directory that goes away, ended by
//! process id whatever happens.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::h1::{self, Response};
use super::process;
use super::{FOREBAY, PATIENCE, until};

/// What to start.
pub struct Setup {
    home: TempDir,
    words: Vec<String>,
    env: Vec<(String, String)>,
}

/// A forebay that answers.
pub struct Forebay {
    /// Where the gateway listens.
    pub address: SocketAddr,
    /// Where the admin pages are.
    pub admin: SocketAddr,
    child: Child,
    said: Said,
    setup: Setup,
}

/// How a forebay ended that would not start.
pub struct Refused {
    pub status: ExitStatus,
    pub said: String,
}

/// Everything on standard output and standard error so far, by line.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

impl Setup {
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("manifests")).unwrap();
        Self { home, words: Vec::new(), env: Vec::new() }
    }

    pub fn arg(mut self, word: impl Into<String>) -> Self {
        self.words.push(word.into());
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Unique to this test: what its replicas carry in their environment.
    pub fn mark(&self) -> String {
        self.home.path().file_name().unwrap().to_string_lossy().into_owned()
    }

    /// Files in here are watched.
    pub fn manifests(&self) -> PathBuf {
        self.home.path().join("manifests")
    }

    pub fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    /// As an editor saves: a new file under the old name.
    pub fn save(&self, name: &str, text: impl ToString) {
        let beside = self.home.path().join("being-written");
        fs::write(&beside, text.to_string()).unwrap();
        fs::rename(beside, self.manifests().join(name)).unwrap();
    }

    pub fn delete(&self, name: &str) {
        fs::remove_file(self.manifests().join(name)).unwrap();
    }

    /// Starts and waits until it says that it is ready.
    pub async fn start(self) -> Forebay {
        let mut child = self.spawn();
        let said = Said::listen(&mut child);
        let began = Instant::now();
        let places = loop {
            let of = |message| said.value(message, "address").and_then(|address| address.parse().ok());
            if let (Some(gateway), Some(admin), true) =
                (of("listening"), of("admin"), said.has_message("ready"))
            {
                break (gateway, admin);
            }
            if let Some(status) = child.try_wait().unwrap() {
                thread::sleep(Duration::from_millis(50));
                panic!("forebay ended at once, {status}:\n{}", said.text());
            }
            if began.elapsed() > PATIENCE {
                end(&mut child);
                panic!("forebay is not ready after {PATIENCE:?}:\n{}", said.text());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        Forebay { address: places.0, admin: places.1, child, said, setup: self }
    }

    /// Starts and waits until it gives up.
    pub async fn refused(&self) -> Refused {
        let mut child = self.spawn();
        let said = Said::listen(&mut child);
        let began = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                // Its last lines may still be in the pipe.
                tokio::time::sleep(Duration::from_millis(100)).await;
                return Refused { status, said: said.text() };
            }
            if began.elapsed() > PATIENCE {
                end(&mut child);
                panic!("forebay should have given up:\n{}", said.text());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn spawn(&self) -> Child {
        let mut command = Command::new(FOREBAY);
        command.arg("up").arg(self.manifests()).args(["--log-format", "json", "--port", "0"]);
        command.args(["--admin-port", "0"]).args(&self.words);
        if !self.words.iter().any(|word| word.starts_with("--state")) {
            command.arg("--state").arg(self.state());
        }
        // Only what the test sets.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FOREBAY_") {
                command.env_remove(name);
            }
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }
}

impl Forebay {
    /// One manifest, nothing special.
    pub async fn up(manifest: impl Fn(&str) -> String) -> Self {
        let setup = Setup::new();
        let text = manifest(&setup.mark());
        setup.save("app.yaml", text);
        setup.start().await
    }

    pub fn mark(&self) -> String {
        self.setup.mark()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn replicas(&self) -> Vec<u32> {
        process::replicas(&self.mark())
    }

    pub fn save(&self, name: &str, text: impl ToString) {
        self.setup.save(name, text);
    }

    pub fn delete(&self, name: &str) {
        self.setup.delete(name);
    }

    pub fn manifests(&self) -> PathBuf {
        self.setup.manifests()
    }

    pub async fn get(&self, host: &str, path: &str) -> Response {
        h1::get(self.address, host, path).await
    }

    /// From the admin pages.
    pub async fn page(&self, path: &str) -> Response {
        h1::get(self.admin, "localhost", path).await
    }

    /// Waits for a line that says all of these.
    pub async fn says(&self, words: &[&str]) -> String {
        let mut found = None;
        until(format!("a line with {words:?} in:\n{}", self.text()), async || {
            found = self.said.line(words);
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    pub fn text(&self) -> String {
        self.said.text()
    }

    /// Asks it to leave and waits until it has.
    pub async fn stop(self) -> (ExitStatus, Setup) {
        process::signal(self.pid(), Signal::TERM);
        self.left().await
    }

    /// Waits until it has left.
    pub async fn left(mut self) -> (ExitStatus, Setup) {
        let mut status = None;
        until("forebay to leave", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        (status.unwrap(), self.into_setup())
    }

    /// Ends it without a word.
    pub fn kill(mut self) -> Setup {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.into_setup()
    }

    fn into_setup(mut self) -> Setup {
        std::mem::replace(&mut self.setup, Setup::new())
    }
}

impl Drop for Forebay {
    fn drop(&mut self) {
        end(&mut self.child);
        if thread::panicking() {
            eprintln!("forebay said:\n{}", self.said.text());
        }
    }
}

/// Kindly, then not.
fn end(child: &mut Child) {
    process::signal(child.id(), Signal::TERM);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
}

impl Said {
    fn listen(child: &mut Child) -> Self {
        let said = Self::default();
        said.follow(child.stdout.take().unwrap());
        said.follow(child.stderr.take().unwrap());
        said
    }

    fn follow(&self, pipe: impl Read + Send + 'static) {
        let lines = Arc::clone(&self.0);
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
    }

    fn values(&self) -> Vec<Value> {
        self.0.lock().unwrap().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn value(&self, message: &str, field: &str) -> Option<String> {
        let mut values = self.values().into_iter();
        let said = values.find(|value| value["msg"] == message)?;
        said[field].as_str().map(str::to_owned)
    }

    fn has_message(&self, message: &str) -> bool {
        self.values().iter().any(|value| value["msg"] == message)
    }

    fn line(&self, words: &[&str]) -> Option<String> {
        let lines = self.0.lock().unwrap();
        lines.iter().find(|line| words.iter().all(|word| line.contains(word))).cloned()
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

/// The repository, for the examples that are part of it.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
