//! A template's text apart: what stands outside of `{{ }}`, and the words inside. Knows no grammar.

use super::{ParseError, Value};

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Action(Vec<Word>),
}

/// A word of an action, and whether a blank stands before it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    pub(super) token: Token,
    pub(super) spaced: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A keyword, a function, `true`, `nil`.
    Name(String),
    /// `.Name`.
    Field(String),
    Dot,
    /// `$` and what follows it.
    Variable(String),
    Constant(Value),
    Open,
    Close,
    Pipe,
    Comma,
    Declare,
    Assign,
}

/// Blanks, as the language counts them.
fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Takes a template apart; `{{- ` and ` -}}` have done their work then, and comments are gone.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, ParseError> {
    let mut all = Vec::new();
    let mut rest = text;
    let mut trims = false;
    loop {
        let (before, inside) = match rest.split_once("{{") {
            Some((before, inside)) => (before, Some(inside)),
            None => (rest, None),
        };
        let trims_before =
            inside.is_some_and(|inside| inside.starts_with('-') && inside[1..].starts_with(blank));
        let mut before = if trims { before.trim_start_matches(blank) } else { before };
        if trims_before {
            before = before.trim_end_matches(blank);
        }
        if !before.is_empty() {
            all.push(Piece::Text(before.to_owned()));
        }
        let Some(inside) = inside else { return Ok(all) };
        let inside = if trims_before { &inside[1..] } else { inside };
        let (words, after, trims_after) = action(inside)?;
        (rest, trims) = (after, trims_after);
        if let Some(words) = words {
            all.push(Piece::Action(words));
        }
    }
}

type Action<'t> = (Option<Vec<Word>>, &'t str, bool);

/// The words up to `}}`; none of a comment.
fn action(text: &str) -> Result<Action<'_>, ParseError> {
    if let Some(comment) = text.trim_start_matches(blank).strip_prefix("/*") {
        let (_, after) = comment.split_once("*/").ok_or_else(|| ParseError::new("unclosed comment"))?;
        if let Some(after) = after.strip_prefix("}}") {
            return Ok((None, after, false));
        }
        let trimmed = after.trim_start_matches(blank);
        return match trimmed.strip_prefix("-}}") {
            Some(rest) if trimmed.len() < after.len() => Ok((None, rest, true)),
            _ => Err(ParseError::new("comment ends before closing delimiter")),
        };
    }
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        let after = rest.trim_start_matches(blank);
        let spaced = after.len() < rest.len();
        if let Some(end) = after.strip_prefix("}}") {
            return Ok((Some(words), end, false));
        }
        if let Some(end) = after.strip_prefix("-}}").filter(|_| spaced) {
            return Ok((Some(words), end, true));
        }
        let (token, more) = token(after)?;
        words.push(Word { token, spaced: spaced || words.is_empty() });
        rest = more;
    }
}

fn token(text: &str) -> Result<(Token, &str), ParseError> {
    let mut chars = text.chars();
    let first = chars.next().ok_or_else(|| ParseError::new("unclosed action"))?;
    let rest = chars.as_str();
    let is_digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    match first {
        '(' => Ok((Token::Open, rest)),
        ')' => Ok((Token::Close, rest)),
        '|' => Ok((Token::Pipe, rest)),
        ',' => Ok((Token::Comma, rest)),
        ':' => match rest.strip_prefix('=') {
            Some(rest) => Ok((Token::Declare, rest)),
            None => Err(ParseError::new("expected :=")),
        },
        '=' => Ok((Token::Assign, rest)),
        '"' => quoted(rest, '"').map(|(text, rest)| (Token::Constant(Value::text(text)), rest)),
        '`' => match rest.split_once('`') {
            Some((raw, rest)) => Ok((Token::Constant(Value::text(raw)), rest)),
            None => Err(ParseError::new("unterminated raw quoted string")),
        },
        '\'' => {
            let (text, rest) = quoted(rest, '\'')?;
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) => Ok((Token::Constant(Value::Int(u32::from(c).into())), rest)),
                _ => Err(ParseError::new("malformed character constant")),
            }
        }
        '$' => {
            let (name, rest) = name(rest);
            Ok((Token::Variable(name.to_owned()), rest))
        }
        '.' if !is_digit(rest) => match name(rest) {
            ("", rest) => Ok((Token::Dot, rest)),
            (name, rest) => Ok((Token::Field(name.to_owned()), rest)),
        },
        '+' | '-' | '.' | '0'..='9' => number(text),
        c if c.is_alphabetic() || c == '_' => {
            let (name, rest) = name(text);
            Ok((Token::Name(name.to_owned()), rest))
        }
        c => Err(ParseError::new(format!("unexpected {c:?} in command"))),
    }
}

fn name(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    text.split_at(end)
}

fn number(text: &str) -> Result<(Token, &str), ParseError> {
    let signed = text.strip_prefix(['+', '-']).unwrap_or(text);
    let length = text.len() - signed.len();
    let mut end = signed.len();
    let mut before = ' ';
    for (at, c) in signed.char_indices() {
        let exponent =
            matches!(before, 'e' | 'E' | 'p' | 'P') && matches!(c, '+' | '-') && !signed.starts_with("0x");
        if !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_') || exponent) {
            end = at;
            break;
        }
        before = c;
    }
    let (word, rest) = text.split_at(length + end);
    let plain = word.replace('_', "");
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let lower = digits.to_ascii_lowercase();
    let based = |prefix: &str, base| {
        lower.strip_prefix(prefix).and_then(|digits| i64::from_str_radix(digits, base).ok())
    };
    let whole =
        based("0x", 16).or_else(|| based("0o", 8)).or_else(|| based("0b", 2)).or_else(|| digits.parse().ok());
    if let Some(n) = whole {
        return Ok((Token::Constant(Value::Int(sign * n)), rest));
    }
    match plain.parse::<f64>() {
        Ok(n) => Ok((Token::Constant(Value::Float(n)), rest)),
        Err(_) => Err(ParseError::new(format!("bad number syntax: {word:?}"))),
    }
}

/// Up to the closing quote, escapes undone.
fn quoted(text: &str, end: char) -> Result<(String, &str), ParseError> {
    let mut out = String::new();
    let mut chars = text.chars();
    let bad = || ParseError::new("bad escape in a quoted string");
    while let Some(c) = chars.next() {
        match c {
            c if c == end => return Ok((out, chars.as_str())),
            '\n' => break,
            '\\' => {
                let escape = chars.next().ok_or_else(bad)?;
                let digits = match escape {
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    'a' => {
                        out.push('\u{7}');
                        continue;
                    }
                    'b' => {
                        out.push('\u{8}');
                        continue;
                    }
                    'f' => {
                        out.push('\u{c}');
                        continue;
                    }
                    'n' => {
                        out.push('\n');
                        continue;
                    }
                    'r' => {
                        out.push('\r');
                        continue;
                    }
                    't' => {
                        out.push('\t');
                        continue;
                    }
                    'v' => {
                        out.push('\u{b}');
                        continue;
                    }
                    '\\' | '"' | '\'' => {
                        out.push(escape);
                        continue;
                    }
                    _ => return Err(bad()),
                };
                let code: String = chars.by_ref().take(digits).collect();
                let code = u32::from_str_radix(&code, 16).map_err(|_| bad())?;
                out.push(char::from_u32(code).ok_or_else(bad)?);
            }
            c => out.push(c),
        }
    }
    Err(ParseError::new("unterminated quoted string"))
}
