//! HPACK's Huffman code (RFC 7541 appendix B). The code is canonical, so the lengths of its words are all that is written down.
//! Knows no headers.

/// Bits of each byte's word.
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26,
];

/// The longest word.
const LONGEST: usize = 30;
/// Words up to so many bits are found by one look.
const FAST_BITS: usize = 8;

struct Code {
    /// Each byte's word, right-aligned.
    words: [u32; 256],
    /// Bytes by their words, shortest first.
    order: [u8; 256],
    /// The first word of each length, and where it stands in `order`.
    first: [u32; LONGEST + 1],
    at: [u16; LONGEST + 1],
    count: [u16; LONGEST + 1],
    /// By the next eight bits: the byte, and the length of its word above it; zero where the word is longer.
    fast: [u16; 1 << FAST_BITS],
}

static CODE: Code = build();

const fn build() -> Code {
    let mut code = Code {
        words: [0; 256],
        order: [0; 256],
        first: [0; LONGEST + 1],
        at: [0; LONGEST + 1],
        count: [0; LONGEST + 1],
        fast: [0; 1 << FAST_BITS],
    };
    let (mut word, mut placed, mut length) = (0u32, 0usize, 1usize);
    while length <= LONGEST {
        word <<= 1;
        code.first[length] = word;
        code.at[length] = placed as u16;
        let mut byte = 0;
        while byte < 256 {
            if LENGTHS[byte] as usize == length {
                code.words[byte] = word;
                code.order[placed] = byte as u8;
                if length <= FAST_BITS {
                    let spare = FAST_BITS - length;
                    let mut tail = 0;
                    while tail < 1 << spare {
                        code.fast[((word as usize) << spare) + tail] = byte as u16 | (length as u16) << 8;
                        tail += 1;
                    }
                }
                word += 1;
                placed += 1;
                code.count[length] += 1;
            }
            byte += 1;
        }
        length += 1;
    }
    code
}

/// What is no sequence of words, or does not end as one has to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoCode;

/// Appends what `from` stands for.
pub(crate) fn decode(from: &[u8], out: &mut Vec<u8>) -> Result<(), NoCode> {
    out.reserve(from.len() * 8 / 5 + 1);
    let mut from = from.iter();
    // The next bits, left-aligned, and how many there are.
    let (mut bits, mut have) = (0u64, 0u32);
    loop {
        while have <= 56 {
            let Some(byte) = from.next() else { break };
            bits |= u64::from(*byte) << (56 - have);
            have += 8;
        }
        let Some(fast) = CODE.fast.get((bits >> 56) as usize) else { return Err(NoCode) };
        let length = u32::from(fast >> 8);
        if length != 0 && length <= have {
            out.push(*fast as u8);
            bits <<= length;
            have -= length;
            continue;
        }
        if have < 8 && (bits >> (64 - u64::from(have.max(1)))) + 1 == 1 << have.max(1) || have == 0 {
            // Filled up with the beginning of the word that ends nothing, which is all ones.
            return Ok(());
        }
        let (byte, length) = slow(bits, have).ok_or(NoCode)?;
        out.push(byte);
        bits <<= length;
        have -= length;
    }
}

/// A word longer than what one look finds.
#[cold]
fn slow(bits: u64, have: u32) -> Option<(u8, u32)> {
    for length in FAST_BITS + 1..=LONGEST.min(have as usize) {
        let word = (bits >> (64 - length)) as u32;
        let nth = word.checked_sub(*CODE.first.get(length)?)?;
        if nth < u32::from(*CODE.count.get(length)?) {
            let byte = *CODE.order.get(usize::from(*CODE.at.get(length)?) + nth as usize)?;
            return Some((byte, length as u32));
        }
    }
    None
}

fn length_of(byte: u8) -> u32 {
    u32::from(LENGTHS.get(usize::from(byte)).copied().unwrap_or_default())
}

/// How many bytes `text` takes encoded.
pub(crate) fn encoded_len(text: &[u8]) -> usize {
    let bits: u64 = text.iter().map(|byte| u64::from(length_of(*byte))).sum();
    bits.div_ceil(8) as usize
}

/// Appends `text` encoded.
pub(crate) fn encode(text: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut have) = (0u64, 0u32);
    for byte in text {
        let length = length_of(*byte);
        let word = CODE.words.get(usize::from(*byte)).copied().unwrap_or_default();
        bits = bits << length | u64::from(word);
        have += length;
        while have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    if have > 0 {
        out.push((bits << (8 - have)) as u8 | (0xff >> have) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_complete_with_its_end() {
        let taken: u64 = LENGTHS.iter().map(|length| 1u64 << (LONGEST as u8 - length)).sum();
        assert_eq!(taken + 1, 1 << LONGEST, "256 words and the one that ends take up all there is");
        assert_eq!((CODE.words[b'0' as usize], CODE.words[b'a' as usize]), (0, 3));
        assert_eq!((CODE.words[b'z' as usize], CODE.words[b'&' as usize]), (0x7b, 0xf8));
        assert_eq!((CODE.words[0], CODE.words[10], CODE.words[255]), (0x1ff8, 0x3fff_fffc, 0x3ff_ffee));
    }

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        for end in 0..all.len() {
            let (mut coded, mut back) = (Vec::new(), Vec::new());
            encode(&all[..end], &mut coded);
            assert_eq!(coded.len(), encoded_len(&all[..end]));
            decode(&coded, &mut back).unwrap();
            assert_eq!(back, &all[..end]);
        }
    }

    #[test]
    fn padding_is_short_and_of_ones() {
        let decoded = |bytes: &[u8]| {
            let mut out = Vec::new();
            decode(bytes, &mut out).map(|()| out)
        };
        assert_eq!(decoded(&[0b0001_1111]), Ok(b"a".to_vec()));
        assert_eq!(decoded(&[]), Ok(Vec::new()));
        assert_eq!(decoded(&[0b0001_1000]), Err(NoCode), "padding of zeros");
        assert_eq!(decoded(&[0b0001_1111, 0xff]), Err(NoCode), "padding of a whole byte");
        assert_eq!(decoded(&[0xff]), Err(NoCode), "nothing but padding");
        assert_eq!(decoded(&[0xff; 4]), Err(NoCode), "the word that ends");
    }
}
