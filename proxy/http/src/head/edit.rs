//! Changes to a head: the request line, fields set, added and removed. Old bytes stay in the block as dead weight until the head
//! is cleared. Knows no framing.

use super::{Field, Head, Span, tokens};
use crate::known::Known;

impl Head {
    /// Sets the request line's parts; the authority is kept apart from the fields.
    pub fn set_request(&mut self, method: &[u8], path: &[u8], authority: &[u8]) {
        self.method = self.append(method);
        self.path = self.append(path);
        if !authority.is_empty() {
            self.authority = Some(self.append(authority));
        }
    }

    /// Replaces the method.
    pub fn set_method(&mut self, method: &[u8]) {
        self.method = self.append(method);
    }

    /// Replaces the path with query.
    pub fn set_path(&mut self, path: &[u8]) {
        self.path = self.append(path);
    }

    /// Replaces the authority.
    pub fn set_authority(&mut self, authority: &[u8]) {
        self.authority = Some(self.append(authority));
    }

    /// Adds a field; the name is lower-case.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.push_as(name, value, Known::of(name));
    }

    /// Adds a field of a known name.
    pub fn push_known(&mut self, known: Known, value: &[u8]) {
        self.push_as(known.name(), value, known);
    }

    /// Replaces all fields of a known name by one.
    pub fn set_known(&mut self, known: Known, value: &[u8]) {
        self.remove_known(known);
        self.push_known(known, value);
    }

    /// The block gets it as a line of HTTP/1.1, so that lines that follow each other can be written as one.
    #[inline]
    fn push_as(&mut self, name: &[u8], value: &[u8], known: Known) {
        self.block.reserve(name.len() + value.len() + 4);
        let name = self.append(name);
        self.block.extend_from_slice(b": ");
        let value = self.append(value);
        self.block.extend_from_slice(b"\r\n");
        self.note(known);
        self.fields.push(Field { name, value, known, dead: false });
    }

    /// Replaces all fields of a name by one.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        self.remove(name);
        self.push(name, value);
    }

    /// Adds to a comma-separated header, or creates it. There is one line in the end, as when Envoy appends
    /// x-forwarded-for: what a client sent last must not come behind what is added here.
    pub fn append_to(&mut self, known: Known, value: &[u8]) {
        let Some(old) = self.span_of(known) else { return self.push(known.name(), value) };
        let at = self.block.len() as u32;
        self.block.extend_from_within(old.at as usize..(old.at + old.len) as usize);
        if self.repeats(known) {
            let first = self.slot(known);
            for i in 0..self.fields.len() {
                let Some(field) = self.fields.get_mut(i) else { break };
                if field.known == known && !field.dead && Some(i) != first {
                    field.dead = true;
                    let more = field.value;
                    self.block.extend_from_slice(b",");
                    self.block.extend_from_within(more.at as usize..(more.at + more.len) as usize);
                }
            }
            self.repeated &= !known.bit();
        }
        self.block.extend_from_slice(b",");
        self.block.extend_from_slice(value);
        let len = self.block.len() as u32 - at;
        if let Some(field) = self.slot(known).and_then(|i| self.fields.get_mut(i)) {
            field.value = Span { at, len };
        }
    }

    /// Makes one line of a comma-separated header that has several.
    pub fn join(&mut self, known: Known) {
        let name = known.name();
        let joined = self.values(name).collect::<Vec<_>>().join(&b","[..]);
        self.set(name, &joined);
    }

    /// Removes all fields of a known name.
    pub fn remove_known(&mut self, known: Known) {
        let Some(first) = self.slot(known) else { return };
        if let Some(f) = self.fields.get_mut(first) {
            f.dead = true;
        }
        if self.repeats(known) {
            self.fields.iter_mut().filter(|f| f.known == known).for_each(|f| f.dead = true);
            self.repeated &= !known.bit();
        }
        self.present &= !known.bit();
    }

    /// Removes all fields of a lower-case name; whether there was any.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        match Known::of(name) {
            Known::Other => {
                let mut any = false;
                for i in 0..self.fields.len() {
                    let Some(f) = self.fields.get(i).copied() else { break };
                    if !f.dead && f.known == Known::Other && self.bytes(f.name) == name {
                        any = true;
                        if let Some(f) = self.fields.get_mut(i) {
                            f.dead = true;
                        }
                    }
                }
                any
            }
            known => {
                let any = self.has(known);
                self.remove_known(known);
                any
            }
        }
    }

    /// Removes what belongs to one connection only: the hop-by-hop names and whatever `Connection` names. `te: trailers`
    /// stays, since gRPC servers insist on it (RFC 9110 10.1.4 lets an intermediary that keeps trailers say so).
    pub fn strip_hop_by_hop(&mut self) {
        const ALL: u64 = Known::Connection.bit()
            | Known::KeepAlive.bit()
            | Known::ProxyConnection.bit()
            | Known::Te.bit()
            | Known::Trailer.bit()
            | Known::TransferEncoding.bit()
            | Known::Upgrade.bit()
            | Known::Http2Settings.bit();
        if self.present & ALL == 0 {
            return;
        }
        let trailers = self.has(Known::Te) && self.has_token(Known::Te, b"trailers");
        if self.has(Known::Connection) {
            self.strip_named_by_connection();
        }
        for known in [
            Known::Connection,
            Known::KeepAlive,
            Known::ProxyConnection,
            Known::Te,
            Known::TransferEncoding,
            Known::Upgrade,
            Known::Http2Settings,
        ] {
            self.remove_known(known);
        }
        // Of an answer it names the trailers that will come, and they will.
        if self.status == 0 {
            self.remove_known(Known::Trailer);
        }
        if trailers && self.status == 0 {
            self.push(b"te", b"trailers");
        }
    }

    fn strip_named_by_connection(&mut self) {
        // Rare beyond `close`, `keep-alive` and `upgrade`, so a copy of the value is no loss.
        let mut named: Vec<Vec<u8>> = Vec::new();
        for (_, value, known) in self.iter() {
            if known == Known::Connection {
                for token in tokens(value) {
                    let plain = [&b"close"[..], b"keep-alive", b"upgrade", b"te", b"http2-settings"];
                    if !plain.iter().any(|p| token.eq_ignore_ascii_case(p)) {
                        named.push(token.to_ascii_lowercase());
                    }
                }
            }
        }
        for name in named {
            // Framing and the authority are not a client's to remove this way.
            if !matches!(Known::of(&name), Known::Host | Known::ContentLength | Known::TransferEncoding) {
                self.remove(&name);
            }
        }
    }
}
