//! The handshake of websockets where the two sides speak different versions of HTTP: HTTP/2 has none (RFC 8441 5), HTTP/1.1
//! insists on it (RFC 6455 4). Knows no frames.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use forebay_base::rng::Rng;
use forebay_http::Version;
use sha1::{Digest, Sha1};

use super::state::Exchange;

const KEY: &[u8] = b"sec-websocket-key";
const ACCEPT: &[u8] = b"sec-websocket-accept";

/// RFC 6455 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// An endpoint of HTTP/1.1 gets the key that a client of HTTP/2 has no use for.
pub(super) fn ask(x: &mut Exchange, rng: &Rng) {
    if x.req.version != Version::H2 || x.upgrade != b"websocket" || x.req.get(KEY).is_some() {
        return;
    }
    let mut nonce = [0u8; 16];
    let (high, low) = nonce.split_at_mut(8);
    high.copy_from_slice(&rng.next_u64().to_be_bytes());
    low.copy_from_slice(&rng.next_u64().to_be_bytes());
    x.req.push(KEY, STANDARD.encode(nonce).as_bytes());
}

/// A client of HTTP/1.1 gets the proof that an endpoint of HTTP/2 does not give; a client of HTTP/2 gets none.
pub(super) fn answer(x: &mut Exchange) {
    if x.upgrade != b"websocket" {
        return;
    }
    if x.req.version == Version::H2 {
        x.res.remove(ACCEPT);
    } else if x.res.version == Version::H2
        && x.res.get(ACCEPT).is_none()
        && let Some(key) = x.req.get(KEY)
    {
        let proof = accept(key);
        x.res.push(ACCEPT, proof.as_bytes());
    }
}

fn accept(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_proof_is_the_rfcs() {
        assert_eq!(super::accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
