//! What passes between a client, its variant and its subscriber. Knows nothing of the state of a stream.

use std::time::Duration;

use forebay_proto::Body;
use forebay_proto::envoy::config::core::v3::Node;
use forebay_proto::google::rpc::Status;

#[cfg(doc)]
use super::{Client, DOES_NOT_EXIST};

/// One resource of a response.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Its name, from the wrapper in delta, from the body in state of the world.
    pub name: String,
    /// Its version: its own in delta, the response's in state of the world.
    pub version: String,
    /// The body, as it came.
    pub body: Body,
}

/// Why one resource was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The resource's name; empty when it has none.
    pub name: String,
    /// Why, for people.
    pub message: String,
}

/// A response, taken apart.
#[derive(Debug)]
pub struct Received {
    /// The type.
    pub type_url: String,
    /// State of the world, LDS and CDS: what `added` leaves out is gone.
    pub full: bool,
    /// New or changed resources. Each name once.
    pub added: Vec<Resource>,
    /// Names that are gone, or were asked for and do not exist.
    pub removed: Vec<String>,
    /// Resources that were refused for how they came, beside what `added` has of the same name.
    pub refused: Vec<Rejection>,
    /// What must be answered, once the subscriber has given its verdict.
    pub unanswered: Unanswered,
}

/// A response that waits for its answer. Give it back to [`Client::answer`], once.
#[derive(Debug)]
#[must_use = "every response must be answered"]
pub struct Unanswered {
    pub(super) type_url: String,
    pub(super) nonce: String,
    pub(super) version: String,
    /// The stream it came on; an answer to a stream that is gone is not sent.
    pub(super) stream: u64,
    pub(super) names: Vec<(String, String)>,
    pub(super) removed: Vec<String>,
    pub(super) full: bool,
    pub(super) faults: Vec<Rejection>,
}

impl Unanswered {
    /// The response's version; empty where the variant has none.
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// What time alone did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expired {
    /// State of the world: the name was asked for [`DOES_NOT_EXIST`] ago and did not come.
    Missing { type_url: String, name: String },
    /// The resource had a time to live and no heartbeat came: it is removed.
    Ttl { type_url: String, name: String },
}

/// One of the two protocol variants: how a message is taken apart and how one is put together.
pub trait Variant: Sized {
    /// What the client sends.
    type Request;
    /// What it gets.
    type Response;
    /// Resources have versions of their own and removals are told.
    const DELTA: bool;
    /// Takes a response apart.
    fn parse(response: Self::Response) -> Parsed;
    /// Puts a request together.
    fn request(draft: Draft) -> Self::Request;
}

/// A response without the differences of the variants.
#[derive(Debug, Default)]
pub struct Parsed {
    pub(crate) type_url: String,
    pub(crate) nonce: String,
    pub(crate) version: String,
    pub(crate) items: Vec<Item>,
    pub(crate) removed: Vec<String>,
    pub(crate) faults: Vec<Rejection>,
}

/// One resource of a response, maybe without a body (a heartbeat, or "no such host" in VHDS).
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) ttl: Option<Duration>,
    pub(crate) body: Option<Body>,
}

/// A request without the differences of the variants.
#[derive(Debug, Default)]
pub struct Draft {
    pub(crate) node: Option<Node>,
    pub(crate) type_url: String,
    pub(crate) nonce: String,
    pub(crate) error: Option<Status>,
    /// Delta: what is new; the whole list in a stream's first request.
    pub(crate) subscribe: Vec<String>,
    /// Delta only.
    pub(crate) unsubscribe: Vec<String>,
    /// Delta only: what the client holds, in a stream's first request.
    pub(crate) held: Vec<(String, String)>,
    /// State of the world only: the whole list.
    pub(crate) names: Vec<String>,
    /// State of the world only: the version accepted last.
    pub(crate) version: String,
}
