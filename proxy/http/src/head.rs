//! A message head: one block of bytes and an index of (name, value) ranges into it. Knows no framing and no sockets.
//!
//! Parsing copies a head into the block once and lower-cases its names there; edits append to the block and mark fields dead;
//! writing walks the live fields. A reused `Head` allocates nothing.

use std::fmt;

use crate::known::Known;

mod edit;
mod lines;

use lines::lower;

/// The protocol a message came by or leaves by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// HTTP/1.0: no chunks, one request a connection unless it asks otherwise.
    H10,
    /// HTTP/1.1.
    #[default]
    H11,
    /// HTTP/2.
    H2,
}

impl Version {
    /// As access logs write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Version::H10 => "HTTP/1.0",
            Version::H11 => "HTTP/1.1",
            Version::H2 => "HTTP/2",
        }
    }
}

/// The scheme of a request's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum Scheme {
    #[default]
    Http,
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// A range of a head's block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) at: u32,
    pub(crate) len: u32,
}

#[derive(Debug, Clone, Copy)]
struct Field {
    name: Span,
    value: Span,
    known: Known,
    dead: bool,
}

/// A request's or a response's head. For requests `method`, `path`, `authority` and `scheme` are meaningful, for responses
/// `status`.
pub struct Head {
    block: Vec<u8>,
    fields: Vec<Field>,
    /// Known names that occur.
    present: u64,
    /// Index of the first live field of each known name that occurs; of others it says nothing.
    first: [u16; Known::COUNT],
    /// Known names that occur more than once.
    repeated: u64,
    /// The block as it was parsed, where somebody wants to know how names were written; empty otherwise.
    cased: Vec<u8>,
    method: Span,
    path: Span,
    authority: Option<Span>,
    /// The protocol the message came by.
    pub version: Version,
    /// Of a request.
    pub scheme: Scheme,
    /// Of a response; 0 for requests.
    pub status: u16,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            block: Vec::new(),
            fields: Vec::new(),
            present: 0,
            first: [0; Known::COUNT],
            repeated: 0,
            cased: Vec::new(),
            method: Span::default(),
            path: Span::default(),
            authority: None,
            version: Version::default(),
            scheme: Scheme::default(),
            status: 0,
        }
    }
}

impl Head {
    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.block.clear();
        self.fields.clear();
        self.present = 0;
        self.repeated = 0;
        self.cased.clear();
        self.method = Span::default();
        self.path = Span::default();
        self.authority = None;
        self.version = Version::H11;
        self.scheme = Scheme::Http;
        self.status = 0;
    }

    /// Bytes of the block: what the head costs while its request waits.
    pub fn size(&self) -> usize {
        self.block.len()
    }

    /// Live fields.
    pub fn len(&self) -> usize {
        self.fields.iter().filter(|f| !f.dead).count()
    }

    /// Whether there is no live field.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub(crate) fn bytes(&self, span: Span) -> &[u8] {
        self.block.get(span.at as usize..(span.at + span.len) as usize).unwrap_or_default()
    }

    fn append(&mut self, bytes: &[u8]) -> Span {
        let at = self.block.len() as u32;
        self.block.extend_from_slice(bytes);
        Span { at, len: bytes.len() as u32 }
    }

    // === filling

    /// Takes a copy of a parsed block, without the empty line that ends it: the next field's line then follows the last one's.
    /// Fields are then indexed with [`Head::index`].
    pub(crate) fn fill(&mut self, block: &[u8]) {
        self.clear();
        let lines = block.strip_suffix(b"\r\n").filter(|lines| lines.ends_with(b"\r\n")).unwrap_or(block);
        self.block.extend_from_slice(lines);
    }

    /// Remembers how the names of the block's fields are written, before they are indexed.
    pub(crate) fn keep_case(&mut self) {
        self.cased.extend_from_slice(&self.block);
    }

    /// Whether it knows how names were written.
    pub(crate) fn is_cased(&self) -> bool {
        !self.cased.is_empty()
    }

    /// A name as the peer wrote it, if it did, whatever has become of that field since.
    pub(crate) fn as_written(&self, name: &[u8]) -> Option<&[u8]> {
        let written = self.fields.iter().find(|field| {
            ((field.name.at + field.name.len) as usize) <= self.cased.len() && self.bytes(field.name) == name
        })?;
        let Span { at, len } = written.name;
        self.cased.get(at as usize..(at + len) as usize)
    }

    /// Indexes a field that lies in the block, lower-casing its name in place.
    #[inline]
    pub(crate) fn index(&mut self, name: Span, value: Span) -> Known {
        if let Some(bytes) = self.block.get_mut(name.at as usize..(name.at + name.len) as usize) {
            lower(bytes);
        }
        let known = Known::of(self.bytes(name));
        self.note(known);
        self.fields.push(Field { name, value, known, dead: false });
        known
    }

    #[inline]
    fn note(&mut self, known: Known) {
        self.repeated |= self.present & known.bit();
        if !self.has(known)
            && let Some(first) = self.first.get_mut(known as usize)
        {
            *first = self.fields.len() as u16;
            self.present |= known.bit();
        }
    }

    /// The block, to append fields to that are then noted by [`Head::push_spans`].
    #[inline]
    pub(crate) fn block_mut(&mut self) -> &mut Vec<u8> {
        &mut self.block
    }

    /// The block's bytes from there on.
    #[inline]
    pub(crate) fn since(&self, at: usize) -> &[u8] {
        self.block.get(at..).unwrap_or_default()
    }

    /// Takes the block's end back; no field may lie in it.
    pub(crate) fn truncate(&mut self, at: usize) {
        self.block.truncate(at);
    }

    /// Notes a field that lies in the block, its name resolved already.
    #[inline]
    pub(crate) fn push_spans(&mut self, name: Span, value: Span, known: Known) {
        self.note(known);
        self.fields.push(Field { name, value, known, dead: false });
    }

    /// Bytes that the head's memory takes beyond itself.
    pub(crate) fn capacity(&self) -> usize {
        self.block.capacity() + self.cased.capacity() + self.fields.capacity() * size_of::<Field>()
    }

    pub(crate) fn set_method_span(&mut self, span: Span) {
        self.method = span;
    }

    pub(crate) fn set_path_span(&mut self, span: Span) {
        self.path = span;
    }

    pub(crate) fn set_authority_span(&mut self, span: Span) {
        self.authority = Some(span);
    }

    pub(crate) fn span_of(&self, known: Known) -> Option<Span> {
        self.slot(known).and_then(|i| self.fields.get(i)).map(|f| f.value)
    }

    // === reading

    /// The method, as sent.
    #[inline]
    pub fn method(&self) -> &[u8] {
        self.bytes(self.method)
    }

    /// Path with query (origin-form); `*` for OPTIONS of the server; authority-form for CONNECT is empty here.
    #[inline]
    pub fn path(&self) -> &[u8] {
        self.bytes(self.path)
    }

    /// Host with port as the client gave it; empty when an HTTP/1.0 request had none.
    #[inline]
    pub fn authority(&self) -> &[u8] {
        self.authority.map(|s| self.bytes(s)).unwrap_or_default()
    }

    /// Whether it asks for a tunnel to its authority.
    #[inline]
    pub fn is_connect(&self) -> bool {
        self.method() == b"CONNECT"
    }

    /// Whether there is a host at all, be it an empty one.
    pub fn has_authority(&self) -> bool {
        self.authority.is_some()
    }

    /// Whether the response to this request has no body whatever it says.
    pub fn is_head(&self) -> bool {
        self.method() == b"HEAD"
    }

    #[inline]
    fn slot(&self, known: Known) -> Option<usize> {
        if !self.has(known) {
            return None;
        }
        self.first.get(known as usize).map(|&i| i as usize)
    }

    /// The first value of a known header.
    #[inline]
    pub fn known(&self, known: Known) -> Option<&[u8]> {
        self.span_of(known).map(|s| self.bytes(s))
    }

    /// Whether a known header occurs.
    #[inline]
    pub fn has(&self, known: Known) -> bool {
        self.present & known.bit() != 0
    }

    /// Whether a known header occurs more than once.
    #[inline]
    pub fn repeats(&self, known: Known) -> bool {
        self.repeated & known.bit() != 0
    }

    /// The first value of a header by its lower-case name.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        match Known::of(name) {
            Known::Other => self
                .fields
                .iter()
                .find(|f| !f.dead && self.bytes(f.name) == name)
                .map(|f| self.bytes(f.value)),
            known => self.known(known),
        }
    }

    /// All values of a header by its lower-case name, in order.
    pub fn values<'h, 'n>(&'h self, name: &'n [u8]) -> impl Iterator<Item = &'h [u8]> + use<'h, 'n> {
        self.fields.iter().filter(move |f| !f.dead && self.bytes(f.name) == name).map(|f| self.bytes(f.value))
    }

    /// All live fields in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8], Known)> {
        self.fields.iter().filter(|f| !f.dead).map(|f| (self.bytes(f.name), self.bytes(f.value), f.known))
    }

    /// Whether a comma-separated known header (all its lines) holds a token, case-insensitively.
    pub fn has_token(&self, known: Known, token: &[u8]) -> bool {
        if !self.has(known) {
            return false;
        }
        self.iter()
            .filter(|(_, _, k)| *k == known)
            .any(|(_, v, _)| tokens(v).any(|t| t.eq_ignore_ascii_case(token)))
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.status == 0 {
            write!(f, "{} {} {}", lossy(self.method()), lossy(self.authority()), lossy(self.path()))?;
        } else {
            write!(f, "{}", self.status)?;
        }
        f.debug_map().entries(self.iter().map(|(n, v, _)| (lossy(n), lossy(v)))).finish()
    }
}

fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// The tokens of a comma-separated value, without surrounding blanks, empty ones left out.
pub fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(|t| t.trim_ascii()).filter(|t| !t.is_empty())
}

#[cfg(test)]
mod tests;
