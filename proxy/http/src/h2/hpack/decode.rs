//! Header blocks into heads. Knows what a field is by its representation, and nothing of what a message must have.

use super::huffman;
use super::table::{STATIC, Table};
use super::{TABLE_SIZE, take_int};
use crate::h2::fields::{Fields, Kind, is_value};

/// A block that is no HPACK: the connection cannot go on, since nobody knows what its table holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// One direction's state. What a field's name is, and whether its value is allowed, is found out once for each entry.
#[derive(Debug)]
pub(crate) struct Decoder {
    table: Table<Kind>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { table: Table::new(TABLE_SIZE) }
    }
}

impl Decoder {
    /// Takes in a whole block. Fields that are too many or not allowed are noted in `into`; the table sees them all.
    pub(crate) fn decode(&mut self, mut block: &[u8], into: &mut Fields) -> Result<(), Broken> {
        let mut begun = false;
        while let Some(&first) = block.first() {
            if first & 0x80 != 0 {
                let number = take_int(&mut block, 7).ok_or(Broken)?;
                self.indexed(number, into)?;
            } else if first & 0xe0 == 0x20 {
                let size = take_int(&mut block, 5).ok_or(Broken)?;
                // Between blocks only, and never more than was announced (6.3).
                if begun || size > TABLE_SIZE {
                    return Err(Broken);
                }
                self.table.resize(size);
                continue;
            } else {
                let adds = first & 0x40 != 0;
                let number = take_int(&mut block, if adds { 6 } else { 4 }).ok_or(Broken)?;
                self.literal(number, adds, &mut block, into)?;
            }
            begun = true;
        }
        Ok(())
    }

    #[inline]
    fn indexed(&self, number: usize, into: &mut Fields) -> Result<(), Broken> {
        let at = into.begin();
        match number.checked_sub(1 + STATIC.len()) {
            None => {
                let (name, value) = STATIC.get(number.wrapping_sub(1)).ok_or(Broken)?;
                into.block().extend_from_slice(name);
                into.block().extend_from_slice(value);
                into.commit(at, name.len(), Kind::of(name));
            }
            Some(number) => {
                let (both, name, kind) = self.table.get(number).ok_or(Broken)?;
                into.block().extend_from_slice(both);
                into.commit(at, name, kind);
            }
        }
        Ok(())
    }

    fn literal(
        &mut self,
        number: usize,
        adds: bool,
        block: &mut &[u8],
        into: &mut Fields,
    ) -> Result<(), Broken> {
        let at = into.begin();
        let mut kind = match number.checked_sub(1 + STATIC.len()) {
            None if number == 0 => {
                string(block, into.block())?;
                Kind::of(into.since(at))
            }
            None => {
                let (name, _) = STATIC.get(number - 1).ok_or(Broken)?;
                into.block().extend_from_slice(name);
                Kind::of(name)
            }
            Some(number) => {
                let (both, name, kind) = self.table.get(number).ok_or(Broken)?;
                let name = both.get(..name).unwrap_or_default();
                into.block().extend_from_slice(name);
                // Such an entry may be bad for its value only.
                if kind == Kind::Bad { Kind::of(name) } else { kind }
            }
        };
        let name = into.since(at).len();
        string(block, into.block())?;
        if !is_value(into.since(at).get(name..).unwrap_or_default()) {
            kind = Kind::Bad;
        }
        if adds {
            self.table.insert(into.since(at), name, kind);
        }
        into.commit(at, name, kind);
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn table_size(&self) -> usize {
        self.table.size()
    }
}

/// Appends a string literal (5.2).
#[inline]
fn string(block: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
    let coded = block.first().ok_or(Broken)? & 0x80 != 0;
    let length = take_int(block, 7).ok_or(Broken)?;
    let (text, rest) = block.split_at_checked(length).ok_or(Broken)?;
    *block = rest;
    if coded {
        huffman::decode(text, out).map_err(|_| Broken)
    } else {
        out.extend_from_slice(text);
        Ok(())
    }
}
