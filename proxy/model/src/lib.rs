//! What the data plane obeys, immutable; the only proxy crate that reads protobuf. Knows nothing of sockets.

mod access_log;
mod cluster;
mod http_manager;
mod listener;
mod names;
mod read;
mod revision;
