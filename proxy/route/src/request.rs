//! What routing wants to know of a request. Knows nothing of how a head is stored.

/// A request's head, as hygiene left it. Implemented by the engine over its own `Head`.
pub trait RequestView {
    /// `:authority`, or the `Host` header; empty when there is none.
    fn authority(&self) -> &[u8];

    /// `:path` with its query; empty for CONNECT without a path.
    fn path(&self) -> &[u8];

    /// The method, in the request's own case.
    fn method(&self) -> &[u8];

    /// `http` or `https`.
    fn scheme(&self) -> &[u8];

    /// Hands over every value of a header in order of arrival. `name` is lower-case; matching it is the view's work.
    fn each_header<'a>(&'a self, name: &str, value: &mut dyn FnMut(&'a [u8]));

    /// The first value of a header. `name` is lower-case.
    fn header(&self, name: &str) -> Option<&[u8]> {
        let mut first = None;
        self.each_header(name, &mut |value| first = first.or(Some(value)));
        first
    }
}

/// A request's head as plain text, for whoever has no connection: explanations and tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainRequest {
    pub authority: String,
    pub path: String,
    pub method: String,
    pub scheme: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
}

impl PlainRequest {
    /// `GET`, in clear text, without headers.
    pub fn get(authority: &str, path: &str) -> Self {
        let [authority, path, method, scheme] = [authority, path, "GET", "http"].map(str::to_owned);
        Self { authority, path, method, scheme, headers: Vec::new() }
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl RequestView for PlainRequest {
    fn authority(&self) -> &[u8] {
        self.authority.as_bytes()
    }

    fn path(&self) -> &[u8] {
        self.path.as_bytes()
    }

    fn method(&self) -> &[u8] {
        self.method.as_bytes()
    }

    fn scheme(&self) -> &[u8] {
        self.scheme.as_bytes()
    }

    fn each_header<'a>(&'a self, name: &str, value: &mut dyn FnMut(&'a [u8])) {
        self.headers.iter().filter(|(known, _)| known == name).for_each(|(_, it)| value(it.as_bytes()));
    }
}
