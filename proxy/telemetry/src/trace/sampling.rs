//! Whether a request is traced: Envoy's decision, a function of its request id, so that every hop decides alike. Pure.

/// Shares of requests that are traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// Of those that ask by `x-client-trace-id`: per cent.
    pub client: u32,
    /// Of all: per ten thousand.
    pub random: u32,
    /// Bound on all of these: per cent.
    pub overall: u32,
}

/// Why a request is traced, or that it is not; Envoy writes it into the request id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Not traced.
    No,
    /// By share.
    Sampled,
    /// The client asked.
    Client,
    /// A service inside asked.
    Service,
}

/// Decides by the request's id. `asks`: there is an `x-client-trace-id`; `forced`: an `x-envoy-force-trace` that may be
/// believed. An id that is no UUID is never traced.
pub fn decide(sampling: Sampling, request_id: &[u8], asks: bool, forced: bool) -> Reason {
    let Some(number) = number(request_id) else { return Reason::No };
    let mut reason = match request_id.get(REASON) {
        Some(b'9') => Reason::Sampled,
        Some(b'a') => Reason::Service,
        Some(b'b') => Reason::Client,
        _ => Reason::No,
    };
    if reason == Reason::No {
        reason = if asks && number % 100 < sampling.client {
            Reason::Client
        } else if forced {
            Reason::Service
        } else if number < sampling.random {
            Reason::Sampled
        } else {
            Reason::No
        };
    }
    if number % 100 < sampling.overall { reason } else { Reason::No }
}

/// Writes the reason into a request id, at the place where a random UUID has its version: `4` is a random one.
pub fn mark(request_id: &mut [u8], reason: Reason) {
    if request_id.len() != UUID {
        return;
    }
    if let Some(place) = request_id.get_mut(REASON) {
        *place = match reason {
            Reason::No => b'4',
            Reason::Sampled => b'9',
            Reason::Service => b'a',
            Reason::Client => b'b',
        };
    }
}

/// Where the reason stands.
const REASON: usize = 14;
/// Length of a UUID in digits.
const UUID: usize = 36;

/// The first eight digits, modulo ten thousand.
fn number(request_id: &[u8]) -> Option<u32> {
    if request_id.len() != UUID {
        return None;
    }
    let digits = str::from_utf8(request_id.get(..8)?).ok()?;
    Some(u32::from_str_radix(digits, 16).ok()? % 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Sampling = Sampling { client: 100, random: 10_000, overall: 100 };
    /// 0x125f7a56 = 308 247 126: 7126 of ten thousand, 26 of a hundred.
    const ID: &[u8] = b"125f7a56-52cb-4d7c-8b9c-b5b0d3ea7d2c";

    #[test]
    fn the_id_decides() {
        for (sampling, reason) in [
            (ALL, Reason::Sampled),
            (Sampling { random: 7127, ..ALL }, Reason::Sampled),
            (Sampling { random: 7126, ..ALL }, Reason::No),
            (Sampling { overall: 27, ..ALL }, Reason::Sampled),
            (Sampling { overall: 26, ..ALL }, Reason::No),
            (Sampling { overall: 0, ..ALL }, Reason::No),
        ] {
            assert_eq!(decide(sampling, ID, false, false), reason, "{sampling:?}");
        }
    }

    #[test]
    fn who_asks_is_heard_within_the_bound() {
        let none = Sampling { random: 0, ..ALL };
        assert_eq!(decide(none, ID, true, false), Reason::Client);
        assert_eq!(decide(none, ID, false, true), Reason::Service);
        assert_eq!(decide(Sampling { client: 26, ..none }, ID, true, false), Reason::No);
        assert_eq!(decide(Sampling { overall: 0, ..none }, ID, true, true), Reason::No);
        assert_eq!(decide(ALL, b"garbage", true, true), Reason::No);
    }

    #[test]
    fn the_reason_travels_in_the_id() {
        let mut id = ID.to_vec();
        mark(&mut id, Reason::Sampled);
        assert_eq!(id, b"125f7a56-52cb-9d7c-8b9c-b5b0d3ea7d2c");
        let none = Sampling { random: 0, ..ALL };
        assert_eq!(decide(none, &id, false, false), Reason::Sampled, "the hop before has decided");
        for (reason, digit) in [(Reason::Service, b'a'), (Reason::Client, b'b')] {
            mark(&mut id, reason);
            assert_eq!((id[14], decide(none, &id, false, false)), (digit, reason), "as Envoy 1.40 wrote it");
        }
        mark(&mut id, Reason::No);
        assert_eq!(id, ID);
        let mut other = b"garbage".to_vec();
        mark(&mut other, Reason::Client);
        assert_eq!(other, b"garbage");
    }
}
