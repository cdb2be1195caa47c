//! A gateway of its own for each test, started as `envoy` with a bootstrap file. It is ended by process id.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::h1::{Response, exchange};
use crate::support::{FOREBAY, PATIENCE, process, soon, until};

pub struct Gateway {
    pub admin: SocketAddr,
    child: Child,
    home: TempDir,
}

/// How a program ended by itself.
pub struct Ended {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

/// A bootstrap whose stream goes to this control plane.
pub fn bootstrap(plane: SocketAddr) -> String {
    format!(
        r#"
node: {{id: test, cluster: test}}
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}}}
dynamic_resources:
  ads_config:
    transport_api_version: V3
    api_type: GRPC
    grpc_services: [{{envoy_grpc: {{cluster_name: plane}}}}]
  cds_config: {{resource_api_version: V3, ads: {{}}}}
  lds_config: {{resource_api_version: V3, ads: {{}}}}
static_resources:
  clusters:
  - name: plane
    connect_timeout: 1s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{http2_protocol_options: {{}}}}
    load_assignment:
      cluster_name: plane
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {}}}}}}}}}]}}]
"#,
        plane.port()
    )
}

/// A directory with the program under Envoy's name.
fn home() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let program = home.path().join("envoy");
    symlink(FOREBAY, &program).unwrap();
    (home, program)
}

/// Runs the program to its end. `FILE` in a word is the bootstrap's path.
pub async fn run(bootstrap: Option<&[u8]>, words: &[&str]) -> Ended {
    let (home, program) = home();
    let file = home.path().join("bootstrap.yaml");
    if let Some(text) = bootstrap {
        fs::write(&file, text).unwrap();
    }
    let words = words.iter().map(|word| word.replace("FILE", &file.display().to_string()));
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let pid = child.id();
    let ended = soon("its end", tokio::task::spawn_blocking(move || child.wait_with_output())).await;
    process::signal(pid, Signal::KILL);
    let output = ended.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { status: output.status, out: text(output.stdout), err: text(output.stderr) }
}

impl Gateway {
    /// Starts and waits until the admin interface answers.
    pub async fn start(bootstrap: &str, words: &[&str]) -> Self {
        let (home, program) = home();
        let path = |name: &str| home.path().join(name);
        fs::write(path("bootstrap.yaml"), bootstrap).unwrap();
        let mut command = Command::new(program);
        command.arg("-c").arg(path("bootstrap.yaml")).arg("--admin-address-path").arg(path("admin"));
        command.arg("--log-path").arg(path("log")).args(["--concurrency", "2"]).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let began = Instant::now();
        let admin = loop {
            if let Ok(address) = fs::read_to_string(path("admin")).unwrap_or_default().parse() {
                break address;
            }
            let ended = child.try_wait().unwrap();
            if ended.is_some() || began.elapsed() > PATIENCE {
                let _ = child.kill();
                panic!("no gateway ({ended:?}): {}", fs::read_to_string(path("log")).unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        Self { admin, child, home }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    pub async fn logs(&self, words: &str) {
        until(format!("{words:?} in the log"), async || self.log().contains(words)).await;
    }

    pub async fn admin(&self, method: &str, path: &str) -> Response {
        ask(self.admin, method, "admin", path).await
    }

    /// Where a listener is, once it listens.
    pub async fn listener(&self, name: &str) -> SocketAddr {
        let mut found = None;
        until(format!("listener {name}"), async || {
            let all = self.admin("GET", "/listeners").await;
            found = all.text().lines().find_map(|line| line.strip_prefix(&format!("{name}::"))?.parse().ok());
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// Moves the log away, as log rotation does.
    pub fn move_log(&self) {
        fs::rename(self.home.path().join("log"), self.home.path().join("log.1")).unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        process::signal(self.child.id(), signal);
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub async fn ended(&mut self) -> ExitStatus {
        until("its end", async || !self.is_alive()).await;
        self.child.wait().unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// One request on a connection of its own.
pub async fn ask(at: SocketAddr, method: &str, host: &str, path: &str) -> Response {
    exchange(at, format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\n\r\n")).await
}
