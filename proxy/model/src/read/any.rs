//! Messages inside an `Any`: named by type, decoded, refused by type where nobody reads them. Knows no message.

use forebay_proto::Any;
use prost::{Message, Name};

use super::at::At;
use super::invalid::{Invalid, Rule};

/// The message's full name: its type URL without the host part.
pub(crate) fn name_of(type_url: &str) -> &str {
    type_url.rsplit('/').next().unwrap_or_default()
}

/// Whether this holds a `T`.
pub(crate) fn is<T: Name>(any: &Any) -> bool {
    name_of(&any.type_url) == T::full_name()
}

/// The `T` inside; another type is refused by name.
pub(crate) fn unpack<T: Message + Name + Default>(at: &At<'_>, any: &Any) -> Result<T, Invalid> {
    if is::<T>(any) { decode(at, &any.value) } else { Err(unknown(at, any)) }
}

/// The `T` that these bytes are.
pub(crate) fn decode<T: Message + Name + Default>(at: &At<'_>, bytes: &[u8]) -> Result<T, Invalid> {
    T::decode(bytes).map_err(|e| at.refuse(Rule::Undecodable { kind: T::full_name(), error: e.to_string() }))
}

/// Nobody here implements this extension.
pub(crate) fn unknown(at: &At<'_>, any: &Any) -> Invalid {
    at.field("@type").refuse(Rule::UnknownExtension(any.type_url.clone()))
}
