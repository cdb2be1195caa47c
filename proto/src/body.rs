//! A resource as it comes from a control plane.

use prost::Message;
use prost::bytes::Bytes;

use crate::Any;

/// The same on the wire as [`Any`]. Its value is a part of the message it came in and no copy: route configurations of 10 MB come.
#[derive(Clone, PartialEq, Message)]
pub struct Body {
    /// `type.googleapis.com/` and the message's full name.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The encoded message.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

impl From<Any> for Body {
    fn from(any: Any) -> Self {
        Self { type_url: any.type_url, value: any.value.into() }
    }
}
