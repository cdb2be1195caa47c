//! The static table and the dynamic one. Knows no encoding.

use std::collections::VecDeque;

/// RFC 7541 appendix A; the first has number 1.
pub(crate) static STATIC: [(&[u8], &[u8]); 61] = [
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
];

/// The number of a regular header's name, the first of them where there are several; 0: none.
pub(crate) fn static_name(name: &[u8]) -> usize {
    // Names of fifteen bytes are looked for among names of fifteen bytes: the compiler makes a tree of it.
    match name {
        b":authority" => 1,
        b":method" => 2,
        b":path" => 4,
        b":scheme" => 6,
        b":status" => 8,
        b"accept-charset" => 15,
        b"accept-encoding" => 16,
        b"accept-language" => 17,
        b"accept-ranges" => 18,
        b"accept" => 19,
        b"access-control-allow-origin" => 20,
        b"age" => 21,
        b"allow" => 22,
        b"authorization" => 23,
        b"cache-control" => 24,
        b"content-disposition" => 25,
        b"content-encoding" => 26,
        b"content-language" => 27,
        b"content-length" => 28,
        b"content-location" => 29,
        b"content-range" => 30,
        b"content-type" => 31,
        b"cookie" => 32,
        b"date" => 33,
        b"etag" => 34,
        b"expect" => 35,
        b"expires" => 36,
        b"from" => 37,
        b"host" => 38,
        b"if-match" => 39,
        b"if-modified-since" => 40,
        b"if-none-match" => 41,
        b"if-range" => 42,
        b"if-unmodified-since" => 43,
        b"last-modified" => 44,
        b"link" => 45,
        b"location" => 46,
        b"max-forwards" => 47,
        b"proxy-authenticate" => 48,
        b"proxy-authorization" => 49,
        b"range" => 50,
        b"referer" => 51,
        b"refresh" => 52,
        b"retry-after" => 53,
        b"server" => 54,
        b"set-cookie" => 55,
        b"strict-transport-security" => 56,
        b"transfer-encoding" => 57,
        b"user-agent" => 58,
        b"vary" => 59,
        b"via" => 60,
        b"www-authenticate" => 61,
        _ => 0,
    }
}

/// What RFC 7541 4.1 adds to the bytes of an entry.
pub(crate) const OVERHEAD: usize = 32;

#[derive(Debug, Clone, Copy)]
struct Entry<T> {
    /// Where its name begins, counted from the first byte that ever was in the table.
    at: usize,
    name: usize,
    value: usize,
    tag: T,
}

/// The dynamic table. All bytes lie in one row, oldest first; what is dropped in front is cut off now and then.
#[derive(Debug)]
pub(crate) struct Table<T> {
    bytes: Vec<u8>,
    /// Bytes that have been cut off.
    base: usize,
    entries: VecDeque<Entry<T>>,
    size: usize,
    most: usize,
}

impl<T: Copy> Table<T> {
    pub(crate) fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), base: 0, entries: VecDeque::new(), size: 0, most }
    }

    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Changes how much it may hold.
    pub(crate) fn resize(&mut self, most: usize) {
        self.most = most;
        self.evict(0);
    }

    fn evict(&mut self, coming: usize) {
        while self.size + coming > self.most {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.size -= oldest.name + oldest.value + OVERHEAD;
        }
        let used = self.entries.front().map_or(self.base + self.bytes.len(), |entry| entry.at);
        if used - self.base > self.most || self.entries.is_empty() {
            self.bytes.drain(..used - self.base);
            self.base = used;
        }
    }

    /// Adds an entry, whose name is the first `name` bytes of `both`. One that is larger than the table empties it.
    pub(crate) fn insert(&mut self, both: &[u8], name: usize, tag: T) {
        let coming = both.len() + OVERHEAD;
        self.evict(coming);
        if coming > self.most {
            return;
        }
        let at = self.base + self.bytes.len();
        self.bytes.extend_from_slice(both);
        self.entries.push_back(Entry { at, name, value: both.len() - name, tag });
        self.size += coming;
    }

    /// The entry with this number, 0 being the newest: name and value in a row, length of the name, tag.
    #[inline]
    pub(crate) fn get(&self, number: usize) -> Option<(&[u8], usize, T)> {
        let entry = self.entries.get(self.entries.len().checked_sub(number + 1)?)?;
        Some((self.both(entry), entry.name, entry.tag))
    }

    #[inline]
    fn both(&self, entry: &Entry<T>) -> &[u8] {
        let at = entry.at - self.base;
        self.bytes.get(at..at + entry.name + entry.value).unwrap_or_default()
    }

    /// The number and the tag of each entry, oldest first.
    #[inline]
    pub(crate) fn tags(&self) -> impl Iterator<Item = (usize, T)> {
        let newest = self.entries.len().wrapping_sub(1);
        self.entries.iter().enumerate().map(move |(i, entry)| (newest - i, entry.tag))
    }

    #[cfg(test)]
    pub(crate) fn size(&self) -> usize {
        self.size
    }
}
