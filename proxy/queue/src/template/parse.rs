//! The grammar: pieces to a tree. What is not part of the language is found here, not when a line is written.

use std::collections::BTreeMap;

use thiserror::Error;

use super::lex::{self, Piece, Token, Word};
use super::{Template, Value, functions};

/// Why a text is no template.
#[derive(Debug, Error)]
#[error("template: requestLog: {0}")]
pub(crate) struct ParseError(String);

impl ParseError {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    Text(String),
    Action(Pipe),
    If(Pipe, Vec<Node>, Vec<Node>),
    With(Pipe, Vec<Node>, Vec<Node>),
    Range(Pipe, Vec<Node>, Vec<Node>),
    Template(String, Option<Pipe>),
    Break,
    Continue,
}

/// `$a, $b := one | two`.
#[derive(Debug, Clone, Default)]
pub(super) struct Pipe {
    pub(super) variables: Vec<String>,
    pub(super) assigns: bool,
    pub(super) commands: Vec<Vec<Operand>>,
}

/// One word of a command, with the fields behind it.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub(super) base: Base,
    pub(super) fields: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) enum Base {
    Dot,
    Variable(String),
    Constant(Value),
    Function(String),
    Pipe(Box<Pipe>),
}

pub(super) fn parse(text: &str) -> Result<Template, ParseError> {
    let mut parser = Parser {
        pieces: lex::pieces(text)?.into_iter(),
        named: BTreeMap::new(),
        variables: vec![String::new()],
        loops: 0,
    };
    let (nodes, end) = parser.list()?;
    match end {
        Stop::All => Ok(Template { nodes, named: parser.named }),
        Stop::Else(_) => Err(ParseError::new("unexpected {{else}}")),
        Stop::End => Err(ParseError::new("unexpected {{end}}")),
    }
}

struct Parser {
    pieces: std::vec::IntoIter<Piece>,
    named: BTreeMap<String, Vec<Node>>,
    /// Names in force, `$` among them as the empty one.
    variables: Vec<String>,
    loops: usize,
}

/// What a list of nodes ended by.
enum Stop {
    All,
    End,
    /// With what stands behind `else`.
    Else(Vec<Word>),
}

impl Parser {
    fn list(&mut self) -> Result<(Vec<Node>, Stop), ParseError> {
        let mut nodes = Vec::new();
        loop {
            match self.pieces.next() {
                None => return Ok((nodes, Stop::All)),
                Some(Piece::Text(text)) => nodes.push(Node::Text(text)),
                Some(Piece::Action(words)) => match keyword(&words) {
                    Some("end") => return Ok((nodes, Stop::End)),
                    Some("else") => return Ok((nodes, Stop::Else(words.into_iter().skip(1).collect()))),
                    Some("if") => nodes.push(self.control("if", rest(&words))?),
                    Some("with") => nodes.push(self.control("with", rest(&words))?),
                    Some("range") => nodes.push(self.control("range", rest(&words))?),
                    Some(word @ ("break" | "continue")) if words.len() == 1 => {
                        if self.loops == 0 {
                            return Err(ParseError::new(format!("{{{{{word}}}}} outside {{{{range}}}}")));
                        }
                        nodes.push(if word == "break" { Node::Break } else { Node::Continue });
                    }
                    Some("define") => {
                        let (name, _) = self.name(rest(&words), "define")?;
                        let body = self.body_apart()?;
                        self.named.insert(name, body);
                    }
                    Some("block") => {
                        let (name, words) = self.name(rest(&words), "block")?;
                        let pipe = self.pipe(words)?;
                        let body = self.body_apart()?;
                        self.named.insert(name.clone(), body);
                        nodes.push(Node::Template(name, Some(pipe)));
                    }
                    Some("template") => {
                        let (name, words) = self.name(rest(&words), "template")?;
                        let pipe = if words.is_empty() { None } else { Some(self.pipe(words)?) };
                        nodes.push(Node::Template(name, pipe));
                    }
                    _ => nodes.push(Node::Action(self.pipe(&words)?)),
                },
            }
        }
    }

    /// The body of a template of its own: it sees no variable but `$`.
    fn body_apart(&mut self) -> Result<Vec<Node>, ParseError> {
        let outside = std::mem::replace(&mut self.variables, vec![String::new()]);
        let loops = std::mem::take(&mut self.loops);
        let (body, end) = self.list()?;
        (self.variables, self.loops) = (outside, loops);
        match end {
            Stop::End => Ok(body),
            _ => Err(ParseError::new("unexpected end of a template of its own")),
        }
    }

    fn name<'w>(&self, words: &'w [Word], what: &str) -> Result<(String, &'w [Word]), ParseError> {
        match words.split_first() {
            Some((Word { token: Token::Constant(Value::Text(name)), .. }, rest)) => {
                Ok((name.to_string(), rest))
            }
            _ => Err(ParseError::new(format!("{what} clause needs a name"))),
        }
    }

    fn control(&mut self, what: &str, words: &[Word]) -> Result<Node, ParseError> {
        let known = self.variables.len();
        let pipe = self.pipe(words)?;
        if what == "range" {
            self.loops += 1;
        }
        let (body, end) = self.list()?;
        if what == "range" {
            self.loops -= 1;
        }
        let other = match end {
            Stop::All => return Err(ParseError::new("unexpected EOF")),
            Stop::End => Vec::new(),
            Stop::Else(words) => match keyword(&words) {
                None if words.is_empty() => {
                    let (other, end) = self.list()?;
                    if !matches!(end, Stop::End) {
                        return Err(ParseError::new("expected end; found {{else}}"));
                    }
                    other
                }
                // `else if` and `else with` share the end of what they belong to.
                Some(again @ ("if" | "with")) if again == what => vec![self.control(again, rest(&words))?],
                _ => return Err(ParseError::new("unexpected words after else")),
            },
        };
        self.variables.truncate(known);
        Ok(match what {
            "if" => Node::If(pipe, body, other),
            "with" => Node::With(pipe, body, other),
            _ => Node::Range(pipe, body, other),
        })
    }

    fn pipe(&mut self, words: &[Word]) -> Result<Pipe, ParseError> {
        let mut pipe = Pipe::default();
        let mut words = words;
        let declared = words.iter().position(|w| matches!(w.token, Token::Declare | Token::Assign));
        if let Some(at) = declared {
            let (left, right) = words.split_at(at);
            pipe.assigns = right.first().is_some_and(|w| w.token == Token::Assign);
            for word in left {
                match &word.token {
                    Token::Variable(name) => pipe.variables.push(name.clone()),
                    Token::Comma => {}
                    other => return Err(ParseError::new(format!("unexpected {other:?} in a declaration"))),
                }
            }
            words = rest(right);
        }
        let mut at = 0;
        pipe.commands = self.commands(words, &mut at)?;
        if at < words.len() {
            return Err(ParseError::new("unexpected right paren"));
        }
        for name in &pipe.variables {
            if !pipe.assigns {
                self.variables.push(name.clone());
            } else if !self.variables.contains(name) {
                return Err(ParseError::new(format!("undefined variable \"${name}\"")));
            }
        }
        Ok(pipe)
    }

    /// Commands up to the end or a closing parenthesis.
    fn commands(&mut self, words: &[Word], at: &mut usize) -> Result<Vec<Vec<Operand>>, ParseError> {
        let mut commands = vec![Vec::new()];
        while let Some(word) = words.get(*at) {
            let command = commands.last_mut().ok_or_else(|| ParseError::new("no command"))?;
            let base = match &word.token {
                Token::Close => break,
                Token::Pipe => {
                    if command.is_empty() {
                        return Err(ParseError::new("missing value for command"));
                    }
                    commands.push(Vec::new());
                    *at += 1;
                    continue;
                }
                Token::Open => {
                    *at += 1;
                    let inner = self.commands(words, at)?;
                    if !matches!(words.get(*at), Some(Word { token: Token::Close, .. })) {
                        return Err(ParseError::new("unclosed left paren"));
                    }
                    Base::Pipe(Box::new(Pipe { commands: inner, ..Pipe::default() }))
                }
                Token::Dot => Base::Dot,
                Token::Field(_) => {
                    // A field without anything before it is one of the dot; it is read below.
                    *at = at.wrapping_sub(1);
                    Base::Dot
                }
                Token::Variable(name) => {
                    if !self.variables.contains(name) {
                        return Err(ParseError::new(format!("undefined variable \"${name}\"")));
                    }
                    Base::Variable(name.clone())
                }
                Token::Constant(value) => Base::Constant(value.clone()),
                Token::Name(name) => match name.as_str() {
                    "true" => Base::Constant(Value::Bool(true)),
                    "false" => Base::Constant(Value::Bool(false)),
                    "nil" => Base::Constant(Value::Nil),
                    name if functions::is_known(name) => Base::Function(name.to_owned()),
                    name => return Err(ParseError::new(format!("function {name:?} not defined"))),
                },
                other => return Err(ParseError::new(format!("unexpected {other:?} in operand"))),
            };
            let first = matches!(word.token, Token::Field(_));
            *at = at.wrapping_add(1);
            let mut fields = Vec::new();
            while let Some(Word { token: Token::Field(name), spaced }) = words.get(*at) {
                if *spaced && !(first && fields.is_empty()) {
                    break;
                }
                fields.push(name.clone());
                *at += 1;
            }
            if !command.is_empty() && !word.spaced && !first {
                return Err(ParseError::new("unexpected word right after another"));
            }
            command.push(Operand { base, fields });
        }
        if commands.len() > 1 && commands.last().is_some_and(Vec::is_empty) {
            commands.pop();
        }
        if commands.iter().any(Vec::is_empty) {
            return Err(ParseError::new("missing value for command"));
        }
        Ok(commands)
    }
}

fn keyword(words: &[Word]) -> Option<&str> {
    match &words.first()?.token {
        Token::Name(name) => Some(name),
        _ => None,
    }
}

fn rest(words: &[Word]) -> &[Word] {
    words.get(1..).unwrap_or_default()
}
