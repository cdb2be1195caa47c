//! Numbers and texts as Go's `fmt` prints them. Knows no templates.

use super::{Data, Value};
use crate::exchange::quote;

/// `%v` of a float: as short as it can be, with an exponent from a million on.
pub(super) fn float(n: f64) -> String {
    general(n, None)
}

/// `%g`: so many digits, or as many as it takes.
fn general(n: f64, precision: Option<usize>) -> String {
    if !n.is_finite() {
        return if n.is_nan() {
            "NaN"
        } else if n > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        }
        .to_owned();
    }
    let text = match precision {
        None => format!("{n:e}"),
        Some(digits) => format!("{n:.*e}", digits.max(1) - 1),
    };
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits =
        if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    // Go compares with the precision, but not with more than the digits there are, or with 6 (`strconv.FormatFloat`).
    let shown = digits.trim_start_matches('-').replace('.', "").len() as i32;
    let large = match precision {
        None => 6,
        Some(digits) if digits as i32 > shown && shown > exponent => shown,
        Some(digits) => digits.max(1) as i32,
    };
    if exponent < -4 || exponent >= large {
        return format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    }
    let rounded: f64 = text.parse().unwrap_or(n);
    format!("{rounded}")
}

/// Go's `Sprintf`.
pub(super) fn printf(form: &str, arguments: &[Value], data: &dyn Data) -> String {
    let mut out = String::new();
    let mut rest = form.chars().peekable();
    let mut next = arguments.iter();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag @ ('-' | '+' | '#' | ' ' | '0')) = rest.peek().copied() {
            spec.flag(flag);
            rest.next();
        }
        spec.width = number(&mut rest);
        if rest.peek() == Some(&'.') {
            rest.next();
            spec.precision = Some(number(&mut rest).unwrap_or_default());
        }
        match rest.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(verb) => match next.next() {
                None => out.push_str(&format!("%!{verb}(MISSING)")),
                Some(value) => out.push_str(&spec.pad(&spec.one(verb, value, data), value)),
            },
        }
    }
    let extra: Vec<String> = next.map(|v| format!("{}={}", v.kind(), v.print(data))).collect();
    if !extra.is_empty() {
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

/// Digits that come next; more than anybody can mean is cut.
fn number(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let mut n = None;
    while let Some(digit) = rest.peek().and_then(|c| c.to_digit(10)) {
        n = Some((n.unwrap_or(0) * 10 + digit as usize).min(4096));
        rest.next();
    }
    n
}

#[derive(Default)]
struct Spec {
    left: bool,
    plus: bool,
    zero: bool,
    sharp: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

impl Spec {
    fn flag(&mut self, flag: char) {
        match flag {
            '-' => self.left = true,
            '+' => self.plus = true,
            '0' => self.zero = true,
            '#' => self.sharp = true,
            _ => {}
        }
    }

    fn sign(&self, negative: bool, text: String) -> String {
        if self.plus && !negative { format!("+{text}") } else { text }
    }

    fn one(&self, verb: char, value: &Value, data: &dyn Data) -> String {
        let cut = |text: String| match self.precision {
            Some(most) => text.chars().take(most).collect(),
            None => text,
        };
        match (verb, value) {
            ('v', Value::Int(n)) => self.sign(*n < 0, n.to_string()),
            ('v', Value::Float(n)) => self.sign(*n < 0.0, float(*n)),
            ('v', value) => value.print(data),
            ('s', Value::Text(_) | Value::List(_) | Value::Map(_) | Value::Object(_)) => {
                cut(value.print(data))
            }
            ('q', Value::Text(text)) => quote(text.as_bytes()),
            ('t', Value::Bool(is)) => is.to_string(),
            ('d', Value::Int(n)) => self.sign(*n < 0, n.to_string()),
            ('x', Value::Int(n)) => hex(*n, self.sharp),
            ('X', Value::Int(n)) => hex(*n, self.sharp).to_uppercase(),
            ('c', Value::Int(n)) => {
                u32::try_from(*n).ok().and_then(char::from_u32).unwrap_or('\u{fffd}').to_string()
            }
            ('x', Value::Text(text)) => text.bytes().map(|b| format!("{b:02x}")).collect(),
            ('X', Value::Text(text)) => text.bytes().map(|b| format!("{b:02X}")).collect(),
            ('f' | 'F', Value::Float(n)) => {
                self.sign(*n < 0.0, format!("{n:.*}", self.precision.unwrap_or(6)))
            }
            ('e', Value::Float(n)) => {
                let text = format!("{n:.*e}", self.precision.unwrap_or(6));
                let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                let exponent: i32 = exponent.parse().unwrap_or_default();
                let minus = if exponent < 0 { '-' } else { '+' };
                self.sign(*n < 0.0, format!("{digits}e{minus}{:02}", exponent.abs()))
            }
            ('g', Value::Float(n)) => self.sign(*n < 0.0, general(*n, self.precision)),
            (verb, Value::Nil) => format!("%!{verb}(<nil>)"),
            (verb, value) => format!("%!{verb}({}={})", value.kind(), value.print(data)),
        }
    }

    fn pad(&self, text: &str, value: &Value) -> String {
        let Some(missing) = self.width.and_then(|width| width.checked_sub(text.chars().count())) else {
            return text.to_owned();
        };
        if self.left {
            return format!("{text}{}", " ".repeat(missing));
        }
        if self.zero && matches!(value, Value::Int(_) | Value::Float(_)) {
            let (sign, digits) = match text.strip_prefix(['-', '+']) {
                Some(digits) => (text.get(..1).unwrap_or_default(), digits),
                None => ("", text),
            };
            return format!("{sign}{}{digits}", "0".repeat(missing));
        }
        format!("{}{text}", " ".repeat(missing))
    }
}

fn hex(n: i64, sharp: bool) -> String {
    let digits = format!("{:x}", n.unsigned_abs());
    format!("{}{}{digits}", if n < 0 { "-" } else { "" }, if sharp { "0x" } else { "" })
}
