//! Load: so many requests over so many connections, and what became of each.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::h1::{Connection, Response};

/// What to ask for. Every connection is kept alive while the other side keeps it.
#[derive(Clone)]
pub struct Load {
    pub address: SocketAddr,
    pub host: String,
    pub path: String,
    pub connections: usize,
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub statuses: BTreeMap<u16, u64>,
    pub bodies: BTreeMap<String, u64>,
    /// Requests without an answer, in words.
    pub broken: Vec<String>,
    pub slowest: Duration,
}

/// Load that goes on until it is stopped.
pub struct Running {
    tasks: JoinSet<()>,
    shared: Arc<Shared>,
}

struct Shared {
    load: Load,
    /// Requests that may still begin.
    left: Mutex<u64>,
    tally: Mutex<Tally>,
}

impl Load {
    pub fn new(address: SocketAddr, host: &str, path: &str, connections: usize) -> Self {
        Self { address, host: host.to_owned(), path: path.to_owned(), connections }
    }

    /// So many requests and no more.
    pub async fn run(self, requests: u64) -> Tally {
        let mut running = self.begin(requests);
        while let Some(done) = running.tasks.join_next().await {
            done.unwrap();
        }
        running.tally()
    }

    pub fn start(self) -> Running {
        self.begin(u64::MAX)
    }

    fn begin(self, requests: u64) -> Running {
        let shared = Arc::new(Shared { load: self, left: Mutex::new(requests), tally: Mutex::default() });
        let mut tasks = JoinSet::new();
        for _ in 0..shared.load.connections {
            tasks.spawn(Arc::clone(&shared).client());
        }
        Running { tasks, shared }
    }
}

impl Running {
    /// So far.
    pub fn tally(&self) -> Tally {
        self.shared.tally.lock().unwrap().clone()
    }

    /// Lets what has begun come to its end.
    pub async fn stop(mut self) -> Tally {
        *self.shared.left.lock().unwrap() = 0;
        while let Some(done) = self.tasks.join_next().await {
            done.unwrap();
        }
        self.tally()
    }
}

impl Shared {
    async fn client(self: Arc<Self>) {
        let mut kept = None;
        while self.take() {
            let began = Instant::now();
            let outcome = self.one(&mut kept).await;
            self.tally.lock().unwrap().add(outcome, began.elapsed());
        }
    }

    fn take(&self) -> bool {
        let mut left = self.left.lock().unwrap();
        let some = *left > 0;
        *left = left.saturating_sub(1);
        some
    }

    async fn one(&self, kept: &mut Option<Connection>) -> io::Result<Response> {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => Connection::open(self.load.address).await?,
        };
        let response = connection.get(&self.load.host, &self.load.path).await?;
        if !response.closes() {
            *kept = Some(connection);
        }
        Ok(response)
    }
}

impl Tally {
    pub fn total(&self) -> u64 {
        self.statuses.values().sum::<u64>() + self.broken.len() as u64
    }

    pub fn count(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or_default()
    }

    /// How many bodies say this.
    pub fn said(&self, words: &str) -> u64 {
        self.bodies.iter().filter(|(body, _)| body.contains(words)).map(|(_, count)| count).sum()
    }

    /// Every answer was a 200, and there were some.
    #[track_caller]
    pub fn assert_all_ok(&self) {
        assert!(self.total() > 0, "nothing was asked");
        assert!(self.count(200) == self.total(), "not all were answered with 200: {self:?}");
    }

    fn add(&mut self, outcome: io::Result<Response>, took: Duration) {
        self.slowest = self.slowest.max(took);
        match outcome {
            Ok(response) => {
                *self.statuses.entry(response.status).or_default() += 1;
                *self.bodies.entry(response.text().to_owned()).or_default() += 1;
            }
            Err(error) => self.broken.push(error.to_string()),
        }
    }
}
