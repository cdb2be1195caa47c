//! The loop of `forebay up`: what one part tells is brought to the others. Decides nothing: who is to run, how many and where
//! requests go is said by the parts.

mod replicas;

use std::time::{Duration, SystemTime};

use forebay_autoscaler::Settings;
use forebay_base::tree::Tree;
use forebay_knative::api::{Kind, RevisionState, Status};
use forebay_knative::{Key, RevisionKey};
use forebay_local::Workload;
use forebay_xds_control::{Event as Manifest, Level, Record, Run, Work};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::endpoints::Ready;
use super::keep::writer;
use super::output::{self, Bad, say};
use super::prepare::Prepared;
use super::watch::Watch;

/// How long what is in flight may take when everything ends.
const GRACE: Duration = Duration::from_secs(5);

/// How long a proxy may take to obey a drained endpoint's removal; one that is gone should not hold up a replica.
const OBEY: Duration = Duration::from_secs(5);

/// How long "ready" waits for the revisions of the first manifests; one that takes longer is told of when it is there.
const PROOF: Duration = Duration::from_secs(5);

/// Between two looks at what the live table shows: four a second is what eyes follow.
const BEAT: Duration = Duration::from_millis(250);

/// Runs everything until a signal, or a request by the admin interface, ends it. Returns the signal that cut the ending short,
/// if one did.
pub(super) async fn run(prepared: Prepared) -> Option<SignalKind> {
    let Prepared {
        control,
        restored,
        mut manifests,
        platform,
        mut events,
        autoscaler,
        mut orders,
        gateway,
        ..
    } = prepared;
    let (keep, kept) = writer(prepared.journal);
    let mut up = Wired {
        control,
        platform,
        autoscaler,
        gateway,
        store: prepared.store,
        ready: Ready::default(),
        keep,
        shown: Tree::new(),
        untold: false,
        port: prepared.options.port,
        settled: None,
        watch: None,
    };
    // Lines of the access log are written past the screen.
    let to_terminal = prepared.options.access_log.as_ref().is_some_and(|path| path.as_os_str() == "-");
    if output::is_screen() && !to_terminal {
        up.watch = Some(Watch::default());
    }
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut nacks = up.store.nacks();
    up.take(restored, true);
    let bound = tokio::time::timeout(Duration::from_secs(10), up.gateway.listening()).await;
    if let Some(address) = bound.ok().and_then(|b| b.first().and_then(|b| b.addresses.first().copied())) {
        up.port = address.port();
        say(
            Bad::Info,
            "listening",
            &format!("gateway listens on http://{address}"),
            &[("address", json!(address.to_string()))],
        );
    } else {
        say(Bad::Error, "not listening", "the gateway does not listen; see the errors above", &[]);
    }
    if let Some(admin) = up.gateway.admin() {
        say(
            Bad::Info,
            "admin",
            &format!("admin pages on http://{admin}"),
            &[("address", json!(admin.to_string()))],
        );
    }

    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
        say(Bad::Error, "signals", "cannot hear signals", &[]);
        return None;
    };
    let mut next_step = None;
    loop {
        up.show_services();
        let step = async {
            match next_step {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(event) = manifests.recv(), if !up.control.is_pending() => {
                up.manifest(event);
                next_step = up.steps();
            }
            // Yields: whom a part is for should see to it before the next one.
            () = tokio::task::yield_now(), if up.control.is_pending() => {
                let work = up.control.next_part(SystemTime::now());
                up.take(work, false);
                next_step = up.steps();
            }
            Some(event) = events.recv() => up.replica(event),
            Some(order) = orders.recv() => up.scale(&order),
            Some(nack) = nacks.next() => say(
                Bad::Error,
                "refused",
                &format!("the gateway refused {}", nack.message),
                &[("type", json!(nack.type_url))],
            ),
            () = step => next_step = up.steps(),
            _ = beat.tick(), if up.watch.is_some() => up.show(),
            () = up.begun(), if up.settled.is_some() && !up.control.is_pending() => {
                up.settled = None;
                say(Bad::Info, "ready", "ready; Ctrl-C ends it", &[]);
            }
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            () = up.gateway.asked_to_quit() => break,
        }
    }
    output::show(None);
    say(Bad::Info, "stopping", "stopping; a second Ctrl-C does not wait", &[]);
    let Wired { platform, gateway, autoscaler, keep, .. } = up;
    drop(keep);
    let ending = async {
        // The gateway first: while replicas live, what is in flight can be answered.
        gateway.shutdown(GRACE).await;
        let drained = async { while events.recv().await.is_some() {} };
        tokio::join!(platform.shutdown(), async {
            tokio::select! { () = drained => {}, () = tokio::time::sleep(GRACE * 4) => {} }
        });
        autoscaler.shutdown().await;
        let _ = kept.await;
    };
    let forced = tokio::select! {
        () = ending => None,
        _ = interrupt.recv() => Some(SignalKind::interrupt()),
        _ = terminate.recv() => Some(SignalKind::terminate()),
    };
    let _ = std::fs::remove_file(prepared.socket);
    forced
}

struct Wired {
    control: forebay_xds_control::Control,
    platform: forebay_local::Platform,
    autoscaler: forebay_autoscaler::Autoscaler,
    gateway: forebay_gateway::Gateway,
    store: forebay_xds_server::Store,
    ready: Ready,
    keep: mpsc::UnboundedSender<Vec<Record>>,
    /// Services whose address has been told.
    shown: Tree<Key, ()>,
    /// There may be more of them: asked once for all that an event brought.
    untold: bool,
    port: u16,
    /// Once all manifests were read: until when those who watch wait for the first revisions to prove themselves.
    settled: Option<tokio::time::Instant>,
    /// For the live table, where there is one.
    watch: Option<Watch>,
}

impl Wired {
    fn manifest(&mut self, event: Manifest) {
        let settled = matches!(event, Manifest::Settled);
        let work = self.control.begin_source(event);
        self.take(work, false);
        if settled {
            self.settled = Some(tokio::time::Instant::now() + PROOF);
        }
    }

    /// Done when everything the first manifests ask for is in the gateway, or has failed, or takes too long.
    fn begun(&self) -> impl Future<Output = ()> + use<> {
        let late = self.settled.unwrap_or_else(tokio::time::Instant::now);
        // In this order: `select!` makes this future also where it is not going to wait for it.
        let proving = self.settled.is_some()
            && self.control.world().revisions().any(|(.., state)| *state == RevisionState::Starting);
        let (store, head) = (self.store.clone(), self.store.head());
        async move {
            if proving {
                // Asked anew after each event; without one nothing changes before the time is up.
                tokio::time::sleep_until(late).await;
            }
            // By a fixed time: this is asked anew after each event.
            let _ = tokio::time::timeout_at(late + OBEY, store.acked(head)).await;
        }
    }

    /// Takes the steps of rollouts that are due; when the next ones are.
    fn steps(&mut self) -> Option<tokio::time::Instant> {
        let now = SystemTime::now();
        let (work, next) = self.control.tick(now);
        self.take(work, false);
        let wait = next?.duration_since(now).unwrap_or_default();
        Some(tokio::time::Instant::now() + wait)
    }

    /// Does what a change means. `proven`: its revisions have been ready in an earlier life.
    fn take(&mut self, work: Work, proven: bool) {
        for line in &work.lines {
            let bad = match line.level {
                Level::Info => Bad::Info,
                Level::Warning => Bad::Warning,
                Level::Error => Bad::Error,
            };
            let place = line.place.as_ref().map_or_else(Vec::new, |(file, at)| {
                vec![("file", json!(file.display().to_string())), ("line", json!(at))]
            });
            say(bad, "manifest", &line.to_string(), &place);
        }
        if !work.records.is_empty() {
            let _ = self.keep.send(work.records);
        }
        let mut at_once = Vec::new();
        for run in work.runs {
            self.run(run, proven, &mut at_once);
        }
        if !at_once.is_empty() {
            let work = self.control.revision_states(&at_once, &RevisionState::Ready, SystemTime::now());
            self.take(work, false);
        }
        if let Some(watch) = &mut self.watch {
            watch.changed();
        }
        self.untold = true;
    }

    fn run(&mut self, run: Run, proven: bool, at_once: &mut Vec<RevisionKey>) {
        let (namespace, name) = (run.key.namespace.clone(), run.key.name.clone());
        let Some(revision) = run.revision else {
            self.autoscaler.remove(&namespace, &name);
            if let Some(watch) = &mut self.watch {
                watch.removed(&run.key);
            }
            self.platform.remove(&run.key);
            return;
        };
        let annotations =
            revision.metadata.annotations.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let concurrency = revision.spec.container_concurrency;
        match Settings::from_annotations(&annotations, concurrency, self.autoscaler.defaults()) {
            Ok(settings) => {
                let starts_at_zero = settings.initial_scale == 0;
                self.platform.ensure(Workload { key: run.key.clone(), revision, base_dir: run.home });
                if proven && run.state == RevisionState::Ready {
                    self.autoscaler.restore(namespace, name, settings, run.reachable);
                } else {
                    self.autoscaler.upsert(namespace, name, settings, run.reachable);
                    // Nothing will be started to prove it: it is taken at its word, as in Knative.
                    if starts_at_zero && run.state == RevisionState::Starting {
                        at_once.push(run.key);
                    }
                }
            }
            Err(error) => say(Bad::Error, "annotations", &format!("Revision {}: {error}", run.key), &[]),
        }
    }

    fn show(&mut self) {
        let Some(watch) = &mut self.watch else { return };
        if let Some(table) = watch.look(self.control.world(), &self.gateway, &self.ready, self.port) {
            output::show(Some(table));
        }
    }

    /// Says where each Service answers, once it is ready to.
    fn show_services(&mut self) {
        // A large file is applied in parts: all are looked at once, not after each part of them.
        if self.control.is_pending() || !std::mem::take(&mut self.untold) {
            return;
        }
        let mut lines = Vec::new();
        let world = self.control.world();
        let untold =
            world.roots().filter(|(kind, key)| *kind == Kind::Service && !self.shown.contains_key(*key));
        for service in untold.filter_map(|(_, key)| world.service(key)) {
            let ready = service.conditions.first().is_some_and(|c| c.status == Status::True);
            if ready {
                lines.push((service.key, service.url));
            }
        }
        for (key, url) in lines {
            let url = if self.port == 80 { url } else { format!("{url}:{}", self.port) };
            say(
                Bad::Info,
                "service",
                &format!("{key}: answers at {url}"),
                &[("service", json!(key.to_string())), ("url", json!(url))],
            );
            self.shown.insert(key, ());
        }
    }
}
