//! The xDS protocol as sans-IO state machines, both sides, delta and state of the world. Knows nothing of tokio or tonic.
//!
//! [`client::Client`] turns wishes into requests and responses into changes; [`server::Stream`] turns requests and a
//! [`server::Catalog`] into responses. Both are driven from outside: messages in, messages out, time as an argument.
//! The rules are those of Envoy's `xds_protocol.rst`; each is written down at the field or function that keeps it.

pub mod client;
mod kind;
pub mod server;
mod subscription;

pub use kind::{Kind, namespace};
pub use subscription::{Subscription, WILDCARD};

/// `google.rpc.Code.INVALID_ARGUMENT`: the code of every NACK.
pub const INVALID_ARGUMENT: i32 = 3;

/// `google.rpc.Code.NOT_FOUND`: a resource error that means "removed".
pub const NOT_FOUND: i32 = 5;
