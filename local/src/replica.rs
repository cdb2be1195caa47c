//! The life of one process of one revision, from its start to the moment nothing of it is left. Knows nothing of how
//! many there should be, nor of what happens after.

mod drain;
mod pod;
mod report;
mod start;

use std::sync::Arc;
use std::time::Duration;

use forebay_knative::RevisionKey;
use forebay_knative::api::Revision;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::event::Event;
use crate::failure::{Failure, ending, span};
use crate::logs::{Capture, Tail};
use crate::platform::{Shared, Workload};
use crate::ports::Port;
use crate::probe::{Check, Plan, Target, Waited};
use crate::process::Process;
use pod::Pod;
use start::Prepared;

pub(crate) use report::{End, Phase, Report, Reporter};

/// One replica to be.
pub(crate) struct Replica {
    pub(crate) shared: Arc<Shared>,
    pub(crate) workload: Workload,
    pub(crate) number: u32,
    pub(crate) phase: watch::Receiver<Phase>,
}

/// Why a replica's time is over.
enum Turn {
    Exited(std::io::Result<std::process::ExitStatus>),
    /// It must go, and be counted as failed.
    Failed(Failure),
    /// Asked to.
    Stop,
}

impl Replica {
    /// Runs the whole life.
    pub(crate) async fn run(mut self, reporter: Reporter) {
        let end = match self.prepare().await {
            Ok(prepared) => self.live(prepared, &reporter).await,
            Err(failure) => End { ready_for: Duration::ZERO, failure: Some((failure, Vec::new())) },
        };
        reporter.end(end);
    }

    fn key(&self) -> &RevisionKey {
        &self.workload.key
    }

    fn revision(&self) -> &Revision {
        &self.workload.revision
    }

    fn emit(&self, event: Event) {
        // Without a listener the platform is being dropped.
        let _ = self.shared.events.send(event);
    }

    async fn live(&mut self, prepared: Prepared, reporter: &Reporter) -> End {
        let Prepared { port, launch, plan, mut pod, output } = prepared;
        let (app, started) = (port.address(), Instant::now());
        let front = pod.sidecar.as_ref().map(|sidecar| sidecar.port.address());
        let address = front.unwrap_or(app);
        reporter.tell(Report::Spawned { pid: pod.app.id(), address });
        self.emit(Event::Started {
            key: self.key().clone(),
            replica: self.number,
            pid: pod.app.id(),
            address,
        });
        let tail = Arc::new(Tail::default());
        let mut captures = vec![tokio::spawn(self.capture(&pod.app, &port, "", tail.clone()).run(output))];
        if let Some(sidecar) = &mut pod.sidecar
            && let Some(output) = sidecar.output.take()
        {
            let capture = self.capture(&sidecar.process, &sidecar.port, "-queue-proxy", Arc::default());
            captures.push(tokio::spawn(capture.run(output)));
        }
        let shared = self.shared.clone();
        let workload = self.workload.clone();
        let target = Target {
            address: app,
            front,
            started,
            launch: &launch,
            base: &workload.base_dir,
            site: &shared.site,
            spawner: &shared.spawner,
            last_miss: Default::default(),
        };
        let mut ready_since = None;
        let turn = match self.start(&plan, &target, &mut pod, reporter, &tail).await {
            Some(turn) => turn,
            None => {
                ready_since = Some(Instant::now());
                self.serve(&plan, &target, &mut pod, reporter).await
            }
        };
        let ready_for = ready_since.map_or(Duration::ZERO, |since: Instant| since.elapsed());
        let gone = || Event::Gone { key: workload.key.clone(), replica: self.number, address };
        let announced = ready_since.is_some();
        let failure = match turn {
            Turn::Exited(status) => {
                // First of all, so that no more requests go there.
                if announced {
                    self.emit(gone());
                }
                pod.kill().await;
                Some(exited(status, started.elapsed(), ready_for, &target))
            }
            Turn::Failed(failure) => {
                if announced {
                    self.emit(gone());
                }
                pod.stop(shared.options.grace).await;
                Some(failure)
            }
            Turn::Stop => {
                let gone = gone();
                if announced {
                    self.drain(address, &mut pod).await;
                }
                pod.stop(shared.options.grace).await;
                if announced {
                    self.emit(gone);
                }
                None
            }
        };
        drop(pod);
        for capture in &mut captures {
            finish(capture).await;
        }
        End { ready_for, failure: failure.map(|failure| (failure, tail.lines())) }
    }

    /// Until it is ready (`None`) or must end.
    async fn start(
        &mut self,
        plan: &Plan,
        target: &Target<'_>,
        pod: &mut Pod,
        reporter: &Reporter,
        tail: &Tail,
    ) -> Option<Turn> {
        let limit =
            start::progress_deadline(self.revision()).unwrap_or(self.shared.options.progress_deadline);
        let group = pod.app.group();
        let mut phase = self.phase.clone();
        let turn = tokio::select! {
            biased;
            turn = pod.wait() => turn,
            () = reached(&mut phase, Phase::Drain) => {
                if target.started.elapsed() > WORTH_A_WORD {
                    let message = format!(
                        "is stopped after {} in which it was not ready: {}",
                        span(target.started.elapsed()),
                        target.last()
                    );
                    self.emit(Event::Notice { key: self.key().clone(), replica: self.number, message });
                }
                Turn::Stop
            }
            waited = plan.ready(target) => match waited {
                Waited::Passed => {
                    let after = target.started.elapsed();
                    reporter.tell(Report::Ready);
                    reporter.tell(Report::Settled);
                    self.emit(self.ready(target, after));
                    return None;
                }
                Waited::TooLong(last) => Turn::Failed(Failure::new(
                    "Unhealthy",
                    format!("its startup probe did not succeed in {}: {last}", span(target.started.elapsed())),
                )),
            },
            () = sleep_until(target.started + limit) => Turn::Failed(Failure::new(
                "ProgressDeadlineExceeded",
                format!("was not ready after {}: {}", span(limit), target.last()),
            )),
            never = self.watch_start(target, group, reporter, tail) => match never {},
        };
        Some(turn)
    }

    /// While it is ready, until it must end.
    async fn serve(&self, plan: &Plan, target: &Target<'_>, pod: &mut Pod, reporter: &Reporter) -> Turn {
        let mut phase = self.phase.clone();
        let sick = async {
            match &plan.liveness {
                Some(liveness) => liveness.fails(target).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            turn = pod.wait() => turn,
            () = reached(&mut phase, Phase::Drain) => Turn::Stop,
            why = sick => Turn::Failed(Failure::new("Unhealthy", format!("failed its liveness probe: {why}"))),
            never = self.keep_ready(plan.kept(), target, reporter) => match never {},
        }
    }

    /// Tells when readiness is lost and found again.
    async fn keep_ready(
        &self,
        check: &Check,
        target: &Target<'_>,
        reporter: &Reporter,
    ) -> std::convert::Infallible {
        loop {
            let message = check.fails(target).await;
            reporter.tell(Report::Unready);
            let (key, replica, address) = (self.key().clone(), self.number, target.served());
            self.emit(Event::Unready { key, replica, address, message });
            check.recovers(target).await;
            reporter.tell(Report::Ready);
            self.emit(self.ready(target, target.started.elapsed()));
        }
    }

    fn ready(&self, target: &Target<'_>, after: Duration) -> Event {
        Event::Ready { key: self.key().clone(), replica: self.number, address: target.served(), after }
    }

    /// `whose` is part of the file's name.
    fn capture(&self, process: &Process, port: &Port, whose: &str, tail: Arc<Tail>) -> Capture {
        let (key, number, options) = (self.key(), self.number, &self.shared.options);
        Capture {
            key: key.clone(),
            replica: number,
            file: crate::logs::path(&options.state_dir, key, number, whose),
            limit: options.log_file_limit,
            title: format!(
                "--- {key} replica {number}{whose}: process {}, port {}",
                process.id(),
                port.number()
            ),
            events: self.shared.events.clone(),
            budget: self.shared.budget.clone(),
            tail,
        }
    }
}

/// Done when the owner wants at least `phase`, or is gone.
async fn reached(receiver: &mut watch::Receiver<Phase>, phase: Phase) {
    let _ = receiver.wait_for(|now| *now >= phase).await;
}

/// An unasked end, in words.
fn exited(
    status: std::io::Result<std::process::ExitStatus>,
    age: Duration,
    ready_for: Duration,
    target: &Target<'_>,
) -> Failure {
    let status = match status {
        Ok(status) => status,
        Err(e) => return Failure::cannot_run(format!("was lost sight of: {e}")),
    };
    let when = if ready_for.is_zero() {
        format!("before it was ready on PORT={}", target.address.port())
    } else {
        format!("ready for {}", span(ready_for))
    };
    Failure::exited(status, format!("{} after {}, {when}", ending(status), span(age)))
}

/// Lets the last lines through. A process that left the group may hold the pipe open for ever.
async fn finish(capture: &mut JoinHandle<()>) {
    if timeout(LAST_LINES, &mut *capture).await.is_err() {
        capture.abort();
    }
}

/// Who stops a replica that starts has lost patience, or nobody waits for it any more; after so long it may have been its fault.
const WORTH_A_WORD: Duration = Duration::from_secs(1);
/// How long the last lines of a dead process may take.
const LAST_LINES: Duration = Duration::from_millis(200);
