//! Compiles Envoy's format strings. Knows how operators are written, not what their names mean.

use thiserror::Error;

use super::operators::operator;
use super::record::{Address, Bytes, Point, Text};
use super::strftime::Strftime;

/// Envoy's own default line.
pub const DEFAULT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
    %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
    %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \
    \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

/// A compiled format, shared by all workers.
#[derive(Debug, Clone, PartialEq)]
pub struct Format {
    pub(super) pieces: Vec<Piece>,
    /// What stands where a value is missing: `-`, or nothing with `omit_empty_values`.
    pub(super) missing: &'static str,
}

impl Format {
    /// Compiles a text format. What is no operator is copied as it is; a line ends where the format says so.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Ok(Self { pieces: pieces(text)?, missing: "-" })
    }

    /// The text that every record gives, if there is nothing to fill in.
    pub fn literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether a line has the name of the matched route.
    pub fn asks_for_route(&self) -> bool {
        asks(&self.pieces, &|op| *op == Op::Text(Text::RouteName))
    }

    /// Whether a line has something of the response's trailers.
    pub fn asks_for_trailers(&self) -> bool {
        let is_trailer = |op: &Op| matches!(op, Op::Header { of: Headers::Trailers, .. } | Op::GrpcStatus(_));
        asks(&self.pieces, &is_trailer)
    }

    /// Prints nothing instead of `-` where a value is missing (`omit_empty_values`).
    #[must_use]
    pub fn omit_empty(mut self) -> Self {
        self.missing = "";
        self
    }
}

fn asks(pieces: &[Piece], wanted: &dyn Fn(&Op) -> bool) -> bool {
    pieces.iter().any(|piece| match piece {
        Piece::Value(op, _) | Piece::Typed(op, _) => wanted(op),
        Piece::Quoted(inner) => asks(inner, wanted),
        Piece::Literal(_) => false,
    })
}

/// [`DEFAULT`].
impl Default for Format {
    #[expect(clippy::expect_used, reason = "a constant; a test compiles it")]
    fn default() -> Self {
        Self::parse(DEFAULT).expect("the default format compiles")
    }
}

/// A format that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("format string, position {at}: {token}: {why}")]
pub struct Invalid {
    /// Byte offset of the operator in the format.
    pub at: usize,
    /// The operator as it is written.
    pub token: String,
    /// Which rule it breaks.
    pub why: String,
}

/// One step of the program.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Literal(Box<str>),
    /// An operator and the length its value is cut to.
    Value(Op, Option<usize>),
    /// A JSON string made of other pieces.
    Quoted(Vec<Piece>),
    /// A JSON value made of one operator: a number stays one, a missing value is `null`.
    Typed(Op, Option<usize>),
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Op {
    Header {
        of: Headers,
        name: Box<str>,
        or: Option<Box<str>>,
    },
    /// Start of the request, or (`emit`) the moment of logging.
    Time {
        format: Strftime,
        emit: bool,
    },
    Status,
    /// Blanks become underscores unless they are allowed.
    Details {
        blanks: bool,
    },
    Flags {
        long: bool,
    },
    Bytes(Bytes),
    Text(Text),
    Address(Address, Show),
    /// The endpoint's name, or its address.
    HostName {
        port: bool,
    },
    Span(Point, Point, Unit),
    Attempts,
    ConnectionId,
    UpstreamConnectionId,
    GrpcStatus(GrpcStatus),
    Path {
        query: bool,
        original: Original,
    },
    QueryParam(Box<str>),
    /// Known when the format is compiled.
    Constant(Box<str>),
    /// Envoy knows the operator; there is never such a value here.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Headers {
    Request,
    Response,
    Trailers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    Whole,
    /// Without port; masked to so many bits when told.
    Ip(Option<u8>),
    Port,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GrpcStatus {
    Camel,
    Snake,
    Number,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Original {
    Only,
    Never,
    First,
}

/// Splits a format into literals and operators.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, Invalid> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find('%') {
        literal.push_str(&text[at..at + found]);
        at += found;
        if text[at..].starts_with("%%") {
            literal.push('%');
            at += 2;
            continue;
        }
        let token = token(&text[at..]).map_err(|why| {
            // Enough to recognise the place, not the whole rest of a long format.
            let shown: String = text[at..].chars().take(40).collect();
            Invalid { at, token: shown, why }
        })?;
        let piece = operator(&token).map_err(|why| Invalid { at, token: token.whole.to_owned(), why })?;
        match piece {
            Op::Constant(value) => literal.push_str(cut(&value, token.max)),
            op => {
                flush(&mut pieces, &mut literal);
                pieces.push(Piece::Value(op, token.max));
            }
        }
        at += token.whole.len();
    }
    literal.push_str(&text[at..]);
    flush(&mut pieces, &mut literal);
    Ok(pieces)
}

fn flush(pieces: &mut Vec<Piece>, literal: &mut String) {
    if !literal.is_empty() {
        pieces.push(Piece::Literal(std::mem::take(literal).into()));
    }
}

fn cut(value: &str, max: Option<usize>) -> &str {
    let mut end = max.unwrap_or(value.len()).min(value.len());
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    &value[..end]
}

/// `%NAME(args):max%`
pub(super) struct Token<'f> {
    whole: &'f str,
    pub(super) name: &'f str,
    pub(super) args: Option<&'f str>,
    pub(super) max: Option<usize>,
}

fn token(text: &str) -> Result<Token<'_>, String> {
    let body = &text[1..];
    let end = body
        .find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
        .unwrap_or(body.len());
    let (name, mut rest) = body.split_at(end);
    if name.is_empty() {
        return Err("a single % must be written %%".into());
    }
    let mut args = None;
    if let Some(inner) = rest.strip_prefix('(') {
        let close = inner.find(')').ok_or("closing parenthesis is missing")?;
        args = Some(&inner[..close]);
        rest = &inner[close + 1..];
    }
    let mut max = None;
    if let Some(number) = rest.strip_prefix(':') {
        let end = number.find('%').ok_or("closing % is missing")?;
        max = Some(
            number[..end]
                .parse()
                .map_err(|_| format!("length must be an integer, given: {}", &number[..end]))?,
        );
        rest = &number[end..];
    }
    if !rest.starts_with('%') {
        return Err("closing % is missing".into());
    }
    Ok(Token { whole: &text[..text.len() - rest.len() + 1], name, args, max })
}

#[cfg(test)]
mod tests;
