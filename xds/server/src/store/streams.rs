//! Who is connected and where they stand. Knows nothing of resources.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use forebay_xds_wire::server::Position;

/// How long a subscriber that was cut off still counts as connected: it goes on with what it has, and our own client is
/// back within a fraction of this (its back-off starts at 10 ms).
pub(crate) const AWAY: Duration = Duration::from_secs(3);

#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: BTreeMap<u64, Open>,
    away: Vec<Away>,
    last_id: u64,
}

/// A connected stream.
#[derive(Debug)]
struct Open {
    node: String,
    delta: bool,
    lanes: Vec<Lane>,
    last_nack: Option<String>,
}

#[derive(Debug, Clone)]
struct Lane {
    type_url: Box<str>,
    answered: u64,
    removals_sent: u64,
    refused: bool,
}

/// A subscriber that was cut off.
#[derive(Debug)]
struct Away {
    node: String,
    until: Instant,
    types: Vec<Box<str>>,
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The client said that it is done.
    Finished,
    /// It was cut off, by either side; the client may be back.
    Cut,
}

/// One connected subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// Its node id.
    pub node: String,
    /// Incremental, not state of the world.
    pub delta: bool,
    /// Per type: the number of the change up to which it has answered everything.
    pub answered: Vec<(String, u64)>,
    /// Its last complaint.
    pub last_nack: Option<String>,
}

/// Where the wait for a change stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Everybody answered: how many streams there are, and how many of them refused the last response.
    Over { streams: usize, refused: usize },
    /// A stream has yet to answer.
    Answer,
    /// Only somebody who was cut off is missing, and counts until then.
    Return(Instant),
}

impl Streams {
    pub(crate) fn join(&mut self, delta: bool) -> u64 {
        self.last_id += 1;
        let open = Open { node: String::new(), delta, lanes: Vec::new(), last_nack: None };
        self.open.insert(self.last_id, open);
        self.last_id
    }

    /// Notes where a stream stands; true when that is news to somebody who waits.
    pub(crate) fn note<'a>(
        &mut self,
        id: u64,
        node: &str,
        positions: impl Iterator<Item = Position<'a>>,
    ) -> bool {
        let Some(open) = self.open.get_mut(&id) else { return false };
        if open.node != node {
            node.clone_into(&mut open.node);
        }
        let mut news = false;
        for Position { type_url, answered, removals_sent } in positions {
            match open.lanes.iter_mut().find(|lane| *lane.type_url == *type_url) {
                Some(lane) => {
                    news |= lane.answered != answered || lane.removals_sent != removals_sent;
                    lane.answered = answered;
                    lane.removals_sent = removals_sent;
                }
                None => {
                    news = true;
                    open.lanes.push(Lane {
                        type_url: type_url.into(),
                        answered,
                        removals_sent,
                        refused: false,
                    });
                }
            }
        }
        if news {
            // Back with all it had: from here on its own answers count.
            let lanes = &open.lanes;
            let back =
                |types: &[Box<str>]| types.iter().all(|t| lanes.iter().any(|lane| lane.type_url == *t));
            self.away.retain(|away| away.node != node || !back(&away.types));
        }
        news
    }

    pub(crate) fn verdict(&mut self, id: u64, type_url: &str, nack: Option<&str>) {
        let Some(open) = self.open.get_mut(&id) else { return };
        if let Some(lane) = open.lanes.iter_mut().find(|lane| *lane.type_url == *type_url) {
            lane.refused = nack.is_some();
        }
        if let Some(message) = nack {
            open.last_nack = Some(message.to_owned());
        }
    }

    pub(crate) fn leave(&mut self, id: u64, ending: Ending, now: Instant) {
        let Some(open) = self.open.remove(&id) else { return };
        self.away.retain(|away| away.until > now);
        if ending == Ending::Cut && !open.lanes.is_empty() {
            let types = open.lanes.into_iter().map(|lane| lane.type_url).collect();
            self.away.push(Away { node: open.node, until: now + AWAY, types });
        }
    }

    /// The number up to which every stream that asked for a type was sent its removals; none when nobody asked.
    pub(crate) fn removals_sent(&self, type_url: &str) -> Option<u64> {
        self.lanes(Some(type_url)).map(|lane| lane.removals_sent).min()
    }

    /// Whether everybody who asked for a type (for any, when none is given) has answered everything up to `seq`.
    pub(crate) fn wait(&self, type_url: Option<&str>, seq: u64, now: Instant) -> Wait {
        if self.lanes(type_url).any(|lane| lane.answered < seq) {
            return Wait::Answer;
        }
        let counts = |away: &&Away| {
            away.until > now && type_url.is_none_or(|wanted| away.types.iter().any(|t| **t == *wanted))
        };
        if let Some(until) = self.away.iter().filter(counts).map(|away| away.until).max() {
            return Wait::Return(until);
        }
        let concerned = |open: &&Open| open.lanes.iter().any(|lane| matches(type_url, lane));
        let refused = |open: &&Open| open.lanes.iter().any(|lane| matches(type_url, lane) && lane.refused);
        let streams = self.open.values().filter(concerned).count();
        Wait::Over { streams, refused: self.open.values().filter(refused).count() }
    }

    pub(crate) fn list(&self) -> Vec<Subscriber> {
        let subscriber = |open: &Open| Subscriber {
            node: open.node.clone(),
            delta: open.delta,
            answered: open.lanes.iter().map(|lane| (lane.type_url.to_string(), lane.answered)).collect(),
            last_nack: open.last_nack.clone(),
        };
        self.open.values().map(subscriber).collect()
    }

    fn lanes(&self, type_url: Option<&str>) -> impl Iterator<Item = &Lane> {
        self.open.values().flat_map(|open| &open.lanes).filter(move |lane| matches(type_url, lane))
    }
}

fn matches(type_url: Option<&str>, lane: &Lane) -> bool {
    type_url.is_none_or(|wanted| *wanted == *lane.type_url)
}
