//! The ClientHello, looked at before anybody answers it: whom the client wants, and what it would speak. Pure; checks no more
//! than it reads, the session does that.

/// What the first bytes of a connection are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// The beginning of a ClientHello: ask again with more bytes.
    More,
    /// No TLS, or none that can be read.
    NotTls,
    /// A whole ClientHello.
    Hello(Hello),
}

/// What a ClientHello says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hello {
    /// The name it asks for (SNI), in lower case.
    pub server_name: Option<Box<str>>,
    /// The protocols it offers (ALPN), the one it likes best first.
    pub alpn: Vec<Box<[u8]>>,
    /// The newest version it offers, as on the wire: 0x0303 is TLS 1.2. 0 if it said none.
    pub newest: u16,
    /// Whether it likes ChaCha20 better than AES-128, of the suites of TLS 1.2.
    pub likes_chacha: bool,
}

/// 16 KiB, as Envoy's inspector: a ClientHello with several post-quantum key shares has 3.
pub const MOST: usize = 16 * 1024;

/// What the first byte of a TLS connection is.
pub const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;

/// Looks at the bytes a client has sent so far.
pub fn look(bytes: &[u8]) -> Look {
    match message(bytes) {
        Ok(Some(hello)) => body(&hello).map_or(Look::NotTls, Look::Hello),
        Ok(None) if bytes.len() < MOST => Look::More,
        Ok(None) | Err(NoTls) => Look::NotTls,
    }
}

struct NoTls;

/// The handshake message, out of the records it comes in; `None` while some of it is missing.
fn message(bytes: &[u8]) -> Result<Option<Vec<u8>>, NoTls> {
    let mut rest = bytes;
    let mut whole = Vec::new();
    loop {
        // Every byte is judged as it comes: whoever speaks something else is not waited for.
        if rest.first().is_some_and(|kind| *kind != HANDSHAKE) || rest.get(1).is_some_and(|major| *major != 3)
        {
            return Err(NoTls);
        }
        let Some((head, after)) = rest.split_first_chunk::<5>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
        // RFC 8446 5.1: handshake records are not empty, and no plain record is longer than 2^14.
        if length == 0 || length > 16 * 1024 {
            return Err(NoTls);
        }
        let here = after.get(..length.min(after.len())).unwrap_or_default();
        whole.extend_from_slice(here);
        if whole.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Err(NoTls);
        }
        if let Some((head, said)) = whole.split_first_chunk::<4>() {
            let size = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
            if size > MOST {
                return Err(NoTls);
            }
            if let Some(said) = said.get(..size) {
                return Ok(Some(said.to_vec()));
            }
        }
        if here.len() < length {
            return Ok(None);
        }
        rest = after.get(length..).unwrap_or_default();
    }
}

fn body(hello: &[u8]) -> Option<Hello> {
    let mut read = Reader(hello);
    let mut found = Hello { newest: read.number()?, ..Hello::default() };
    read.take(32)?;
    read.short()?;
    found.likes_chacha = likes_chacha(read.long()?);
    read.short()?;
    if read.0.is_empty() {
        return Some(found);
    }
    let mut extensions = Reader(read.long()?);
    while !extensions.0.is_empty() {
        let kind = extensions.number()?;
        let mut content = Reader(extensions.long()?);
        match kind {
            SERVER_NAME => {
                let mut names = Reader(content.long()?);
                while !names.0.is_empty() {
                    let kind = names.take(1)?;
                    let name = names.long()?;
                    if kind == [0] && found.server_name.is_none() {
                        found.server_name = Some(std::str::from_utf8(name).ok()?.to_ascii_lowercase().into());
                    }
                }
            }
            ALPN => {
                let mut protocols = Reader(content.long()?);
                while !protocols.0.is_empty() {
                    found.alpn.push(protocols.short()?.into());
                }
            }
            SUPPORTED_VERSIONS => {
                let mut versions = Reader(content.short()?);
                while !versions.0.is_empty() {
                    // Grease (RFC 8701) is larger than any version, and none.
                    found.newest =
                        found.newest.max(Some(versions.number()?).filter(|v| v >> 8 == 3).unwrap_or(0));
                }
            }
            _ => {}
        }
    }
    Some(found)
}

/// ECDHE with ECDSA or RSA: whichever is named first of those that Envoy holds for equally good.
fn likes_chacha(suites: &[u8]) -> bool {
    const AES_128: [[u8; 2]; 2] = [[0xc0, 0x2b], [0xc0, 0x2f]];
    const CHACHA: [[u8; 2]; 2] = [[0xcc, 0xa8], [0xcc, 0xa9]];
    let first =
        suites.as_chunks::<2>().0.iter().find(|suite| AES_128.contains(suite) || CHACHA.contains(suite));
    first.is_some_and(|suite| CHACHA.contains(suite))
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, n: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// Bytes behind a length of one byte.
    fn short(&mut self) -> Option<&'b [u8]> {
        let n = *self.take(1)?.first()?;
        self.take(n.into())
    }

    /// Bytes behind a length of two bytes.
    fn long(&mut self) -> Option<&'b [u8]> {
        let n = self.number()?;
        self.take(n.into())
    }
}

#[cfg(test)]
mod tests;
