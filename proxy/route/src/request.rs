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
