//! TLS by rustls: sessions over sockets. Knows no listeners and no clusters.

mod stream;

pub use stream::{HandshakeError, TlsStream};
