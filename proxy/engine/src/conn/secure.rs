//! What is known of a connection's TLS, for logs and headers. Knows no handshake.

use forebay_net::tls::{Hello, TlsStream};

/// TLS of one connection.
pub(crate) struct Secure {
    /// As `TLSv1.3`.
    pub(crate) version: &'static str,
    /// As OpenSSL names it.
    pub(crate) cipher: &'static str,
    /// The name the client asked for.
    pub(crate) server_name: Option<Box<str>>,
}

impl Secure {
    pub(crate) fn new(hello: Hello, tls: &TlsStream) -> Self {
        Self { version: tls.version(), cipher: tls.cipher(), server_name: hello.server_name }
    }
}
