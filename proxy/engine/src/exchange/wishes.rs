//! What a request's own `x-envoy-` headers ask for, and what it is told by them in turn. Those of an outsider are gone by now
//! (`forwarding`); what is left is a trusted client's, or the route itself added it. Knows no tries.

use std::time::Duration;

use forebay_http::{Head, Known};
use forebay_route::{Forward, GrpcClock, GrpcTimeout};

use super::state::Exchange;

/// The clocks of a request's tries.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wishes {
    /// From the end of the request to the end of the response; zero is no limit.
    pub(super) total: Duration,
    /// One try; zero is no limit.
    pub(super) per_try: Duration,
    /// From the beginning of the request, asked for by `grpc-timeout` where the route allows; `None` is not asked.
    pub(super) stream: Option<Duration>,
    /// Whether `grpc-timeout` tells the upstream what was made of it.
    tells_grpc: bool,
}

/// The clocks that the route and the request want; like Envoy before the route's header operations.
pub(super) fn clocks(x: &mut Exchange, forward: &Forward) -> Wishes {
    let mut wishes = Wishes { total: forward.timeout.unwrap_or_default(), ..Wishes::default() };
    if let Some(grpc) = forward.rare.as_ref().and_then(|rare| rare.grpc_timeout) {
        grpc_clock(&mut x.req, grpc, &mut wishes);
    }
    if let Some(retry) = &forward.retry {
        wishes.per_try = retry.per_try_timeout.unwrap_or_default();
    }
    if x.internal {
        if let Some(total) = millis(x.req.known(Known::EnvoyRqTimeout)) {
            wishes.total = total;
        }
        if let Some(per_try) = millis(x.req.known(Known::EnvoyPerTryTimeout)) {
            wishes.per_try = per_try;
        }
        x.req.remove_known(Known::EnvoyRqTimeout);
        x.req.remove_known(Known::EnvoyPerTryTimeout);
    }
    if !wishes.total.is_zero() && wishes.per_try >= wishes.total {
        wishes.per_try = Duration::ZERO;
    }
    wishes
}

impl Wishes {
    /// Tells the upstream how long it may take: one try, or what is `left` of the whole.
    pub(super) fn tell(&self, req: &mut Head, left: Option<Duration>) {
        let mut expected = if self.per_try.is_zero() { self.total } else { self.per_try };
        if expected.is_zero() {
            return;
        }
        if let Some(left) = left {
            // Zero would be no limit at all.
            expected = expected.min(left).max(Duration::from_millis(1));
        }
        let mut digits = itoa::Buffer::new();
        let text = digits.format(expected.as_millis());
        req.set(Known::EnvoyExpectedRqTimeout.name(), text.as_bytes());
        if self.tells_grpc {
            set_grpc_timeout(req, expected);
        }
    }
}

/// Obeys `grpc-timeout` as the route says.
fn grpc_clock(req: &mut Head, grpc: GrpcTimeout, wishes: &mut Wishes) {
    let asked = req.get(b"grpc-timeout").and_then(grpc_timeout);
    let capped = |time: Duration| match grpc.max {
        Duration::ZERO => time,
        max => time.min(max),
    };
    match grpc.sets {
        GrpcClock::Response => {
            if !is_grpc(req) {
                return;
            }
            let mut total = asked.unwrap_or_default();
            if grpc.offset < total {
                total -= grpc.offset;
            }
            wishes.total = if total.is_zero() { grpc.max } else { capped(total) };
            wishes.tells_grpc = true;
        }
        GrpcClock::Stream => {
            let Some(asked) = asked else { return };
            let stream = capped(asked).saturating_sub(grpc.offset);
            set_grpc_timeout(req, stream);
            wishes.stream = Some(stream);
        }
    }
}

/// Whether a request is a gRPC call, by its content type.
fn is_grpc(req: &Head) -> bool {
    req.known(Known::ContentType)
        .and_then(|kind| kind.strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
}

/// gRPC's notation: up to eight digits and a unit.
fn grpc_timeout(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let n: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match unit {
        b'H' => Some(Duration::from_secs(n * 3600)),
        b'M' => Some(Duration::from_secs(n * 60)),
        b'S' => Some(Duration::from_secs(n)),
        b'm' => Some(Duration::from_millis(n)),
        // Envoy rounds up what its clock cannot tell apart.
        b'u' => Some(Duration::from_millis(n.div_ceil(1000))),
        b'n' => Some(Duration::from_millis(n.div_ceil(1_000_000))),
        _ => None,
    }
}

fn set_grpc_timeout(req: &mut Head, time: Duration) {
    const UNITS: [(u128, &str); 4] = [(1, "m"), (1000, "S"), (60_000, "M"), (3_600_000, "H")];
    let millis = time.as_millis();
    for (size, unit) in UNITS {
        // Eight digits are what gRPC allows.
        if millis / size < 100_000_000 {
            req.set(b"grpc-timeout", format!("{}{unit}", millis / size).as_bytes());
            return;
        }
    }
}

/// A number of milliseconds.
fn millis(value: Option<&[u8]>) -> Option<Duration> {
    std::str::from_utf8(value?).ok()?.trim().parse().ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpcs_notation_of_time() {
        let read = |text: &str| grpc_timeout(text.as_bytes()).map(|time| time.as_millis());
        assert_eq!(read("500m"), Some(500));
        assert_eq!(read("2S"), Some(2000));
        assert_eq!((read("1M"), read("1H")), (Some(60_000), Some(3_600_000)));
        assert_eq!((read("1u"), read("1001u"), read("1n")), (Some(1), Some(2), Some(1)));
        for bad in ["", "S", "5", "5x", "-5S", "123456789S"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_time_is_written_in_the_finest_unit_that_fits() {
        let mut head = Head::default();
        for (time, text) in [(Duration::from_millis(5), "5m"), (Duration::from_secs(100_000), "100000S")] {
            set_grpc_timeout(&mut head, time);
            assert_eq!(head.get(b"grpc-timeout"), Some(text.as_bytes()));
        }
    }
}
