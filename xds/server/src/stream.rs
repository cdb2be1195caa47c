//! One ADS stream: the wire's state machine between tonic's two halves. Knows nothing of sockets.

use std::time::Instant;

use forebay_proto::envoy::service::discovery::v3::{DeltaDiscoveryResponse, DiscoveryResponse};
use forebay_xds_wire::server::{self as wire, Refusal, Variant};
use prost::Message;
use tokio::sync::{mpsc, watch};
use tonic::{Status, Streaming};

use crate::store::{Ending, Store};

/// A response that can be counted.
pub(crate) trait Countable: Message {
    fn resources(&self) -> usize;
}

impl Countable for DeltaDiscoveryResponse {
    fn resources(&self) -> usize {
        self.resources.len()
    }
}

impl Countable for DiscoveryResponse {
    fn resources(&self) -> usize {
        self.resources.len()
    }
}

/// What woke a stream.
enum Woken<'t, Q, R> {
    Asked(Result<Option<Q>, Status>),
    Room(Result<mpsc::Permit<'t, Result<R, Status>>, mpsc::error::SendError<()>>),
    Changed,
    Closing,
}

/// Serves one stream to its end. A response is made only when the transport has room for it: what changes before that is
/// in it, so a slow client gets less often, not more.
pub(crate) async fn drive<V>(
    store: Store,
    mut requests: Streaming<V::Request>,
    responses: mpsc::Sender<Result<V::Response, Status>>,
    mut closing: watch::Receiver<bool>,
    peer: String,
    delta: bool,
) where
    V: Variant,
    V::Response: Countable,
{
    let mut guest = Guest::new(store, delta, peer);
    let mut stream = wire::Stream::<V>::new();
    let mut changed = guest.store.shared().changed.subscribe();
    let mut news = false;
    loop {
        let deadline = stream.deadline(Instant::now());
        let woken = tokio::select! {
            asked = requests.message() => Woken::Asked(asked),
            room = responses.reserve(), if news => Woken::Room(room),
            _ = changed.changed() => Woken::Changed,
            () = sleep_until(deadline) => Woken::Changed,
            _ = closing.wait_for(|closing| *closing) => Woken::Closing,
        };
        let refusal = match woken {
            Woken::Asked(Ok(Some(request))) => {
                news = true;
                guest.receive(&mut stream, request).err()
            }
            Woken::Asked(Ok(None)) => return guest.leave(Ending::Finished, "it finished the stream"),
            Woken::Asked(Err(status)) => return guest.leave(Ending::Cut, status.message()),
            Woken::Room(Ok(permit)) => match guest.poll(&mut stream) {
                Ok(Some(response)) => {
                    permit.send(Ok(response));
                    None
                }
                Ok(None) => {
                    news = false;
                    None
                }
                Err(refusal) => Some(refusal),
            },
            Woken::Room(Err(_)) => return guest.leave(Ending::Cut, "the connection is gone"),
            Woken::Changed => {
                news = true;
                None
            }
            Woken::Closing => return guest.leave(Ending::Cut, "this server is stopping"),
        };
        if let Some(refusal) = refusal {
            let text = refusal.to_string();
            let status = match refusal {
                Refusal::NoType => Status::invalid_argument(&text),
                Refusal::FellBehind { .. } => Status::unavailable(&text),
            };
            // If there is no room, the end of the stream says enough.
            _ = responses.try_send(Err(status));
            return guest.leave(Ending::Cut, &text);
        }
    }
}

/// A stream's entry in the store, for as long as the stream lives: also when its task is dropped.
struct Guest {
    store: Store,
    id: u64,
    peer: String,
    delta: bool,
    node: String,
    ending: Ending,
}

impl Guest {
    fn new(store: Store, delta: bool, peer: String) -> Self {
        let id = store.lock().streams.join(delta);
        Self { store, id, peer, delta, node: String::new(), ending: Ending::Cut }
    }

    fn receive<V: Variant>(
        &mut self,
        stream: &mut wire::Stream<V>,
        request: V::Request,
    ) -> Result<(), Refusal> {
        let result = stream.receive(request, &self.store.lock().tables, Instant::now());
        if self.node != stream.node().id {
            self.node.clone_from(&stream.node().id);
            let agent = stream.node().user_agent_name.as_str();
            tracing::info!(
                node = self.node,
                agent,
                peer = self.peer,
                delta = self.delta,
                "a subscriber came"
            );
        }
        if let Some(answered) = result? {
            self.store.answered(self.id, &self.node, answered);
        }
        self.note(stream);
        Ok(())
    }

    fn poll<V>(&mut self, stream: &mut wire::Stream<V>) -> Result<Option<V::Response>, Refusal>
    where
        V: Variant,
        V::Response: Countable,
    {
        let mut state = self.store.lock();
        let response = stream.poll(&state.tables, Instant::now())?.map(|response| response.message);
        if let Some(response) = &response {
            state.traffic.responses += 1;
            state.traffic.resources += response.resources() as u64;
            state.traffic.bytes += response.encoded_len() as u64;
        }
        drop(state);
        self.note(stream);
        Ok(response)
    }

    fn note<V: Variant>(&self, stream: &wire::Stream<V>) {
        let mut state = self.store.lock();
        let news = state.streams.note(self.id, &self.node, stream.positions());
        if news {
            state.prune();
            drop(state);
            self.store.shared().progress.send_modify(|count| *count += 1);
        }
    }

    fn leave(mut self, ending: Ending, why: &str) {
        self.ending = ending;
        tracing::info!(
            node = self.node,
            peer = self.peer,
            why,
            "a subscriber left; it goes on with what it has"
        );
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut state = self.store.lock();
        state.streams.leave(self.id, self.ending, Instant::now());
        state.prune();
        drop(state);
        self.store.shared().progress.send_modify(|count| *count += 1);
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
