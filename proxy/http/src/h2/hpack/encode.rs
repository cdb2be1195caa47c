//! Fields into header blocks. Owns the choice of representation; what is worth a place in the table is the caller's to say.

use super::huffman;
use super::table::{OVERHEAD, STATIC, Table, static_name};
use super::{TABLE_SIZE, put_int};

/// What a field is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worth {
    /// It will come again: it goes into the table.
    Table,
    /// Its name will, with another value: one entry lends its name to all.
    Name,
    /// It will not come again.
    Nothing,
    /// It is secret: no table on the way may hold it (RFC 7541 7.1.3).
    Secret,
}

/// Marks of an entry: of its name, and of both.
#[derive(Debug, Clone, Copy)]
struct Marks {
    name: u32,
    both: u32,
}

/// One direction's state.
#[derive(Debug)]
pub(crate) struct Encoder {
    table: Table<Marks>,
    /// The least that the table was made since the last block, where that has to be said.
    shrunk: Option<usize>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { table: Table::new(TABLE_SIZE), shrunk: None }
    }
}

impl Encoder {
    /// The peer holds no more than this; we never use more than the usual.
    pub(crate) fn limit(&mut self, most: usize) {
        let most = most.min(TABLE_SIZE);
        if most != self.table.most() || self.shrunk.is_some() {
            self.shrunk = Some(self.shrunk.map_or(most, |least| least.min(most)));
            self.table.resize(most);
        }
    }

    /// To be called before the first field of a block.
    pub(crate) fn begin(&mut self, out: &mut Vec<u8>) {
        if let Some(least) = self.shrunk.take() {
            if least < self.table.most() {
                put_int(least, 5, 0x20, out);
            }
            put_int(self.table.most(), 5, 0x20, out);
        }
    }

    /// A field that is in the static table as a whole.
    #[inline]
    pub(crate) fn known(&self, number: u8, out: &mut Vec<u8>) {
        out.push(0x80 | number);
    }

    /// Any field. `worth` is asked for what is not in the table.
    #[inline]
    pub(crate) fn field(
        &mut self,
        name: &[u8],
        value: &[u8],
        worth: impl FnOnce() -> Worth,
        out: &mut Vec<u8>,
    ) {
        let name_mark = mark(0, name);
        let marks = Marks { name: name_mark, both: mark(name_mark, value) };
        let mut named = None;
        for (number, there) in self.table.tags() {
            if there.name != marks.name {
                continue;
            }
            let Some((both, length, _)) = self.table.get(number) else { continue };
            let (its_name, its_value) = both.split_at_checked(length).unwrap_or_default();
            if its_name != name {
                continue;
            }
            if there.both == marks.both && its_value == value {
                return put_int(number + STATIC.len() + 1, 7, 0x80, out);
            }
            named = Some(number + STATIC.len() + 1);
        }
        self.literal(name, value, worth(), named, marks, out);
    }

    fn literal(
        &mut self,
        name: &[u8],
        value: &[u8],
        worth: Worth,
        named: Option<usize>,
        marks: Marks,
        out: &mut Vec<u8>,
    ) {
        let fixed = static_name(name);
        let number = if fixed == 0 { named.unwrap_or_default() } else { fixed };
        let fits = (name.len() + value.len() + OVERHEAD) * 4 <= self.table.most() * 3;
        let adds = fits && (worth == Worth::Table || (worth == Worth::Name && number == 0));
        match worth {
            _ if adds => put_int(number, 6, 0x40, out),
            Worth::Secret => put_int(number, 4, 0x10, out),
            _ => put_int(number, 4, 0, out),
        }
        if number == 0 {
            string(name, adds, out);
        }
        string(value, adds, out);
        if adds {
            let mut both = Vec::with_capacity(name.len() + value.len());
            both.extend_from_slice(name);
            both.extend_from_slice(value);
            self.table.insert(&both, name.len(), marks);
        }
    }

    #[cfg(test)]
    pub(crate) fn table_size(&self) -> usize {
        self.table.size()
    }
}

/// What goes into the table is sent once, so it may cost more time: it is packed where that makes it shorter. The rest is sent
/// as it is.
fn string(text: &[u8], pack: bool, out: &mut Vec<u8>) {
    if pack {
        let packed = huffman::encoded_len(text);
        if packed < text.len() {
            put_int(packed, 7, 0x80, out);
            return huffman::encode(text, out);
        }
    }
    put_int(text.len(), 7, 0, out);
    out.extend_from_slice(text);
}

/// A mark that tells most texts apart; who finds it compares the texts.
#[inline]
fn mark(seed: u32, text: &[u8]) -> u32 {
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = u64::from(seed) ^ text.len() as u64;
    let mut words = text.chunks_exact(8);
    for word in &mut words {
        let word = word.try_into().map_or(0, u64::from_le_bytes);
        state = (state.rotate_left(5) ^ word).wrapping_mul(MIX);
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(words.remainder()) {
        *to = *from;
    }
    state = (state.rotate_left(5) ^ u64::from_le_bytes(last)).wrapping_mul(MIX);
    (state >> 32) as u32
}
