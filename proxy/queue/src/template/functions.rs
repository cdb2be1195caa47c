//! The functions that every template has. Knows no syntax and no data but to print it.

use super::format::printf;
use super::{Data, Value};

const KNOWN: [&str; 19] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print",
    "printf", "println", "slice", "urlquery",
];

pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

pub(super) fn call(name: &str, arguments: &[Value], data: &dyn Data) -> Result<Value, String> {
    let done = match (name, arguments) {
        ("not", [one]) => Ok(Value::Bool(!one.is_true())),
        ("len", [one]) => len(one),
        ("index", [of, keys @ ..]) => index(of, keys),
        ("slice", [of, bounds @ ..]) => slice(of, bounds),
        ("eq", [one, others @ ..]) if !others.is_empty() => any_equals(one, others),
        ("ne", [a, b]) => a.equals(b).map(|is| Value::Bool(!is)),
        ("lt", [a, b]) => a.compare(b).map(|order| Value::Bool(order.is_lt())),
        ("le", [a, b]) => a.compare(b).map(|order| Value::Bool(order.is_le())),
        ("gt", [a, b]) => a.compare(b).map(|order| Value::Bool(order.is_gt())),
        ("ge", [a, b]) => a.compare(b).map(|order| Value::Bool(order.is_ge())),
        ("print", all) => Ok(Value::text(print(all, data))),
        ("println", all) => {
            let all: Vec<String> = all.iter().map(|one| one.print(data)).collect();
            Ok(Value::text(all.join(" ") + "\n"))
        }
        ("printf", [Value::Text(form), all @ ..]) => Ok(Value::text(printf(form, all, data))),
        ("js", all) => Ok(Value::text(print(all, data).chars().map(js).collect::<String>())),
        ("html", all) => Ok(Value::text(print(all, data).chars().map(html).collect::<String>())),
        ("urlquery", all) => Ok(Value::text(print(all, data).bytes().map(query).collect::<String>())),
        ("call", _) => Err("call of nil".to_owned()),
        _ => Err(format!("wrong number or type of args: {} given", arguments.len())),
    };
    done.map_err(|why| format!("error calling {name}: {why}"))
}

/// Go's `Sprint`: a blank between two that are no texts.
fn print(all: &[Value], data: &dyn Data) -> String {
    let mut out = String::new();
    let mut text_before = true;
    for (at, one) in all.iter().enumerate() {
        let is_text = matches!(one, Value::Text(_));
        if at > 0 && !is_text && !text_before {
            out.push(' ');
        }
        out.push_str(&one.print(data));
        text_before = is_text;
    }
    out
}

fn any_equals(one: &Value, others: &[Value]) -> Result<Value, String> {
    for other in others {
        if one.equals(other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn len(of: &Value) -> Result<Value, String> {
    let n = match of {
        Value::Text(text) => text.len(),
        Value::List(all) => all.len(),
        Value::Map(all) => all.len(),
        other => return Err(format!("len of type {}", other.kind())),
    };
    Ok(Value::Int(n as i64))
}

fn index(of: &Value, keys: &[Value]) -> Result<Value, String> {
    let mut value = of.clone();
    for key in keys {
        let at = |length: usize| match key {
            Value::Int(n) => usize::try_from(*n)
                .ok()
                .filter(|n| *n < length)
                .ok_or_else(|| format!("index out of range: {n}")),
            key => Err(format!("cannot index slice/array with type {}", key.kind())),
        };
        value = match &value {
            Value::List(all) => all.get(at(all.len())?).cloned().unwrap_or(Value::Nil),
            Value::Text(text) => {
                Value::Int(text.as_bytes().get(at(text.len())?).copied().unwrap_or_default().into())
            }
            Value::Map(all) => match key {
                Value::Text(key) => {
                    let found = all.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone());
                    // What is not there is the zero of what there is: of a header's values, none.
                    let lists = all.iter().all(|(_, value)| matches!(value, Value::List(_)));
                    found.unwrap_or_else(|| if lists { Value::List([].into()) } else { Value::Nil })
                }
                key => return Err(format!("value has type {}; should be string", key.kind())),
            },
            Value::Nil => return Err("index of untyped nil".to_owned()),
            other => return Err(format!("can't index item of type {}", other.kind())),
        };
    }
    Ok(value)
}

fn slice(of: &Value, bounds: &[Value]) -> Result<Value, String> {
    let length = match of {
        Value::Text(text) => text.len(),
        Value::List(all) => all.len(),
        other => return Err(format!("can't slice item of type {}", other.kind())),
    };
    let bound = |at: usize, default: usize| match bounds.get(at) {
        None => Ok(default),
        Some(Value::Int(n)) => usize::try_from(*n)
            .ok()
            .filter(|n| *n <= length)
            .ok_or_else(|| format!("index out of range: {n}")),
        Some(other) => Err(format!("cannot index slice/array with type {}", other.kind())),
    };
    let (from, to) = (bound(0, 0)?, bound(1, length)?);
    let cut = || format!("invalid slice index: {from} > {to}");
    match of {
        Value::Text(text) => text.get(from..to).map(Value::text).ok_or_else(cut),
        Value::List(all) => all.get(from..to).map(|part| Value::List(part.into())).ok_or_else(cut),
        _ => Err(cut()),
    }
}

/// Go's `JSEscape`: safe inside of a string of JavaScript, and of JSON but for the apostrophe.
fn js(c: char) -> String {
    match c {
        '\\' => "\\\\".to_owned(),
        '\'' => "\\'".to_owned(),
        '"' => "\\\"".to_owned(),
        '<' | '>' | '&' | '=' => format!("\\u{:04X}", u32::from(c)),
        c if c < ' ' || c == '\u{7f}' || (c.is_control() && !c.is_ascii()) => {
            format!("\\u{:04X}", u32::from(c))
        }
        c => c.to_string(),
    }
}

fn html(c: char) -> String {
    match c {
        '\0' => "\u{fffd}".to_owned(),
        '"' => "&#34;".to_owned(),
        '\'' => "&#39;".to_owned(),
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        c => c.to_string(),
    }
}

fn query(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        byte => format!("%{byte:02X}"),
    }
}
