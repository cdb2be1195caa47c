//! Listeners, connections plain and TLS, what they begin with, timers, drain. Knows no HTTP semantics.

pub mod accept;
pub mod clock;
mod date;
pub mod drain;
pub mod limits;
pub mod listener;
mod local_address;
pub mod proxy_protocol;
pub mod sniff;
pub mod stream;
pub mod timer;
pub mod tls;
mod wheel;

pub use accept::{Accepted, Acceptor, Refused};
pub use clock::{Clock, Micros};
pub use date::DateLine;
pub use drain::{Drain, Guard, Phase, Ramp, WorkerDrain};
pub use limits::{Limit, Slot};
pub use listener::{BindError, Bound, Options};
pub use local_address::local_address;
pub use sniff::{Sniff, sniff};
pub use stream::{Meter, Stream};
pub use timer::{Timeout, Timer};
