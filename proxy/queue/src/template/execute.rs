//! Execution: a tree and data to text. Knows no syntax.

use std::rc::Rc;

use super::parse::{Base, Node, Operand, Pipe};
use super::{Data, Template, Value, functions};

/// Templates within templates; Go stops much later, and by running out of memory.
const DEEPEST: usize = 100;

pub(super) fn execute(template: &Template, data: &dyn Data) -> Result<String, String> {
    let root = data.root();
    let mut run =
        Run { template, data, variables: vec![(String::new(), root.clone())], out: String::new(), depth: 0 };
    run.list(&template.nodes, &root)?;
    Ok(run.out)
}

struct Run<'t> {
    template: &'t Template,
    data: &'t dyn Data,
    variables: Vec<(String, Value)>,
    out: String,
    depth: usize,
}

/// How a list ended.
#[derive(PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl Run<'_> {
    fn list(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, String> {
        for node in nodes {
            let known = self.variables.len();
            match node {
                Node::Text(text) => self.out.push_str(text),
                Node::Action(pipe) => {
                    let value = self.pipe(pipe, dot)?;
                    if pipe.variables.is_empty() {
                        let text = match value {
                            Value::Nil => "<no value>".to_owned(),
                            value => value.print(self.data),
                        };
                        self.out.push_str(&text);
                    }
                    // What it declares is known to those behind it.
                    continue;
                }
                Node::Break => return Ok(Flow::Break),
                Node::Continue => return Ok(Flow::Continue),
                Node::If(pipe, then, other) => {
                    let value = self.pipe(pipe, dot)?;
                    let flow = self.list(if value.is_true() { then } else { other }, dot)?;
                    self.variables.truncate(known);
                    if flow != Flow::On {
                        return Ok(flow);
                    }
                }
                Node::With(pipe, then, other) => {
                    let value = self.pipe(pipe, dot)?;
                    let flow =
                        if value.is_true() { self.list(then, &value)? } else { self.list(other, dot)? };
                    self.variables.truncate(known);
                    if flow != Flow::On {
                        return Ok(flow);
                    }
                }
                Node::Range(pipe, body, other) => self.range(pipe, body, other, dot)?,
                Node::Template(name, pipe) => self.named(name, pipe.as_ref(), dot)?,
            }
            self.variables.truncate(known);
        }
        Ok(Flow::On)
    }

    fn range(&mut self, pipe: &Pipe, body: &[Node], other: &[Node], dot: &Value) -> Result<(), String> {
        let known = self.variables.len();
        let over = self.value(pipe, dot)?;
        let items: Vec<(Value, Value)> = match &over {
            Value::List(all) => {
                all.iter().enumerate().map(|(n, v)| (Value::Int(n as i64), v.clone())).collect()
            }
            Value::Map(all) => all.iter().map(|(k, v)| (Value::Text(k.clone()), v.clone())).collect(),
            Value::Int(n) => (0..*n).map(|n| (Value::Int(n), Value::Int(n))).collect(),
            Value::Nil => Vec::new(),
            over => return Err(format!("range can't iterate over {}", over.print(self.data))),
        };
        if items.is_empty() {
            self.list(other, dot)?;
        }
        for (key, value) in items {
            let names = pipe.variables.as_slice();
            let set = match names {
                [] => vec![],
                [only] => vec![(only, &value)],
                [first, second, ..] => vec![(first, &key), (second, &value)],
            };
            for (name, value) in set {
                self.set(name, value.clone(), pipe.assigns)?;
            }
            let flow = self.list(body, &value)?;
            self.variables.truncate(known);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(())
    }

    fn named(&mut self, name: &str, pipe: Option<&Pipe>, dot: &Value) -> Result<(), String> {
        let nodes = self.template.named.get(name).ok_or_else(|| format!("template {name:?} not defined"))?;
        let value = pipe.map_or(Ok(Value::Nil), |pipe| self.pipe(pipe, dot))?;
        if self.depth >= DEEPEST {
            return Err("exceeded maximum template depth".to_owned());
        }
        self.depth += 1;
        let outside = std::mem::replace(&mut self.variables, vec![(String::new(), value.clone())]);
        let done = self.list(nodes, &value);
        self.variables = outside;
        self.depth -= 1;
        done.map(drop)
    }

    /// A pipe's value, declared where it is to be.
    fn pipe(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, String> {
        let value = self.value(pipe, dot)?;
        for name in &pipe.variables {
            self.set(name, value.clone(), pipe.assigns)?;
        }
        Ok(value)
    }

    fn set(&mut self, name: &str, value: Value, assigns: bool) -> Result<(), String> {
        if !assigns {
            self.variables.push((name.to_owned(), value));
            return Ok(());
        }
        let known = self.variables.iter_mut().rev().find(|(known, _)| known == name);
        known.ok_or_else(|| format!("undefined variable: ${name}"))?.1 = value;
        Ok(())
    }

    fn value(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, String> {
        let mut last = None;
        for command in &pipe.commands {
            last = Some(self.command(command, dot, last)?);
        }
        Ok(last.unwrap_or(Value::Nil))
    }

    /// One command: a function or method with its arguments, the last command's value behind them, or a plain value.
    fn command(&mut self, command: &[Operand], dot: &Value, last: Option<Value>) -> Result<Value, String> {
        let (first, others) = command.split_first().ok_or("missing value for command")?;
        if let Base::Function(name) = &first.base {
            if let Some(value) = self.short(name, others, dot, &last)? {
                return self.fields(value, &first.fields, Vec::new());
            }
            let arguments = self.arguments(others, dot, last)?;
            let value = functions::call(name, &arguments, self.data)?;
            return self.fields(value, &first.fields, Vec::new());
        }
        let arguments = self.arguments(others, dot, last)?;
        if first.fields.is_empty() && !arguments.is_empty() {
            return Err("can't give argument to non-function".to_owned());
        }
        let base = self.base(&first.base, dot)?;
        self.fields(base, &first.fields, arguments)
    }

    /// `and` and `or` evaluate no more than they have to.
    fn short(
        &mut self,
        name: &str,
        operands: &[Operand],
        dot: &Value,
        last: &Option<Value>,
    ) -> Result<Option<Value>, String> {
        let stops_at = match name {
            "and" => false,
            "or" => true,
            _ => return Ok(None),
        };
        let mut value = None;
        for operand in operands {
            let one = self.operand(operand, dot)?;
            let stops = one.is_true() == stops_at;
            value = Some(one);
            if stops {
                return Ok(value);
            }
        }
        let value = last.clone().or(value);
        value.map(Some).ok_or_else(|| format!("wrong number of args for {name}: want at least 1 got 0"))
    }

    fn arguments(
        &mut self,
        operands: &[Operand],
        dot: &Value,
        last: Option<Value>,
    ) -> Result<Vec<Value>, String> {
        let mut all = Vec::new();
        for operand in operands {
            all.push(self.operand(operand, dot)?);
        }
        all.extend(last);
        Ok(all)
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, String> {
        let base = match &operand.base {
            Base::Function(name) => functions::call(name, &[], self.data)?,
            base => self.base(base, dot)?,
        };
        self.fields(base, &operand.fields, Vec::new())
    }

    fn base(&mut self, base: &Base, dot: &Value) -> Result<Value, String> {
        match base {
            Base::Dot => Ok(dot.clone()),
            Base::Constant(value) => Ok(value.clone()),
            Base::Pipe(pipe) => self.value(pipe, dot),
            Base::Function(name) => functions::call(name, &[], self.data),
            Base::Variable(name) => {
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                found.map(|(_, value)| value.clone()).ok_or_else(|| format!("undefined variable: ${name}"))
            }
        }
    }

    /// Fields one after the other; the last one takes the arguments.
    fn fields(&self, base: Value, names: &[String], arguments: Vec<Value>) -> Result<Value, String> {
        let mut value = base;
        for (at, name) in names.iter().enumerate() {
            let arguments = if at + 1 == names.len() { arguments.as_slice() } else { &[] };
            value = match &value {
                Value::Object(object) => self
                    .data
                    .field(*object, name, arguments)
                    .ok_or_else(|| format!("can't evaluate field {name} in type {}", value.kind()))?,
                // The one map with methods is the header's: texts by names, whatever their case.
                Value::Map(all) if !arguments.is_empty() => {
                    let wanted = match arguments {
                        [Value::Text(wanted)] => wanted,
                        _ => return Err(format!("wrong number of args for {name}")),
                    };
                    let found = all.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted));
                    let values = found.map_or(Value::Nil, |(_, values)| values.clone());
                    match (name.as_str(), &values) {
                        ("Values", _) => values,
                        ("Get", Value::List(all)) => all.first().cloned().unwrap_or_else(|| Value::from("")),
                        ("Get", _) => Value::from(""),
                        _ => return Err(format!("{name} has arguments but cannot be invoked as function")),
                    }
                }
                Value::Map(all) => {
                    let found = all.iter().find(|(key, _)| **key == **name);
                    found.map_or(Value::Nil, |(_, value)| value.clone())
                }
                Value::Nil => return Err(format!("nil data; no entry for key {name:?}")),
                other => return Err(format!("can't evaluate field {name} in type {}", other.kind())),
            };
        }
        Ok(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(Rc::from(text))
    }
}
