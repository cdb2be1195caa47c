//! The resource store and the ADS service. Knows nothing of Kubernetes or HTTP proxying.
//!
//! Write with [`Store::set`], [`Store::remove`], [`Store::batch`]; hand the store to [`serve()`]; wait with [`Store::acked`]
//! until every subscriber took a change; hear what they refused with [`Store::nacks`].

mod acks;
mod canonical;
mod record;
mod serve;
mod store;
mod stream;
mod table;

pub use acks::{Nack, Nacks, Taken};
pub use serve::{Listener, ServeError, serve};
pub use store::{Batch, Store, Subscriber, Traffic};
