//! Why settings of TLS are refused. Knows no resource: whoever reads one puts the path in front.

use thiserror::Error;

/// What is wrong, and with which entry of the list it concerns.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{why}")]
pub struct Refused {
    /// The entry's index in its list: certificates, bundles.
    pub nth: usize,
    /// What is wrong.
    pub why: Why,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Why {
    /// A certificate chain that cannot be read.
    #[error("certificate chain: {0}")]
    Chain(String),
    /// A private key that cannot be read.
    #[error("private key: {0}")]
    Key(String),
    /// A key that is not its certificate's.
    #[error("the private key does not match the certificate of {0:?}")]
    Mismatch(String),
    /// No such cipher, or none that is spoken here.
    #[error("cipher suite {0:?} is not supported")]
    Cipher(Box<str>),
    /// No such group, or none that is spoken here.
    #[error("group {0:?} is not supported")]
    Group(Box<str>),
    /// No certificate authority can be read from what should hold some.
    #[error("trusted certificates: {0}")]
    Authorities(String),
    /// A server name that none can have.
    #[error("{0:?} is not a server name")]
    ServerName(Box<str>),
    /// Settings that do not go together, in the library's words.
    #[error("{0}")]
    Settings(String),
}

impl From<Why> for Refused {
    fn from(why: Why) -> Self {
        Refused { nth: 0, why }
    }
}

impl From<rustls::Error> for Refused {
    fn from(error: rustls::Error) -> Self {
        Why::Settings(error.to_string()).into()
    }
}
