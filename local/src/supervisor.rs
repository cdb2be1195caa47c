//! How many replicas each revision has, and has to have: one task that owns all of it. Knows nothing of what a replica
//! does while it lives.

mod entry;
mod queue;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use forebay_base::tree::Tree;
use forebay_knative::RevisionKey;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep_until;

use crate::event::Event;
use crate::failure::{Failure, span};
use crate::platform::{ReplicaState, Shared, Status, Urgency, Workload};
use crate::replica::{End, Phase, Replica, Report, Reporter};
use entry::Entry;
use queue::Queue;

/// What a [`Platform`](crate::Platform) is asked for.
#[derive(Debug)]
pub(crate) enum Command {
    Ensure(Workload),
    Remove(RevisionKey),
    Scale(RevisionKey, u32, Urgency),
    Shutdown(oneshot::Sender<()>),
    Statuses(oneshot::Sender<Vec<Status>>),
}

/// Owner of all revisions and replicas.
pub(crate) struct Supervisor {
    shared: Arc<Shared>,
    commands: mpsc::UnboundedReceiver<Command>,
    reports: mpsc::UnboundedReceiver<(u64, Report)>,
    /// Cloned for each replica.
    reporting: mpsc::UnboundedSender<(u64, Report)>,
    revisions: Tree<RevisionKey, Entry>,
    /// Whose replica an id is, for every replica with a task.
    owners: HashMap<u64, RevisionKey>,
    queue: Queue,
    /// Revisions whose back-off ends.
    retries: BTreeSet<(Instant, RevisionKey)>,
    next_id: u64,
    life: Life,
}

/// How far the platform is.
#[derive(Debug)]
enum Life {
    Running,
    /// And who wants to know when it is over.
    Stopping(Vec<oneshot::Sender<()>>),
}

impl Supervisor {
    pub(crate) fn new(shared: Arc<Shared>, commands: mpsc::UnboundedReceiver<Command>) -> Self {
        let (reporting, reports) = mpsc::unbounded_channel();
        Self {
            queue: Queue::new(shared.options.parallel_starts),
            shared,
            commands,
            reports,
            reporting,
            revisions: Tree::new(),
            owners: HashMap::new(),
            retries: BTreeSet::new(),
            next_id: 0,
            life: Life::Running,
        }
    }

    /// Runs until it was told to stop, or nobody can tell it anything, and nothing is left. `guarded` is the guard's end.
    pub(crate) async fn run(mut self, guarded: JoinHandle<()>) {
        let mut commanded = true;
        while matches!(self.life, Life::Running) || !self.owners.is_empty() {
            let retry = self.retries.first().map(|(at, _)| *at);
            let wake = retry.into_iter().chain(self.queue.wake(Instant::now())).min();
            tokio::select! {
                biased;
                Some((id, report)) = self.reports.recv() => self.heard(id, report),
                command = self.commands.recv(), if commanded => match command {
                    Some(command) => self.obey(command),
                    // The last handle is gone.
                    None => {
                        commanded = false;
                        self.stop();
                    }
                },
                () = until(wake) => self.retry(),
            }
            self.start_next();
        }
        let waiting = match self.life {
            Life::Stopping(waiting) => waiting,
            Life::Running => Vec::new(),
        };
        // The last word to the guard: it sweeps up what left its process group, and ends.
        drop(self.shared);
        let _ = guarded.await;
        for answer in waiting {
            let _ = answer.send(());
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Ensure(workload) => {
                let Workload { key, revision, base_dir } = workload;
                self.revisions
                    .entry(key)
                    .or_insert_with(|| Entry::new(revision.clone(), base_dir.clone()))
                    .renew(revision, base_dir);
                self.revisions.pack();
            }
            Command::Remove(key) => {
                if let Some(entry) = self.revisions.get_mut(&key) {
                    entry.removed = true;
                    entry.want = 0;
                    self.reconcile(&key);
                }
            }
            Command::Scale(key, want, urgency) => match self.revisions.get_mut(&key) {
                Some(entry) if !entry.removed => {
                    entry.want = want;
                    entry.urgency = urgency;
                    self.reconcile(&key);
                }
                _ => tracing::debug!("scale of {key}, which is not known, to {want} is ignored"),
            },
            Command::Shutdown(answer) => {
                self.stop();
                if let Life::Stopping(waiting) = &mut self.life {
                    waiting.push(answer);
                }
            }
            Command::Statuses(answer) => {
                let mut all: Vec<Status> =
                    self.revisions.iter().map(|(key, entry)| entry.status(key)).collect();
                all.sort_unstable_by(|a, b| a.key.cmp(&b.key));
                let _ = answer.send(all);
            }
        }
    }

    fn heard(&mut self, id: u64, report: Report) {
        let Some(key) = self.owners.get(&id).cloned() else { return };
        let Some(entry) = self.revisions.get_mut(&key) else { return };
        match report {
            Report::Spawned { pid, address } => entry.with(id, |slot| slot.process = Some((pid, address))),
            Report::Settled => self.settled(&key, id),
            Report::Ready => entry.became_ready(id),
            Report::Unready => entry.with(id, |slot| slot.turn(ReplicaState::Unready)),
            Report::Ended(end) => self.ended(&key, id, end),
        }
    }

    /// A replica no longer counts as starting.
    fn settled(&mut self, key: &RevisionKey, id: u64) {
        let queue = &mut self.queue;
        if let Some(entry) = self.revisions.get_mut(key) {
            entry.with(id, |slot| {
                if let Some(rank) = slot.starts_as.take() {
                    queue.release(rank);
                }
            });
        }
    }

    fn ended(&mut self, key: &RevisionKey, id: u64, end: End) {
        self.settled(key, id);
        self.owners.remove(&id);
        let Some(entry) = self.revisions.get_mut(key) else { return };
        entry.take(id);
        match end.failure {
            None => entry.backoff_mut().ended_well(end.ready_for),
            Some((failure, last_log)) => {
                let now = Instant::now();
                let until = entry.backoff_mut().failed(end.ready_for, now);
                self.failed(key, failure, last_log, until - now);
            }
        }
        self.reconcile(key);
    }

    /// Tells of a failure, unless it is one of many.
    fn failed(
        &mut self,
        key: &RevisionKey,
        failure: Failure,
        last_log: Vec<String>,
        wait: std::time::Duration,
    ) {
        let Some(entry) = self.revisions.get_mut(key) else { return };
        let again = entry.live() < entry.want as usize && matches!(self.life, Life::Running);
        let Failure { reason, mut message } = failure;
        let tell = entry.note_failure(&reason, &message);
        if again {
            message.push_str(&format!("; it starts again in {}", span(wait)));
        }
        if tell {
            let event = Event::Failed { key: key.clone(), reason: reason.into_owned(), message, last_log };
            let _ = self.shared.events.send(event);
        }
    }

    /// Brings what there is towards what is wanted.
    fn reconcile(&mut self, key: &RevisionKey) {
        let Some(entry) = self.revisions.get_mut(key) else { return };
        let stop = if matches!(self.life, Life::Running) { Phase::Drain } else { Phase::Quick };
        entry.shrink(stop);
        if matches!(self.life, Life::Running) {
            let now = Instant::now();
            match entry.backoff_until(now) {
                Some(until) if entry.live() < entry.want as usize => {
                    self.retries.insert((until, key.clone()));
                }
                _ => {
                    for id in entry.grow(&mut self.next_id) {
                        self.queue.push(key.clone(), id, entry.rank(id), now);
                    }
                }
            }
        }
        entry.tidy();
        if entry.removed && entry.is_idle() {
            self.revisions.remove(key);
        }
    }

    /// Back-offs that are over.
    fn retry(&mut self) {
        let now = Instant::now();
        while self.retries.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, key)) = self.retries.pop_first() {
                self.reconcile(&key);
            }
        }
    }

    /// Starts what may start now.
    fn start_next(&mut self) {
        let (revisions, now) = (&mut self.revisions, Instant::now());
        // Queued replicas that were scaled away, or that started through the other queue, are passed over.
        while let Some(((key, id), rank)) =
            self.queue.next(now, |key, id| revisions.get(key).is_some_and(|entry| entry.is_queued(id)))
        {
            let Some(entry) = revisions.get_mut(&key) else { continue };
            let Some((number, phase)) = entry.begin(id, rank) else { continue };
            self.owners.insert(id, key.clone());
            let workload =
                Workload { key, revision: entry.revision.clone(), base_dir: entry.base_dir.clone() };
            let replica = Replica { shared: self.shared.clone(), workload, number, phase };
            tokio::spawn(replica.run(Reporter { to: self.reporting.clone(), id, ended: false }));
        }
    }

    fn stop(&mut self) {
        if matches!(self.life, Life::Running) {
            self.life = Life::Stopping(Vec::new());
            self.retries.clear();
            let keys: Vec<RevisionKey> = self.revisions.keys().cloned().collect();
            for key in keys {
                if let Some(entry) = self.revisions.get_mut(&key) {
                    entry.want = 0;
                    entry.hurry();
                }
                self.reconcile(&key);
            }
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
