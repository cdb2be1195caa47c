//! Bytes kept as what they differ in from others like them: thousands of messages that differ in a name are kept as that
//! name, thousands of times. Knows nothing of what they say.

use std::borrow::Cow;

/// What others are compared with. Each is kept whole, as long as this.
#[derive(Debug, Clone, Default)]
pub struct Examples(Vec<Box<[u8]>>);

/// Bytes packed by [`Examples::pack`]; only the same examples give them back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Which example, from 1; 0 is none.
    pub example: u8,
    /// What differs, or all of it.
    pub bytes: Box<[u8]>,
}

/// Examples stay for as long as anything may be packed by them: these are at most 1 MiB.
const MOST: usize = 16;
/// Longer ones are kept as they are: places in an example are two bytes.
const LONGEST: usize = 1 << 16;
/// A shorter stretch is not worth the two or three bytes that point to it.
const SHORTEST: usize = 4;

impl Examples {
    /// Packs by the newest example. What is not at all like it becomes the next one, while there is room.
    pub fn pack(&mut self, bytes: &[u8]) -> Packed {
        let whole = || Packed { example: 0, bytes: bytes.into() };
        if bytes.len() > LONGEST {
            return whole();
        }
        if let (Some(like), Ok(example)) = (self.0.last(), u8::try_from(self.0.len())) {
            let packed = difference(like, bytes);
            if packed.len() <= bytes.len() / 2 || self.0.len() == MOST {
                return match packed.len() < bytes.len() {
                    true => Packed { example, bytes: packed.into() },
                    false => whole(),
                };
            }
        }
        self.0.push(bytes.into());
        whole()
    }

    /// The bytes that were packed.
    pub fn unpack<'p>(&self, example: u8, packed: &'p [u8]) -> Cow<'p, [u8]> {
        match usize::from(example).checked_sub(1) {
            None => packed.into(),
            Some(at) => apply(self.0.get(at).map_or(&[], |like| like), packed).into(),
        }
    }
}

/// `bytes` as pieces, each of some bytes of its own and a stretch of `like`: how many, those, how long, how far from where
/// the stretch before would have gone on had it been as long as those bytes.
fn difference(like: &[u8], bytes: &[u8]) -> Vec<u8> {
    let places = Places::of(like);
    let mut packed = Vec::with_capacity(64);
    // Bytes from `own` on have not been written; `next` is where `like` would go on.
    let (mut at, mut own, mut next) = (0, 0, 0);
    while at < bytes.len() {
        let aligned = next + (at - own);
        let (from, long) = [places.find(&bytes[at..]), Some(aligned)]
            .into_iter()
            .flatten()
            .map(|from| (from, same(like.get(from..).unwrap_or_default(), &bytes[at..])))
            .max_by_key(|(_, long)| *long)
            .unwrap_or_default();
        if long < SHORTEST {
            at += 1;
            continue;
        }
        number(at - own, &mut packed);
        packed.extend_from_slice(&bytes[own..at]);
        number(long, &mut packed);
        number(zigzag(from, aligned), &mut packed);
        at += long;
        (own, next) = (at, from + long);
    }
    if own < at {
        number(at - own, &mut packed);
        packed.extend_from_slice(&bytes[own..at]);
    }
    packed
}

fn apply(like: &[u8], mut packed: &[u8]) -> Vec<u8> {
    let (mut bytes, mut next) = (Vec::new(), 0usize);
    while let Some(own) = read(&mut packed) {
        let (piece, rest) = packed.split_at(own.min(packed.len()));
        bytes.extend_from_slice(piece);
        packed = rest;
        let (Some(long), Some(shift)) = (read(&mut packed), read(&mut packed)) else { break };
        let from = unzigzag(shift, next + own);
        bytes.extend_from_slice(like.get(from..from.saturating_add(long)).unwrap_or_default());
        next = from.saturating_add(long);
    }
    bytes
}

/// Where in an example four bytes stand; of several places the first.
struct Places {
    by_hash: Box<[u16; 1 << BITS]>,
}

/// 1,024 places for messages of some hundred bytes.
const BITS: u32 = 10;
const NOWHERE: u16 = u16::MAX;

impl Places {
    fn of(like: &[u8]) -> Self {
        let mut by_hash = Box::new([NOWHERE; 1 << BITS]);
        for (at, four) in like.windows(SHORTEST).enumerate().rev() {
            if let (Some(hash), Ok(at)) = (hash(four), u16::try_from(at)) {
                by_hash[hash] = at;
            }
        }
        Self { by_hash }
    }

    fn find(&self, bytes: &[u8]) -> Option<usize> {
        let at = self.by_hash[hash(bytes)?];
        (at != NOWHERE).then_some(at.into())
    }
}

fn hash(bytes: &[u8]) -> Option<usize> {
    let four = u32::from_le_bytes(*bytes.first_chunk()?);
    // Knuth's multiplicative hash.
    Some((four.wrapping_mul(0x9E37_79B1) >> (u32::BITS - BITS)) as usize)
}

/// How many bytes two have in common from their beginnings on.
fn same(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn zigzag(from: usize, aligned: usize) -> usize {
    if from >= aligned { (from - aligned) << 1 } else { ((aligned - from) << 1) - 1 }
}

fn unzigzag(shift: usize, aligned: usize) -> usize {
    if shift & 1 == 0 { aligned.saturating_add(shift >> 1) } else { aligned.saturating_sub((shift + 1) >> 1) }
}

/// Seven bits a byte, the lowest first, as protobuf has it.
fn number(mut value: usize, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn read(packed: &mut &[u8]) -> Option<usize> {
    let (mut value, mut shift) = (0usize, 0);
    loop {
        let (byte, rest) = packed.split_first()?;
        *packed = rest;
        value |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests;
