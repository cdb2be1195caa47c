//! What subscribers said: waiting until everybody took a change, and hearing what was refused. Knows nothing of streams'
//! messages.

use std::time::Instant;

use forebay_xds_wire::server::{Answered, Verdict};
use tokio::sync::broadcast;

use crate::store::Store;
use crate::store::streams::Wait;

/// The end of a wait for a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Connected streams that had a part in it.
    pub streams: usize,
    /// Of those, how many answered with a NACK: they may still run on what they had before.
    pub refused: usize,
}

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nack {
    /// Who refused: its node id.
    pub node: String,
    /// The type of the resource.
    pub type_url: String,
    /// Which resource, as far as the message says; none when it names none of those that were sent.
    pub resource: Option<String>,
    /// The subscriber's words.
    pub message: String,
}

/// Refusals as they come.
#[derive(Debug)]
pub struct Nacks(broadcast::Receiver<Nack>);

impl Nacks {
    /// The next refusal; none when the store is gone. A reader that is 256 behind loses the oldest.
    pub async fn next(&mut self) -> Option<Nack> {
        loop {
            match self.0.recv().await {
                Ok(nack) => return Some(nack),
                Err(broadcast::error::RecvError::Lagged(lost)) => {
                    tracing::warn!(lost, "refusals came faster than they were read; the oldest are lost");
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

impl Store {
    /// Waits until every connected subscriber has answered every change up to `seq` (see [`Store::head`], [`Store::batch`]),
    /// of every type it asked for. A NACK is an answer; [`Taken`] counts them.
    ///
    /// A subscriber that was cut off still counts for 3 s, since it goes on with what it has and will be back; one that
    /// finished its stream does not. With nobody connected this resolves at once. There is no other limit: a subscriber
    /// that never answers keeps it waiting, so put a time-out around it.
    pub async fn acked(&self, seq: u64) -> Taken {
        self.taken(None, seq).await
    }

    /// As [`Self::acked`], for one type only: what others are waiting for does not matter. This is what a drain wants of
    /// endpoints.
    pub async fn acked_of(&self, type_url: &str, seq: u64) -> Taken {
        self.taken(Some(type_url), seq).await
    }

    /// Refusals from now on.
    pub fn nacks(&self) -> Nacks {
        Nacks(self.shared().nacks.subscribe())
    }

    async fn taken(&self, type_url: Option<&str>, seq: u64) -> Taken {
        let mut progress = self.shared().progress.subscribe();
        loop {
            progress.mark_unchanged();
            let wait = self.lock().streams.wait(type_url, seq, Instant::now());
            match wait {
                Wait::Over { streams, refused } => return Taken { streams, refused },
                // The sender lives in `self`, so this cannot end.
                Wait::Answer => _ = progress.changed().await,
                Wait::Return(until) => {
                    _ = tokio::time::timeout_at(until.into(), progress.changed()).await;
                }
            }
        }
    }

    /// Counts an answer and tells of refusals.
    pub(crate) fn answered(&self, id: u64, node: &str, answered: Answered) {
        let Answered { type_url, names, verdict } = answered;
        let mut state = self.lock();
        match verdict {
            Verdict::Ack => {
                state.traffic.acks += 1;
                state.streams.verdict(id, &type_url, None);
            }
            Verdict::Nack { message } => {
                state.traffic.nacks += 1;
                state.streams.verdict(id, &type_url, Some(&message));
                drop(state);
                tracing::warn!(
                    node,
                    type_url,
                    message,
                    "a subscriber refused resources and keeps what it had of them"
                );
                let nack = |resource| Nack {
                    node: node.to_owned(),
                    type_url: type_url.clone(),
                    resource,
                    message: message.clone(),
                };
                let blamed = blamed(&message, &names);
                let resources =
                    if blamed.is_empty() { vec![None] } else { blamed.into_iter().map(Some).collect() };
                for resource in resources {
                    // Nobody listening is fine.
                    _ = self.shared().nacks.send(nack(resource));
                }
            }
        }
    }
}

/// The resources of a response that a NACK speaks of. There is no field for it; Envoy and our own client name them in the
/// text. A response of one resource needs no name.
fn blamed(message: &str, names: &[Box<str>]) -> Vec<String> {
    if let [only] = names {
        return vec![only.to_string()];
    }
    names.iter().filter(|name| mentions(message, name)).map(|name| name.to_string()).collect()
}

/// The name stands in the message as a whole, not as a part of a longer one.
fn mentions(message: &str, name: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '/');
    message.match_indices(name).any(|(at, _)| {
        let before = message.get(..at).and_then(|s| s.chars().next_back());
        let after = message.get(at + name.len()..).and_then(|s| s.chars().next());
        !before.is_some_and(part_of_name) && !after.is_some_and(part_of_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nack_blames_the_names_it_mentions_in_whole() {
        let names = ["default/hello-1", "default/hello-10", "other"].map(Box::from);
        assert_eq!(blamed("default/hello-10: no port", &names), ["default/hello-10"]);
        assert_eq!(
            blamed("Error adding cluster(s) other: x, default/hello-1: y", &names),
            ["default/hello-1", "other"]
        );
        assert_eq!(blamed("no idea", &names), [""; 0]);
        assert_eq!(blamed("no idea", &names[..1]), ["default/hello-1"]);
    }
}
