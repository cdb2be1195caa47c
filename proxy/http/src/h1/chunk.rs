//! The chunked transfer coding as a decoder that owns no bytes: it is shown what has been read and says what to skip and what
//! is data. Trailers are kept as bytes for the leg. Knows no sockets.

use thiserror::Error;

/// A chunk-size line with its extension: 16 hexadecimal digits and what an honest sender adds; longer ones only burn CPU.
const LINE: usize = 256;

/// All trailer lines together.
const TRAILERS: usize = 16 * 1024;

/// Why a chunked body is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum BadChunk {
    #[error("a chunk size is not hexadecimal or too large")]
    Size,
    #[error("a chunk-size line is longer than 256 bytes")]
    LongLine,
    #[error("a chunk line or a chunk does not end in CRLF")]
    LineEnd,
    #[error("trailers are malformed or longer than 16 KiB")]
    Trailers,
}

/// What to do with the bytes shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Framing bytes to drop first.
    pub(crate) skip: usize,
    pub(crate) then: Then,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// This many bytes of data follow; say [`Chunks::took`] for what was consumed.
    Data(usize),
    /// More bytes are needed.
    More,
    /// The body ended.
    End,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers,
    End,
}

/// Where in a chunked body we are.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    state: State,
    /// Trailer lines with their CRLFs, the last empty line included.
    pub(crate) trailers: Vec<u8>,
}

impl Chunks {
    /// Looks at `bytes`, of which everything before the returned data is framing to be dropped.
    pub(crate) fn step(&mut self, bytes: &[u8]) -> Result<Step, BadChunk> {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            match self.state {
                State::Data(left) => {
                    let n = left.min(rest.len() as u64) as usize;
                    let then = if n == 0 { Then::More } else { Then::Data(n) };
                    return Ok(Step { skip: at, then });
                }
                State::DataEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        at += 2;
                        self.state = State::Size;
                    }
                    [] | [b'\r'] => return Ok(Step { skip: at, then: Then::More }),
                    _ => return Err(BadChunk::LineEnd),
                },
                State::Size => {
                    let Some(line) = line(rest, LINE).ok_or(BadChunk::LongLine)? else {
                        return Ok(Step { skip: at, then: Then::More });
                    };
                    at += line.len() + 1;
                    let size = size(line)?;
                    self.state = if size == 0 { State::Trailers } else { State::Data(size) };
                }
                State::Trailers => {
                    let Some(text) = line(rest, TRAILERS).ok_or(BadChunk::Trailers)? else {
                        return Ok(Step { skip: at, then: Then::More });
                    };
                    let Some(text) = text.strip_suffix(b"\r") else { return Err(BadChunk::LineEnd) };
                    at += text.len() + 2;
                    if text.is_empty() {
                        self.state = State::End;
                        if !self.trailers.is_empty() {
                            self.trailers.extend_from_slice(b"\r\n");
                        }
                    } else if self.trailers.len() + text.len() > TRAILERS || text.contains(&b'\r') {
                        return Err(BadChunk::Trailers);
                    } else {
                        self.trailers.extend_from_slice(text);
                        self.trailers.extend_from_slice(b"\r\n");
                    }
                }
                State::End => return Ok(Step { skip: at, then: Then::End }),
            }
        }
    }

    /// Notes that `n` bytes of the data were consumed.
    pub(crate) fn took(&mut self, n: usize) {
        if let State::Data(left) = self.state {
            let left = left.saturating_sub(n as u64);
            self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
        }
    }
}

/// The first line without its LF: `Some(None)` while it is incomplete, `None` when it is longer than `limit`.
#[expect(clippy::option_option, reason = "three outcomes, each handled by its caller in one expression")]
fn line(bytes: &[u8], limit: usize) -> Option<Option<&[u8]>> {
    let window = bytes.get(..bytes.len().min(limit + 1)).unwrap_or_default();
    match memchr::memchr(b'\n', window) {
        Some(end) => Some(bytes.get(..end)),
        None if bytes.len() > limit => None,
        None => Some(None),
    }
}

/// The size of a chunk by its line (with the CR, without the LF). Extensions are dropped.
fn size(line: &[u8]) -> Result<u64, BadChunk> {
    let text = line.strip_suffix(b"\r").ok_or(BadChunk::LineEnd)?;
    if text.contains(&b'\r') {
        return Err(BadChunk::LineEnd);
    }
    let digits = text.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    // 15 digits: the largest size that cannot overflow when added to anything.
    if number.is_empty() || number.len() > 15 || !matches!(rest.trim_ascii_start().first(), None | Some(b';'))
    {
        return Err(BadChunk::Size);
    }
    let digit = |b: &u8| (*b as char).to_digit(16).map_or(0, u64::from);
    Ok(number.iter().fold(0, |n, b| n << 4 | digit(b)))
}

#[cfg(test)]
mod tests;
