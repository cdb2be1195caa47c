//! Admission and endpoint choice, pure. Knows no sockets; time is an argument; wakers are the standard library's.
//!
//! A request that wants to run asks the [`Gate`] of its revision: it gets a [`Permit`] now, or a [`Wait`] that becomes one
//! in its turn, or is told why the room is [`Full`]. With the permit it takes a [`Seat`] at one of the [`Endpoints`].
//! Everything is given back by dropping it, in whatever state it is.

mod breakers;
mod endpoint;
mod endpoints;
mod gate;
mod meter;
mod permit;
mod room;
mod tally;
mod turn;
mod wait;
mod word;

pub use breakers::{Breakers, Use};
pub use endpoint::{Endpoint, EndpointLease, Seat};
pub use endpoints::Endpoints;
pub use gate::{Capacity, Gate};
pub use meter::{Meter, Sample};
pub use permit::Permit;
pub use room::{Bounds, Full, Totals};
pub use tally::Event;
pub use turn::Turn;
pub use wait::Wait;
