//! What Go's server takes a body for that says no type (`http.DetectContentType`, after the WHATWG's MIME sniffing). Knows no
//! responses.

/// Bytes that are looked at.
pub(super) const LENGTH: usize = 512;

/// Tags that begin HTML, where a blank or `>` follows.
const HTML: [&[u8]; 17] = [
    b"<!DOCTYPE HTML",
    b"<HTML",
    b"<HEAD",
    b"<SCRIPT",
    b"<IFRAME",
    b"<H1",
    b"<DIV",
    b"<FONT",
    b"<TABLE",
    b"<A",
    b"<STYLE",
    b"<TITLE",
    b"<B",
    b"<BODY",
    b"<BR",
    b"<P",
    b"<!--",
];

/// Beginnings, in order, each with how much of it counts: a mask of zeros is any byte.
struct Signature {
    mask: &'static [u8],
    pattern: &'static [u8],
    kind: &'static str,
}

const fn exact(pattern: &'static [u8], kind: &'static str) -> Signature {
    Signature { mask: b"", pattern, kind }
}

const fn masked(mask: &'static [u8], pattern: &'static [u8], kind: &'static str) -> Signature {
    Signature { mask, pattern, kind }
}

const RIFF: &[u8] = b"\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff";

const BEFORE_MP4: &[Signature] = &[
    exact(b"%PDF-", "application/pdf"),
    exact(b"%!PS-Adobe-", "application/postscript"),
    masked(b"\xff\xff\0\0", b"\xfe\xff\0\0", "text/plain; charset=utf-16be"),
    masked(b"\xff\xff\0\0", b"\xff\xfe\0\0", "text/plain; charset=utf-16le"),
    masked(b"\xff\xff\xff\0", b"\xef\xbb\xbf\0", "text/plain; charset=utf-8"),
    exact(b"\0\0\x01\0", "image/x-icon"),
    exact(b"\0\0\x02\0", "image/x-icon"),
    exact(b"BM", "image/bmp"),
    exact(b"GIF87a", "image/gif"),
    exact(b"GIF89a", "image/gif"),
    masked(b"\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff", b"RIFF\0\0\0\0WEBPVP", "image/webp"),
    exact(b"\x89PNG\x0d\x0a\x1a\x0a", "image/png"),
    exact(b"\xff\xd8\xff", "image/jpeg"),
    masked(RIFF, b"FORM\0\0\0\0AIFF", "audio/aiff"),
    exact(b"ID3", "audio/mpeg"),
    exact(b"OggS\0", "application/ogg"),
    exact(b"MThd\0\0\0\x06", "audio/midi"),
    masked(RIFF, b"RIFF\0\0\0\0AVI ", "video/avi"),
    masked(RIFF, b"RIFF\0\0\0\0WAVE", "audio/wave"),
];

const AFTER_MP4: &[Signature] = &[
    exact(b"\x1a\x45\xdf\xa3", "video/webm"),
    exact(b"\0\x01\0\0", "font/ttf"),
    exact(b"OTTO", "font/otf"),
    exact(b"ttcf", "font/collection"),
    exact(b"wOFF", "font/woff"),
    exact(b"wOF2", "font/woff2"),
    exact(b"\x1f\x8b\x08", "application/x-gzip"),
    exact(b"PK\x03\x04", "application/zip"),
    exact(b"Rar!\x1a\x07\0", "application/x-rar-compressed"),
    exact(b"Rar!\x1a\x07\x01\0", "application/x-rar-compressed"),
    exact(b"\0asm", "application/wasm"),
];

/// The type of a body that begins so.
pub(super) fn content_type(body: &[u8]) -> &'static str {
    let body = body.get(..LENGTH).unwrap_or(body);
    let blank = |b: &u8| matches!(b, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ');
    let first = body.iter().position(|b| !blank(b)).unwrap_or(body.len());
    let text = body.get(first..).unwrap_or_default();
    if HTML.iter().any(|tag| begins(text, tag)) {
        return "text/html; charset=utf-8";
    }
    if text.starts_with(b"<?xml") {
        return "text/xml; charset=utf-8";
    }
    let found = |all: &[Signature]| all.iter().find(|one| one.matches(body)).map(|one| one.kind);
    if let Some(kind) = found(BEFORE_MP4) {
        return kind;
    }
    if is_mp4(body) {
        return "video/mp4";
    }
    if let Some(kind) = found(AFTER_MP4) {
        return kind;
    }
    let binary = |b: &u8| matches!(b, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f);
    if text.iter().any(binary) { "application/octet-stream" } else { "text/plain; charset=utf-8" }
}

fn begins(text: &[u8], tag: &[u8]) -> bool {
    let Some((start, rest)) = text.split_at_checked(tag.len()) else { return false };
    start.eq_ignore_ascii_case(tag) && matches!(rest.first(), Some(b' ' | b'>'))
}

impl Signature {
    fn matches(&self, body: &[u8]) -> bool {
        if self.mask.is_empty() {
            return body.starts_with(self.pattern);
        }
        body.len() >= self.pattern.len()
            && self.pattern.iter().zip(self.mask).zip(body).all(|((want, mask), have)| have & mask == *want)
    }
}

/// A box `ftyp` among whose brands is one of MP4's.
fn is_mp4(body: &[u8]) -> bool {
    let Some(size) = body.first_chunk::<4>().map(|size| u32::from_be_bytes(*size) as usize) else {
        return false;
    };
    if body.len() < 12 || size % 4 != 0 || body.len() < size || body.get(4..8) != Some(b"ftyp") {
        return false;
    }
    (8..size).step_by(4).filter(|at| *at != 12).any(|at| body.get(at..at + 3) == Some(b"mp4"))
}

#[cfg(test)]
mod tests {
    use super::content_type;

    /// net/http: `sniff_test.go`.
    #[test]
    fn the_types_are_gos() {
        for (body, kind) in [
            (&b""[..], "text/plain; charset=utf-8"),
            (b"\x01\x02\x03", "application/octet-stream"),
            (b"<HtMl><bOdY>blah blah blah</body></html>", "text/html; charset=utf-8"),
            (b"<HTML", "text/plain; charset=utf-8"),
            (b"   <!DOCTYPE HTML>...", "text/html; charset=utf-8"),
            (b"\n\r\t<?xml!", "text/xml; charset=utf-8"),
            (b"\n<!--", "text/plain; charset=utf-8"),
            (b"GIF87a", "image/gif"),
            (b"BMxxxxxx", "image/bmp"),
            (b"RIFFb\xb8\0\0WAVEfmt \x12\0\0\0\x06", "audio/wave"),
            (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom<\x06t\xbfmdat", "video/mp4"),
            (b"\0\0\0\x18ftypisom\0\0\0\0isom3gp5...", "application/octet-stream"),
            (b"\x1f\x8b\x08", "application/x-gzip"),
            (b"{\"a\": 1}", "text/plain; charset=utf-8"),
            (b"\xef\xbb\xbfx", "text/plain; charset=utf-8"),
            (b"\0asm", "application/wasm"),
        ] {
            assert_eq!(content_type(body), kind, "{}", body.escape_ascii());
        }
    }
}
