//! The loop between the link, the wire's state machine, the subscriber and the clock. Knows nothing of gRPC or sockets.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use forebay_base::rng::Rng;
use forebay_base::turn;
use forebay_xds_wire::client::{Client, Expired, Received};

use crate::backoff::Backoff;
use crate::link::{Event, Link, Rpc};
use crate::{Change, Config, Interest, Subscriber};

/// A stream that stood this long was a good one even if nothing came: after a restart of the control plane nothing does.
const GOOD: Duration = Duration::from_secs(5);

/// Unsent answers after which nothing more is read. An honest server waits for the answer to each; one that pushes without
/// reading must not fill our memory.
const MAX_BACKLOG: usize = 1024;

/// Pauses shorter than this are not worth a line of their own in the log.
const WORTH_A_LINE: Duration = Duration::from_secs(1);

struct Session<V: Rpc, S> {
    config: Config,
    wire: Client<V>,
    subscriber: S,
    backoff: Backoff,
    next_tick: Option<Instant>,
    /// When the stream was opened, while there is one.
    since: Option<Instant>,
    /// The subscriber was told that the stream stands.
    up: bool,
    /// The loss was logged; what follows until the return is the same story.
    told_lost: bool,
    /// Version and text of the last refusal of each type, until one of its responses is taken.
    told: HashMap<String, (String, String)>,
}

pub(crate) async fn run<V: Rpc, S: Subscriber>(
    config: Config,
    subscriber: S,
    shutdown: impl Future<Output = ()>,
) -> S {
    let mut wire = Client::<V>::with_nacks(config.node(), config.nacks, Instant::now());
    config.wildcards.iter().for_each(|type_url| wire.want_all(type_url));
    let mut link = Link::<V>::connect(&config);
    let pause = config.connection.pause;
    let mut session = Session {
        config,
        wire,
        subscriber,
        backoff: Backoff::new(pause, Rng::from_entropy()),
        next_tick: None,
        since: None,
        up: false,
        told_lost: false,
        told: HashMap::new(),
    };
    session.tick(Instant::now());
    let wakes = session.subscriber.wakes();
    let mut shutdown = pin!(shutdown);
    loop {
        let now = Instant::now();
        let deadline = session.wire.deadline(now).into_iter().chain(session.next_tick).min();
        let (read, write) = (session.wire.backlog() < MAX_BACKLOG, session.wire.has_request(now));
        tokio::select! {
            event = link.next(read, write) => session.on(event, &mut link),
            () = sleep_until(deadline) => turn::long(|| session.expire(Instant::now())),
            () = wakes.notified() => turn::long(|| session.tick(Instant::now())),
            () = &mut shutdown => break,
        }
    }
    link.goodbye().await;
    session.lost();
    session.subscriber
}

impl<V: Rpc, S: Subscriber> Session<V, S> {
    fn on(&mut self, event: Event<V::Response>, link: &mut Link<V>) {
        let now = Instant::now();
        match event {
            Event::Retry => *link = Link::connect(&self.config),
            Event::Connected(channel) => {
                self.wire.restart();
                self.since = Some(now);
                *link = Link::open(channel, &self.config);
            }
            Event::Accepted => self.found(),
            Event::Response(response) => {
                self.found();
                self.backoff.reset();
                // A response may be 10 MB, and requests are answered beside this thread.
                turn::long(|| self.apply(response, now));
            }
            Event::Room => {
                if let Some(request) = self.wire.next_request(now) {
                    link.send(request);
                }
            }
            Event::Lost(why) => {
                if self.since.is_some_and(|since| now >= since + GOOD) {
                    self.backoff.reset();
                }
                let pause = self.backoff.pause();
                self.tell_lost(&why, pause);
                self.lost();
                *link = Link::Pausing(now + pause);
            }
        }
    }

    fn apply(&mut self, response: V::Response, now: Instant) {
        let Received { type_url, full, added, removed, refused, unanswered } =
            self.wire.receive(response, now);
        let version = unanswered.version().to_owned();
        let outcome = self.subscriber.apply(&type_url, Change { full, added, removed, refused });
        // Wishes first: the server hears of what this change needs before it hears that it was taken.
        self.want(outcome.interests);
        let refusal = self.wire.answer(unanswered, &outcome.rejected).map(|message| (version, message));
        // A server that sends the same again is refused again, and nobody needs to read of it twice.
        if let Some((_, message)) =
            refusal.as_ref().filter(|refusal| self.told.get(&type_url) != Some(*refusal))
        {
            tracing::warn!(
                server = %self.config.target, type_url, message,
                "refused resources of the control plane; what was there before stays in use",
            );
        }
        match refusal {
            Some(refusal) => drop(self.told.insert(type_url, refusal)),
            None => drop(self.told.remove(&type_url)),
        }
        self.tick(now);
    }

    fn expire(&mut self, now: Instant) {
        for expired in self.wire.expire(now) {
            match expired {
                Expired::Missing { type_url, name } => {
                    tracing::warn!(server = %self.config.target, type_url, name, "the control plane does not have it");
                    let interests = self.subscriber.does_not_exist(&type_url, &name);
                    self.want(interests);
                }
                Expired::Ttl { type_url, name } => {
                    tracing::warn!(
                        type_url,
                        name,
                        "its time to live is over and the control plane did not renew it"
                    );
                    let change =
                        Change { full: false, added: Vec::new(), removed: vec![name], refused: Vec::new() };
                    let outcome = self.subscriber.apply(&type_url, change);
                    self.want(outcome.interests);
                }
            }
        }
        self.tick(now);
    }

    fn tick(&mut self, now: Instant) {
        let tick = self.subscriber.tick(now);
        self.next_tick = tick.next;
        self.want(tick.interests);
    }

    fn want(&mut self, interests: Vec<Interest>) {
        for Interest { type_url, add, remove } in interests {
            self.wire.unwant(&type_url, remove);
            self.wire.want(&type_url, add);
        }
    }

    fn found(&mut self) {
        if !self.up {
            self.up = true;
            self.told_lost = false;
            let kept = self.wire.held_in_all();
            tracing::info!(server = %self.config.target, node = self.config.node.id, kept, "connected to the control plane");
            self.subscriber.connected(true);
        }
    }

    fn lost(&mut self) {
        self.since = None;
        if std::mem::take(&mut self.up) {
            self.subscriber.connected(false);
        }
    }

    fn tell_lost(&mut self, why: &str, pause: Duration) {
        let (server, kept) = (&self.config.target, self.wire.held_in_all());
        let pause_ms = pause.as_millis() as u64;
        if !self.told_lost || pause >= WORTH_A_LINE {
            self.told_lost = true;
            tracing::warn!(%server, why, kept, pause_ms, "no control plane; everything it sent stays in use");
        } else {
            tracing::debug!(%server, why, kept, pause_ms, "no control plane yet");
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
