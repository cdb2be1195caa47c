//! Compiles Envoy's `json_format`: an object whose strings are format strings. Knows nothing of records.

use serde_json::Value;

use super::format::{Format, Invalid, Piece, pieces};

impl Format {
    /// One JSON object a line, keys in the order given. A string that is a single operator keeps its type (numbers stay
    /// numbers, a missing value is `null`); numbers and booleans of the template stand as they are.
    pub fn json(template: &Value) -> Result<Self, Invalid> {
        let mut program = Vec::new();
        value(template, &mut program)?;
        literal(&mut program, "\n");
        Ok(Self { pieces: program, missing: "-" })
    }
}

fn value(template: &Value, program: &mut Vec<Piece>) -> Result<(), Invalid> {
    match template {
        Value::Object(fields) => {
            for (place, (key, field)) in fields.iter().enumerate() {
                literal(program, if place == 0 { "{" } else { "," });
                literal(program, &Value::from(key.as_str()).to_string());
                literal(program, ":");
                value(field, program)?;
            }
            literal(program, if fields.is_empty() { "{}" } else { "}" });
        }
        Value::Array(items) => {
            literal(program, "[");
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    literal(program, ",");
                }
                value(item, program)?;
            }
            literal(program, "]");
        }
        Value::String(text) => {
            let mut inner = pieces(text)?;
            match (inner.pop(), inner.is_empty()) {
                (None, _) => literal(program, "\"\""),
                (Some(Piece::Value(op, max)), true) => program.push(Piece::Typed(op, max)),
                (Some(Piece::Literal(text)), true) => literal(program, &Value::from(&*text).to_string()),
                (Some(last), _) => {
                    inner.push(last);
                    program.push(Piece::Quoted(inner));
                }
            }
        }
        plain => literal(program, &plain.to_string()),
    }
    Ok(())
}

fn literal(program: &mut Vec<Piece>, text: &str) {
    if let Some(Piece::Literal(last)) = program.last_mut() {
        *last = format!("{last}{text}").into();
    } else {
        program.push(Piece::Literal(text.into()));
    }
}
