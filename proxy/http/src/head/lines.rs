//! A head's block as text: names in lower case, lines written as they lie there. Knows no framing.

use super::{Field, Head};

impl Head {
    /// Appends the lines of all live fields but the known ones of a set, as HTTP/1.1 writes them. Those that follow each other
    /// in the block, which most do, are copied at once.
    pub(crate) fn write_lines(&self, without: u64, out: &mut Vec<u8>) {
        let mut run = 0..0;
        for field in self.fields.iter().filter(|f| !f.dead && f.known.bit() & without == 0) {
            let start = field.name.at as usize;
            match self.line_end(field) {
                Some(end) if start == run.end => run.end = end,
                end => {
                    out.extend_from_slice(self.block.get(run).unwrap_or_default());
                    run = start..end.unwrap_or(start);
                    if end.is_none() {
                        for part in [self.bytes(field.name), b": ", self.bytes(field.value), b"\r\n"] {
                            out.extend_from_slice(part);
                        }
                    }
                }
            }
        }
        out.extend_from_slice(self.block.get(run).unwrap_or_default());
    }

    /// Where the field's line ends, if the block has it as it is to be written.
    #[inline]
    fn line_end(&self, field: &Field) -> Option<usize> {
        let (name, value) = (field.name, field.value);
        let colon = (name.at + name.len) as usize;
        let end = (value.at + value.len) as usize;
        let is = |at: usize, what: [u8; 2]| {
            self.block.get(at..at + 2).and_then(<[u8]>::first_chunk) == Some(&what)
        };
        (value.at as usize == colon + 2 && is(colon, *b": ") && is(end, *b"\r\n")).then_some(end + 2)
    }
}

/// ASCII letters to lower case, eight at a time: names are short, and a loop made for long texts costs more than the name.
#[inline]
pub(super) fn lower(name: &mut [u8]) {
    let lowered = |word: &mut [u8; 8]| *word = lower_word(u64::from_ne_bytes(*word)).to_ne_bytes();
    let (words, rest) = name.as_chunks_mut();
    words.iter_mut().for_each(lowered);
    if words.is_empty() {
        rest.iter_mut().for_each(|byte| byte.make_ascii_lowercase());
    } else if let Some(last) = name.last_chunk_mut() {
        lowered(last);
    }
}

/// The same for the bytes of a word, whatever their order. Bytes above ASCII stay.
#[inline]
const fn lower_word(word: u64) -> u64 {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const ONES: u64 = 0x0101_0101_0101_0101;
    let low = word & !HIGH;
    // The high bit of a byte is set from `A` on, and from behind `Z` on: no carry leaves a byte.
    let from_a = low + ONES * (0x80 - b'A' as u64);
    let behind_z = low + ONES * (0x80 - b'Z' as u64 - 1);
    let upper = from_a & !behind_z & !word & HIGH;
    word | (upper >> 2)
}
