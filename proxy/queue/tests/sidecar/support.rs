//! What the tests share: a queue-proxy, an app that says what it is told to, a client that reads to the end.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use forebay_queue::{Config, QueueProxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

/// No single step takes longer on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, work)
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The environment of a queue-proxy in front of `app`, with changes.
pub(crate) fn config(app: SocketAddr, changes: &[(&str, &str)]) -> Config {
    let port = app.port().to_string();
    let get = |name: &str| {
        let changed = changes.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let value = changed.or(match name {
            "CONTAINER_CONCURRENCY" => Some("0"),
            "QUEUE_SERVING_PORT" => Some("8012"),
            "QUEUE_SERVING_TLS_PORT" => Some("8112"),
            "USER_PORT" => Some(&port),
            "REVISION_TIMEOUT_SECONDS" => Some("300"),
            "FOREBAY_QUEUE_ADDRESS" => Some("127.0.0.1"),
            name if name.starts_with("FOREBAY_QUEUE") => Some("0"),
            "SERVING_SERVICE" => Some("hello"),
            name if name.starts_with("SERVING_") && name != "SERVING_READINESS_PROBE" => Some("x"),
            _ => None,
        });
        value.map(str::to_owned)
    };
    let mut config = Config::from_env(get).unwrap();
    config.ports.main = 0;
    config
}

pub(crate) fn start(app: SocketAddr, changes: &[(&str, &str)]) -> Rc<QueueProxy> {
    Rc::new(QueueProxy::start(config(app, changes)).unwrap())
}

/// What an app does with one request whose head has come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// These bytes, and the connection stays.
    Say(&'static str),
    /// These bytes, then the end.
    SayAndClose(&'static str),
    /// These bytes, then a reset.
    SayAndReset(&'static str),
    /// Nothing, until it is told to go on.
    Hang,
}

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// An app; drops its connections when `stop` is called.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    /// Requests that are with it.
    pub(crate) running: Rc<Cell<usize>>,
    /// The most there were at once.
    pub(crate) most: Rc<Cell<usize>>,
    pub(crate) heads: Rc<RefCell<Vec<String>>>,
    go: Rc<tokio::sync::Notify>,
}

impl App {
    pub(crate) async fn start(act: impl Fn(usize) -> Act + 'static) -> Rc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let app = Rc::new(Self {
            address: listener.local_addr().unwrap(),
            running: Rc::default(),
            most: Rc::default(),
            heads: Rc::default(),
            go: Rc::default(),
        });
        let (this, act) = (app.clone(), Rc::new(act));
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (this, act) = (this.clone(), act.clone());
                spawn_local(async move { this.serve(stream, &*act).await });
            }
        });
        app
    }

    /// Lets all go on that hang now.
    pub(crate) fn go_on(&self) {
        self.go.notify_waiters();
    }

    async fn serve(&self, mut stream: TcpStream, act: &dyn Fn(usize) -> Act) {
        let mut seen = Vec::new();
        loop {
            let mut buffer = [0; 4096];
            let end = loop {
                if let Some(at) = seen.windows(4).position(|w| w == b"\r\n\r\n") {
                    break at + 4;
                }
                match stream.read(&mut buffer).await {
                    Ok(n) if n > 0 => seen.extend_from_slice(&buffer[..n]),
                    _ => return,
                }
            };
            let head: Vec<u8> = seen.drain(..end).collect();
            let number = self.heads.borrow().len();
            self.heads.borrow_mut().push(String::from_utf8_lossy(&head).into_owned());
            let _running = Running::new(self);
            let (text, after) = match act(number) {
                Act::Say(text) => (text, 0),
                Act::SayAndClose(text) => (text, 1),
                Act::SayAndReset(text) => (text, 2),
                Act::Hang => {
                    // Whoever asked may go away meanwhile.
                    tokio::select! {
                        () = self.go.notified() => {}
                        _ = stream.read(&mut buffer) => return,
                    }
                    (OK, 0)
                }
            };
            if stream.write_all(text.as_bytes()).await.is_err() {
                return;
            }
            match after {
                0 => {}
                1 => return,
                _ => return drop(stream.set_zero_linger()),
            }
        }
    }
}

struct Running<'a>(&'a App);

impl<'a> Running<'a> {
    fn new(app: &'a App) -> Self {
        app.running.set(app.running.get() + 1);
        app.most.set(app.most.get().max(app.running.get()));
        Self(app)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get() - 1);
    }
}

/// Sends bytes and reads until `enough` or the end.
pub(crate) async fn talk(to: SocketAddr, said: &str, enough: impl Fn(&str) -> bool) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(said.as_bytes()).await.unwrap();
    read(&mut stream, enough).await
}

/// Reads until `enough` or the end.
pub(crate) async fn read(stream: &mut TcpStream, enough: impl Fn(&str) -> bool) -> String {
    let mut heard = String::new();
    let mut buffer = [0; 4096];
    let reading = async {
        while !enough(&heard) {
            match stream.read(&mut buffer).await {
                Ok(n) if n > 0 => heard.push_str(&String::from_utf8_lossy(&buffer[..n])),
                _ => break,
            }
        }
    };
    assert!(tokio::time::timeout(PATIENCE, reading).await.is_ok(), "waited {PATIENCE:?}, heard {heard:?}");
    heard
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
}

/// One GET on a connection of its own: the whole response.
pub(crate) async fn ask(to: SocketAddr, path: &str) -> String {
    talk(to, &get(path), |_| false).await
}
