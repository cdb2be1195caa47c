//! Server and client of this repository over real sockets.

mod common;
mod flow;
mod reconnect;
