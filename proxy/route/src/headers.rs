//! Header operations as plain data. Evaluating them is the engine's; the order of levels is [`crate::Matched`]'s.

use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use forebay_format::Format;

/// Headers one level (split, route, virtual host, table) adds and removes. One pointer wide: most levels do nothing, and a
/// route has three.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HeaderOps(Option<Box<HeaderLists>>);

impl HeaderOps {
    /// Does nothing.
    pub const NONE: Self = Self(None);

    /// Whether this level does nothing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl From<HeaderLists> for HeaderOps {
    fn from(lists: HeaderLists) -> Self {
        Self((!lists.is_empty()).then(|| Box::new(lists)))
    }
}

impl Deref for HeaderOps {
    type Target = HeaderLists;

    #[inline]
    fn deref(&self) -> &HeaderLists {
        self.0.as_deref().unwrap_or(&NO_LISTS)
    }
}

/// What [`HeaderOps`] that do nothing dereference to.
static NO_LISTS: LazyLock<HeaderLists> = LazyLock::new(HeaderLists::default);

/// What is done to the headers of the request and of the response.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HeaderLists {
    /// Added to the request, in this order.
    pub request_add: Box<[HeaderAdd]>,
    /// Removed from the request, lower-case, before this level's additions.
    pub request_remove: Box<[Arc<str>]>,
    /// Added to the response, in this order.
    pub response_add: Box<[HeaderAdd]>,
    /// Removed from the response, lower-case, before this level's additions.
    pub response_remove: Box<[Arc<str>]>,
}

impl HeaderLists {
    fn is_empty(&self) -> bool {
        self.request_add.is_empty()
            && self.request_remove.is_empty()
            && self.response_add.is_empty()
            && self.response_remove.is_empty()
    }
}

/// One header to add.
#[derive(Debug, Clone, PartialEq)]
pub struct HeaderAdd {
    /// Lower-case.
    pub name: Arc<str>,
    /// What it is set to.
    pub value: Value,
    /// What happens when it is there already.
    pub action: HeaderAddAction,
    /// Whether a value that comes out empty is added all the same.
    pub keep_empty: bool,
}

impl HeaderAdd {
    /// `name` in any case.
    pub fn new(name: &str, value: Value, action: HeaderAddAction) -> Self {
        Self { name: name.to_ascii_lowercase().into(), value, action, keep_empty: false }
    }
}

/// Envoy's `HeaderAppendAction`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HeaderAddAction {
    /// `APPEND_IF_EXISTS_OR_ADD`, the default: one more value.
    #[default]
    Append,
    /// `ADD_IF_ABSENT`: an existing value stays.
    AddIfAbsent,
    /// `OVERWRITE_IF_EXISTS_OR_ADD`: existing values go. What Knative's `appendHeaders` means.
    Overwrite,
    /// `OVERWRITE_IF_EXISTS`: nothing is added where nothing was.
    OverwriteIfExists,
}

/// A header's new value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// The same for every request.
    Literal(Arc<str>),
    /// Rendered for each request; what is not known then is left out.
    Format(Arc<Format>),
}

impl Value {
    /// Reads Envoy's format language: `%%` is a percent sign, `%NAME(..)%` a variable.
    ///
    /// # Errors
    /// A variable that does not end, or that nobody knows, is refused by name rather than sent as text.
    pub fn parse(text: &str) -> Result<Self, forebay_format::Invalid> {
        if !text.contains('%') {
            return Ok(Self::Literal(text.into()));
        }
        let format = Format::parse(text)?.omit_empty();
        Ok(match format.literal() {
            Some(literal) => Self::Literal(literal.into()),
            None => Self::Format(Arc::new(format)),
        })
    }
}

#[cfg(test)]
mod tests;
