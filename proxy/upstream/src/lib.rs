//! Connections of one worker to endpoints: opening, pooling, reuse. Knows endpoints by a number and an address, and nothing of
//! clusters, routes or retries.
//!
//! Everything here belongs to one worker and one thread. Idle HTTP/1.1 connections are taken last in, first out, so that a pool
//! shrinks by its cold end; a connection its peer has closed is found by what the reactor already heard, without a system call.
//! HTTP/2 connections are shared by all streams of the worker; a second one is opened when the first has no stream left. Each
//! connection has an owner, dropped with it, who counts it and decides whether it may be opened at all.

mod connect;
mod pool;
mod shared;
mod tie;

pub use connect::{ConnectError, Dial};
pub use pool::{EndpointId, Pooled, Pools, Reuse};
pub use shared::{OnShared, Stream};
pub use tie::{Keep, Owner, Tie, Why};
