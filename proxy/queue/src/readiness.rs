//! Whether the app is ready: all its probes at once, one run at a time, whose answer everybody gets who asks meanwhile. Owns when
//! attempts are made; knows nothing of who asks.

mod attempt;
mod spec;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use forebay_http::Pool;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use attempt::{Attempt, Miss};
pub(crate) use spec::parse;
pub use spec::{Handler, Probe};

/// serving: `pkg/queue/readiness/probe.go`, `PollTimeout`: a run of probes without a period ends then.
const RUN: Duration = Duration::from_secs(10);
/// The same, `aggressiveProbeTimeout`: one attempt of such a probe.
const ATTEMPT: Duration = Duration::from_millis(100);
/// The same, `retryInterval`: between two successes where several are asked for, and the longest pause after a failure.
const INTERVAL: Duration = Duration::from_millis(50);
/// The first pause after an answer that is no success; it doubles up to [`INTERVAL`]: asking is work for the app.
const FIRST_PAUSE: Duration = Duration::from_millis(2);

/// The app's readiness.
pub(crate) struct Readiness {
    checks: Rc<[Check]>,
    /// The run that is under way.
    running: RefCell<Option<watch::Receiver<Option<bool>>>>,
}

/// A probe and where it stands.
struct Check {
    probe: Probe,
    attempt: Attempt,
    /// Successes in a row. They outlive a run: a probe that has had enough of them needs one from then on.
    row: Cell<u32>,
}

impl Readiness {
    pub(crate) fn new(probes: &[Probe], detects_http2: bool, buffers: &Rc<Pool>) -> Rc<Self> {
        let check = |probe: &Probe| Check {
            probe: probe.clone(),
            attempt: Attempt::new(&probe.handler, detects_http2, buffers.clone()),
            row: Cell::new(0),
        };
        Rc::new(Self { checks: probes.iter().map(check).collect(), running: RefCell::default() })
    }

    /// Asks the app, or waits for the answer that is being waited for already. Who stops waiting does not stop the run.
    pub(crate) async fn ask(self: &Rc<Self>) -> bool {
        if self.checks.is_empty() {
            return true;
        }
        let attached = self.running.borrow().clone();
        let mut answer = attached.unwrap_or_else(|| self.begin());
        // The sender lives as long as the run; without it nobody has said yes.
        answer.wait_for(Option::is_some).await.is_ok_and(|said| *said == Some(true))
    }

    fn begin(self: &Rc<Self>) -> watch::Receiver<Option<bool>> {
        let (tell, answer) = watch::channel(None);
        *self.running.borrow_mut() = Some(answer.clone());
        let this = self.clone();
        tokio::task::spawn_local(async move {
            let ready = run(&this.checks).await;
            // Who asks after this answer gets a run of its own.
            this.running.borrow_mut().take();
            let _ = tell.send(Some(ready));
        });
        answer
    }
}

/// All probes, side by side; one that fails is told of on standard error, as the reference does.
async fn run(checks: &Rc<[Check]>) -> bool {
    let mut others = Vec::new();
    for at in 1..checks.len() {
        let checks = checks.clone();
        others.push(tokio::task::spawn_local(async move {
            match checks.get(at) {
                Some(check) => check.run().await,
                None => Ok(()),
            }
        }));
    }
    let mut result = match checks.first() {
        Some(check) => check.run().await,
        None => Ok(()),
    };
    for other in others {
        let more = other.await.unwrap_or_else(|e| Err(e.to_string()));
        result = result.and(more);
    }
    if let Err(why) = &result {
        tell(why);
    }
    result.is_ok()
}

fn tell(line: &str) {
    use std::io::Write;
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

impl Check {
    async fn run(&self) -> Result<(), String> {
        if self.probe.period_seconds != 0 {
            let limit = Duration::from_secs(self.probe.timeout_seconds.into());
            return self.once(limit).await.map_err(|miss| miss.what);
        }
        let began = Instant::now();
        let mut last = Last::default();
        let outcome = timeout(RUN, self.until_ready(began, &mut last)).await;
        outcome.map_err(|_| {
            if last.times > 0 {
                tell(&format!("aggressive probe error (failed {} times): {}", last.times, last.why));
            }
            "context deadline exceeded".to_owned()
        })
    }

    /// Asks again and again until enough answers in a row were good.
    async fn until_ready(&self, began: Instant, last: &mut Last) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.once(ATTEMPT).await {
                Ok(()) => {
                    self.row.set(self.row.get().saturating_add(1));
                    if self.row.get() >= self.probe.success_threshold {
                        return;
                    }
                    sleep(INTERVAL).await;
                }
                Err(Miss { what, refused }) => {
                    self.row.set(0);
                    last.times += 1;
                    last.why = what;
                    if refused {
                        // 1 ms for the first three seconds, then a three-thousandth of the time gone: a refused connection costs
                        // some 20 µs, and an app that has just begun to listen is found at once.
                        let gone = began.elapsed() / 3000;
                        sleep(gone.clamp(Duration::from_millis(1), INTERVAL)).await;
                    } else {
                        sleep(pause).await;
                        pause = (pause * 2).min(INTERVAL);
                    }
                }
            }
        }
    }

    async fn once(&self, limit: Duration) -> Result<(), Miss> {
        match timeout(limit, self.attempt.run()).await {
            Ok(result) => result,
            Err(_) => Err(Miss {
                what: format!("{}: no answer within {} ms", self.attempt, limit.as_millis()),
                refused: false,
            }),
        }
    }
}

/// What is told of a run that has failed.
#[derive(Default)]
struct Last {
    times: u32,
    why: String,
}

#[cfg(test)]
mod tests;
