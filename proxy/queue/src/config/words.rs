//! Variables one by one, by the rules of the library that the reference reads its environment with (kelseyhightower/envconfig):
//! an empty text is a text, an empty number is none. Knows no variable.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Invalid;

pub(super) struct Words<'e>(pub(super) &'e dyn Fn(&str) -> Option<String>);

impl Words<'_> {
    /// A text that has to be there, if only empty.
    pub(super) fn required(&self, name: &'static str) -> Result<String, Invalid> {
        (self.0)(name).ok_or(Invalid::Missing(name))
    }

    pub(super) fn optional(&self, name: &'static str) -> String {
        (self.0)(name).unwrap_or_default()
    }

    /// A number that has to be there.
    pub(super) fn int(&self, name: &'static str, field: &'static str) -> Result<i64, Invalid> {
        number(name, field, self.required(name)?)
    }

    /// A number; 0 where there is none.
    pub(super) fn optional_int(&self, name: &'static str, field: &'static str) -> Result<i64, Invalid> {
        (self.0)(name).map_or(Ok(0), |value| number(name, field, value))
    }

    /// A truth value as Go's `ParseBool` reads it; false where there is none.
    pub(super) fn flag(&self, name: &'static str, field: &'static str) -> Result<bool, Invalid> {
        let Some(value) = (self.0)(name) else { return Ok(false) };
        match value.as_str() {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
            _ => Err(Invalid::Malformed {
                name,
                field,
                value,
                kind: "bool",
                parser: "ParseBool",
                why: "invalid syntax",
            }),
        }
    }

    /// A port that has to be there.
    pub(super) fn port(&self, name: &'static str) -> Result<u16, Invalid> {
        port(name, self.required(name)?)
    }

    /// A port of this program's own, which may be 0: any.
    pub(super) fn optional_port(&self, name: &'static str, default: u16) -> Result<u16, Invalid> {
        match (self.0)(name) {
            None => Ok(default),
            Some(value) if value == "0" => Ok(0),
            Some(value) => port(name, value),
        }
    }

    /// A time of this program's own.
    pub(super) fn duration(&self, name: &'static str, default: Duration) -> Result<Duration, Invalid> {
        let Some(value) = (self.0)(name) else { return Ok(default) };
        forebay_base::duration::parse_go(&value).map_err(|_| Invalid::Duration { name, value })
    }

    pub(super) fn path(&self, name: &str, default: &str) -> PathBuf {
        (self.0)(name).unwrap_or_else(|| default.to_owned()).into()
    }

    pub(super) fn address(&self, name: &'static str, default: IpAddr) -> Result<IpAddr, Invalid> {
        let Some(value) = (self.0)(name).filter(|value| !value.is_empty()) else { return Ok(default) };
        value.parse().map_err(|_| Invalid::Address { name, value })
    }
}

fn port(name: &'static str, value: String) -> Result<u16, Invalid> {
    match value.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(Invalid::Port { name, value }),
    }
}

fn number(name: &'static str, field: &'static str, value: String) -> Result<i64, Invalid> {
    go_int(&value).map_err(|why| Invalid::Malformed {
        name,
        field,
        value,
        kind: "int",
        parser: "ParseInt",
        why,
    })
}

/// Go's `ParseInt` with base 0: `0x`, `0o`, `0b` and a leading 0 say the base, and underscores may stand between digits then.
fn go_int(text: &str) -> Result<i64, &'static str> {
    const SYNTAX: &str = "invalid syntax";
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, rest) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, &*lower),
    };
    let plain: String = if base == 10 { rest.to_owned() } else { rest.replace('_', "") };
    if plain.is_empty() || !plain.bytes().all(|b| char::from(b).is_digit(base)) {
        return Err(SYNTAX);
    }
    let signed = if negative { format!("-{plain}") } else { plain };
    i64::from_str_radix(&signed, base).map_err(|_| "value out of range")
}
