//! TLS by rustls: sessions over sockets, settings of both sides, certificates. Knows no listeners and no clusters.

mod certificate;
mod client;
pub mod hello;
mod refused;
mod server;
mod stream;
mod verify;
mod words;

pub use certificate::{About, Pem, San, SanKind, about};
pub use client::{Asked, ClientSpec, ClientTls};
pub use hello::Hello;
pub use refused::{Refused, Why};
pub use server::{Clients, ServerSpec, ServerTls};
pub use stream::{Failure, HandshakeError, TlsStream};
pub use verify::{SanRule, Validation};
pub use words::{Params, Version};
