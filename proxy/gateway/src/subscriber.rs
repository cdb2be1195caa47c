//! From the xDS stream and from files to the workers: the model judges, the fleet obeys, the answer says which resources were
//! refused and why. Knows neither the protocol nor what a resource means.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use forebay_base::turn;
use forebay_model::{Applied, FileResource, Resource};
use forebay_net::Phase;
use forebay_proto::type_url;
use forebay_xds_client::{Change, Interest, Outcome, Rejection, Subscriber, Tick};
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::Shared;

pub(crate) struct Subscribed {
    shared: Arc<Shared>,
    /// What the gateway's own configuration needs, until the stream has been told.
    first: Vec<Interest>,
    /// Listeners are to be asked for when the clusters are there, or at this moment at the latest.
    listeners_at: Option<(Instant, Interest)>,
    /// How long the first listeners are waited for once they are asked for; `None`: nobody sends any.
    listeners_until: Option<Instant>,
}

/// What came to pass beside the stream and concerns it.
#[derive(Default)]
pub(crate) struct Aside {
    /// What is needed of the stream, or no longer.
    interests: Mutex<Vec<Interest>>,
    /// Raised when something did.
    woken: Arc<Notify>,
    /// Raised when a listener could not be opened.
    unopened: Notify,
    /// The first clusters are here.
    clusters_came: AtomicBool,
    /// The first listeners are here.
    listeners_came: AtomicBool,
    /// All that was first asked for is here, or did not come in time: Envoy calls this live, for good.
    live: AtomicBool,
}

impl Aside {
    /// The stream should know what became of this.
    pub(crate) fn tell(&self, outcome: Outcome) {
        self.interests.lock().unwrap_or_else(PoisonError::into_inner).extend(outcome.interests);
        self.woken.notify_one();
    }

    /// Everything of a type came, or does not come.
    pub(crate) fn came(&self, type_url: &str) {
        match type_url {
            type_url::CLUSTER => self.clusters_came.store(true, Ordering::Relaxed),
            type_url::LISTENER => self.listeners_came.store(true, Ordering::Relaxed),
            _ => {}
        }
    }

    /// Whether all that was first asked for is here, or was waited for in vain.
    pub(crate) fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }

    fn interests(&self) -> Vec<Interest> {
        std::mem::take(&mut self.interests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How long listeners wait for the first clusters, and the start for the first listeners. 15 s: Envoy's
/// `initial_fetch_timeout`.
const FIRST: Duration = Duration::from_secs(15);

/// How often a listener is tried that could not be opened.
const TRY_AGAIN: Duration = Duration::from_secs(1);

impl Subscribed {
    /// `own`: what the gateway's own configuration came to.
    pub(crate) fn new(shared: Arc<Shared>, own: Applied) -> Self {
        let first = publish(&shared, own).interests;
        Self { shared, first, listeners_at: None, listeners_until: None }
    }

    /// Lets listeners, asked for by `listeners`, wait for the first clusters, as Envoy does: the first request then finds a
    /// route's cluster.
    pub(crate) fn clusters_first(mut self, listeners: Interest) -> Self {
        self.listeners_at = Some((Instant::now() + FIRST, listeners));
        self
    }

    /// Listeners are asked for now.
    pub(crate) fn listeners_asked(&mut self, now: Instant) {
        self.listeners_until = Some(now + FIRST);
    }

    /// Asks for listeners if it is time to.
    fn listeners(&mut self, now: Instant) -> Option<Interest> {
        let came = || {
            let came = self.shared.aside.clusters_came.load(Ordering::Relaxed);
            came && self.shared.model().clusters_warm()
        };
        let (_, interest) = self.listeners_at.take_if(|(until, _)| *until <= now || came())?;
        self.listeners_asked(now);
        of_stream(&self.shared, vec![interest]).pop()
    }

    /// Notices that all that was first asked for is here. Until when it is waited for, if it is not.
    fn begun(&self, now: Instant) -> Option<Instant> {
        let aside = &self.shared.aside;
        if aside.is_live() {
            return None;
        }
        let came = self.listeners_at.is_none()
            && (aside.listeners_came.load(Ordering::Relaxed)
                || self.listeners_until.is_none_or(|until| until <= now));
        let warm = || {
            let model = self.shared.model();
            model.clusters_warm() && model.listeners_warm()
        };
        aside.live.store(came && warm(), Ordering::Relaxed);
        self.listeners_until.filter(|_| !came)
    }

    fn publish(&self, applied: Applied) -> Outcome {
        publish(&self.shared, applied)
    }
}

fn count(shared: &Shared, change: &Change) {
    let added = change.added.iter().map(|r| r.name.len() + r.version.len() + r.body.value.len());
    let bytes = added.sum::<usize>() + change.removed.iter().map(String::len).sum::<usize>();
    let received = &shared.received;
    received.responses.fetch_add(1, Ordering::Relaxed);
    received.resources.fetch_add((change.added.len() + change.removed.len()) as u64, Ordering::Relaxed);
    received.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
}

/// Puts a change to use, wherever it comes from.
pub(crate) fn obey(shared: &Arc<Shared>, type_url: &str, change: &Change) -> Outcome {
    count(shared, change);
    let applied = turn::long(|| {
        let added: Vec<Resource<'_>> = change
            .added
            .iter()
            .map(|r| Resource { name: &r.name, version: &r.version, body: &r.body })
            .collect();
        let (mut model, now) = (shared.model(), Instant::now());
        let applied = model.apply(type_url, change.full, &added, &change.removed, now);
        for Rejection { name, message } in &change.refused {
            model.refused(type_url, name, message, now);
        }
        applied
    });
    shared.updates.heard(type_url, change, &applied);
    let (mut outcome, unopened) = put_in_force(shared, applied);
    if type_url == type_url::LISTENER {
        outcome.rejected.extend(unopened);
    }
    shared.aside.came(type_url);
    outcome
}

/// Publishes what the model made of a change.
pub(crate) fn publish(shared: &Arc<Shared>, applied: Applied) -> Outcome {
    put_in_force(shared, applied).0
}

/// The same, and listeners that cannot be opened: refused where they are what came.
fn put_in_force(shared: &Arc<Shared>, applied: Applied) -> (Outcome, Vec<Rejection>) {
    let mut rejected = Vec::with_capacity(applied.rejected.len());
    for refused in applied.rejected {
        if !refused.again {
            warn!(resource = %refused.name, reason = %refused.message, "a resource was refused; what it was before stays");
        }
        rejected.push(Rejection { name: refused.name, message: refused.message });
    }
    let mut unopened = Vec::new();
    if !applied.update.is_empty() {
        shared.updates.published(&applied.update);
        let listeners = !applied.update.listeners.is_empty();
        for (name, error) in shared.fleet.publish(applied.update) {
            warn!(listener = %name, %error, "a listener cannot be opened; it is tried again every second");
            shared.updates.failed_to_bind();
            let message = error.to_string();
            shared.model().refused(type_url::LISTENER, &name, &message, Instant::now());
            unopened.push(Rejection { name: name.to_string(), message });
            shared.aside.unopened.notify_one();
        }
        if listeners {
            shared.listeners.send_modify(|n| *n += 1);
        }
    }
    for (cluster, dns) in applied.resolve {
        crate::dns::follow(shared, cluster, dns);
    }
    (Outcome { rejected, interests: of_stream(shared, interests(applied.interests)) }, unopened)
}

/// Opens listeners that could not be opened, once whoever had their addresses is gone: a server that sends the same again changes
/// nothing.
pub(crate) async fn open_late(shared: Arc<Shared>) {
    loop {
        shared.aside.unopened.notified().await;
        while shared.fleet.has_unopened() {
            tokio::time::sleep(TRY_AGAIN).await;
            for name in shared.fleet.try_again() {
                info!(listener = %name, "a listener is open that could not be opened before");
                shared.model().opened(&name);
                shared.listeners.send_modify(|n| *n += 1);
            }
        }
    }
}

fn interests(wanted: Vec<forebay_model::Interest>) -> Vec<Interest> {
    let text = |names: Vec<Arc<str>>| names.iter().map(ToString::to_string).collect();
    wanted
        .into_iter()
        .map(|i| Interest { type_url: i.type_url.to_owned(), add: text(i.add), remove: text(i.remove) })
        .collect()
}

/// What of this is the stream's business. The rest goes to whoever reads files.
pub(crate) fn of_stream(shared: &Shared, wanted: Vec<Interest>) -> Vec<Interest> {
    let of_files = |names: &mut Vec<String>| -> Vec<String> {
        names.extract_if(.., |name| FileResource::of_key(name).is_some()).collect()
    };
    let mut rest = Vec::with_capacity(wanted.len());
    for mut interest in wanted {
        let (add, remove) = (of_files(&mut interest.add), of_files(&mut interest.remove));
        if !add.is_empty() || !remove.is_empty() {
            // Nobody reads them only while everything ends.
            let _ = shared.files.send(Interest { type_url: interest.type_url.clone(), add, remove });
        }
        if !interest.add.is_empty() || !interest.remove.is_empty() {
            rest.push(interest);
        }
    }
    rest
}

impl Subscriber for Subscribed {
    fn apply(&mut self, type_url: &str, change: Change) -> Outcome {
        let mut outcome = obey(&self.shared, type_url, &change);
        outcome.interests.extend(self.listeners(Instant::now()));
        outcome
    }

    fn wakes(&self) -> Arc<Notify> {
        self.shared.aside.woken.clone()
    }

    fn does_not_exist(&mut self, type_url: &str, name: &str) -> Vec<Interest> {
        let applied = self.shared.model().does_not_exist(type_url, name, Instant::now());
        self.publish(applied).interests
    }

    fn connected(&mut self, up: bool) {
        let before = self.shared.connected.send_replace(up);
        match (before, up) {
            (false, true) => info!("the control plane is there"),
            // While everything ends there is nothing to warn of.
            (true, false) if self.shared.fleet.drain().phase() == Phase::Running => {
                warn!("the control plane is away; its last configuration stays");
            }
            _ => {}
        }
    }

    fn tick(&mut self, now: Instant) -> Tick {
        let (applied, next) = {
            let mut model = self.shared.model();
            (model.tick(now), model.next_deadline())
        };
        let mut interests = std::mem::take(&mut self.first);
        interests.extend(self.shared.aside.interests());
        interests.extend(self.publish(applied).interests);
        interests.extend(self.listeners(now));
        let listeners = self.listeners_at.as_ref().map(|(until, _)| *until);
        Tick { next: next.into_iter().chain(listeners).chain(self.begun(now)).min(), interests }
    }
}
