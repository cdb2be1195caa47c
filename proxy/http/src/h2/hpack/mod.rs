//! Header compression (RFC 7541): both tables, both directions, straight into a [`Head`](crate::Head) and straight out of one.
//! Knows no frames and no rules of messages.

mod decode;
mod encode;
mod huffman;
mod table;

pub(crate) use decode::Decoder;
pub(crate) use encode::{Encoder, Worth};
pub(crate) use table::OVERHEAD;

/// Bytes of a dynamic table, by RFC 7541's count, unless settings say otherwise; we never announce another.
pub(crate) const TABLE_SIZE: usize = 4096;

/// Appends an integer whose first bits share a byte with `flags` (5.1).
fn put_int(value: usize, prefix: u32, flags: u8, out: &mut Vec<u8>) {
    let most = (1usize << prefix) - 1;
    if value < most {
        out.push(flags | value as u8);
        return;
    }
    out.push(flags | most as u8);
    let mut rest = value - most;
    while rest >= 128 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Takes an integer off the front; five bytes after the first are more than any length we accept needs.
fn take_int(bytes: &mut &[u8], prefix: u32) -> Option<usize> {
    let (first, mut rest) = bytes.split_first()?;
    let most = (1usize << prefix) - 1;
    let mut value = usize::from(*first) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (byte, after) = rest.split_first()?;
            rest = after;
            value += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
            if shift > 28 {
                return None;
            }
        }
    }
    *bytes = rest;
    Some(value)
}

#[cfg(test)]
mod tests;
