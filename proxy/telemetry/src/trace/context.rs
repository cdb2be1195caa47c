//! The `traceparent` header of W3C Trace Context, read and written as Envoy does. Knows nothing of sampling.

/// Which trace.
pub type TraceId = [u8; 16];
/// Which span of it.
pub type SpanId = [u8; 8];

/// What travels from one hop to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// The trace.
    pub trace: TraceId,
    /// The span that calls.
    pub span: SpanId,
    /// Whether somebody keeps it.
    pub sampled: bool,
}

impl Context {
    /// Length of a header value.
    pub const LEN: usize = 55;

    /// Reads `vv-trace-span-ff`. Any version whose value has this length is read as version 00; `None` where Envoy gives the
    /// trace up: other lengths, other separators, no hexadecimal digits, ids of zeros.
    pub fn read(value: &[u8]) -> Option<Self> {
        if value.len() != Self::LEN || [2, 35, 52].iter().any(|&at| value.get(at) != Some(&b'-')) {
            return None;
        }
        hex::<1>(value.get(..2)?)?;
        let trace = hex::<16>(value.get(3..35)?)?;
        let span = hex::<8>(value.get(36..52)?)?;
        let [flags] = hex::<1>(value.get(53..)?)?;
        if trace == [0; 16] || span == [0; 8] {
            return None;
        }
        Some(Self { trace, span, sampled: flags & 1 != 0 })
    }

    /// Writes the header's value.
    pub fn write(&self) -> [u8; Self::LEN] {
        let mut out = *b"00-00000000000000000000000000000000-0000000000000000-00";
        if let Some(place) = out.get_mut(3..35) {
            digits(&self.trace, place);
        }
        if let Some(place) = out.get_mut(36..52) {
            digits(&self.span, place);
        }
        if self.sampled {
            out[54] = b'1';
        }
        out
    }

    /// The span's id as it is logged.
    pub fn span_digits(&self) -> [u8; 16] {
        let mut out = [0; 16];
        digits(&self.span, &mut out);
        out
    }

    /// The trace's id as it is logged.
    pub fn trace_digits(&self) -> [u8; 32] {
        let mut out = [0; 32];
        digits(&self.trace, &mut out);
        out
    }
}

fn digits(bytes: &[u8], out: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(out.as_chunks_mut::<2>().0) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    }
}

fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.as_chunks::<2>().0) {
        let digit = |c: u8| char::from(c).to_digit(16);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_was_read_is_written() {
        let context = Context::read(GOOD.as_bytes()).unwrap();
        assert!(context.sampled);
        assert_eq!(context.trace[..2], [0x0a, 0xf7]);
        assert_eq!(context.write(), *GOOD.as_bytes());
        assert_eq!(context.trace_digits(), *b"0af7651916cd43dd8448eb211c80319c");
    }

    #[test]
    fn what_envoy_takes_and_what_it_gives_up() {
        // As Envoy 1.40 did: another version and capitals are fine, unknown flags too.
        for good in [
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03",
        ] {
            assert_eq!(Context::read(good.as_bytes()).unwrap().write(), *GOOD.as_bytes(), "{good}");
        }
        for bad in [
            "bad",
            "",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
            "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(Context::read(bad.as_bytes()), None, "{bad}");
        }
    }
}
