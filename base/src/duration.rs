//! Durations as Go writes them (`1h2m3.5s`, `300ms`), which is how Knative's annotations and ConfigMaps spell them.

use std::fmt;
use std::time::Duration;

/// Why a text is no Go duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(pub String);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "time: invalid duration {:?}", self.0)
    }
}

impl std::error::Error for Invalid {}

/// Units by suffix, longest spelling first where one begins another, with their nanoseconds.
const UNITS: &[(&str, f64)] = &[
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// Reads a non-negative Go duration. `0` needs no unit; everything else does, as in Go.
pub fn parse_go(text: &str) -> Result<Duration, Invalid> {
    let bad = || Invalid(text.to_owned());
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(bad());
    }
    let mut nanos = 0f64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let number: f64 = rest[..end].parse().map_err(|_| bad())?;
        rest = &rest[end..];
        let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = &rest[..unit_end];
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
        nanos += number * scale;
        rest = &rest[unit_end..];
    }
    // Go's durations are int64 nanoseconds: about 292 years.
    if nanos > i64::MAX as f64 { Err(bad()) } else { Ok(Duration::from_nanos(nanos.round() as u64)) }
}

/// Writes a duration as Go's `Duration.String` does for whole milliseconds and more: `1m30s`, `1.5s`, `300ms`, `0s`.
pub fn show(d: Duration) -> String {
    if d.is_zero() {
        return "0s".into();
    }
    if d < Duration::from_secs(1) {
        return if d.as_millis() > 0 && d.subsec_nanos().is_multiple_of(1_000_000) {
            format!("{}ms", d.as_millis())
        } else if d.as_micros() > 0 {
            format!("{}µs", d.as_nanos() as f64 / 1e3)
        } else {
            format!("{}ns", d.as_nanos())
        };
    }
    let (h, m, s) = (d.as_secs() / 3600, d.as_secs() / 60 % 60, d.as_secs() % 60);
    let seconds = f64::from(d.subsec_nanos()) / 1e9 + s as f64;
    match (h, m) {
        (0, 0) => format!("{seconds}s"),
        (0, m) => format!("{m}m{seconds}s"),
        (h, m) => format!("{h}h{m}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, ms) in
            [("0", 0), ("300ms", 300), ("1.5s", 1500), ("1h2m3s", 3_723_000), ("+1s", 1000), ("1m", 60_000)]
        {
            assert_eq!(parse_go(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "1", "s", "1x", "-1s", "1s2", "1..5s", ".s", "99999999999h"] {
            assert!(parse_go(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shows_what_go_shows() {
        for (ms, text) in
            [(0, "0s"), (300, "300ms"), (1500, "1.5s"), (90_000, "1m30s"), (3_600_000, "1h0m0s")]
        {
            assert_eq!(show(Duration::from_millis(ms)), text);
        }
    }
}
