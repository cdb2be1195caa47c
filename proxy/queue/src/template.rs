//! Go's `text/template`, as far as a line about a request can need it: everything of the language but functions as values. Owns
//! syntax and execution; knows no request: data is asked for by name.

mod execute;
mod format;
mod functions;
mod lex;
mod parse;
mod value;

use std::collections::BTreeMap;

pub(crate) use parse::ParseError;
pub(crate) use value::Value;

use parse::Node;

/// What a template is executed on. Objects are numbers that the data gives out.
pub(crate) trait Data {
    /// The object that `.` is at first.
    fn root(&self) -> Value;
    /// A field of an object, or what a method of it says; `None` if it has none of this name that takes these arguments.
    fn field(&self, object: u32, name: &str, arguments: &[Value]) -> Option<Value>;
    /// An object as `%v` prints it.
    fn print(&self, object: u32) -> String;
}

/// A template that can be executed.
#[derive(Debug)]
pub(crate) struct Template {
    nodes: Vec<Node>,
    /// By `define` and `block`.
    named: BTreeMap<String, Vec<Node>>,
}

impl Template {
    /// # Errors
    /// What is wrong, and near what.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseError> {
        parse::parse(text)
    }

    /// The text for this data.
    ///
    /// # Errors
    /// What the data does not have, or a function does not take.
    pub(crate) fn execute(&self, data: &dyn Data) -> Result<String, String> {
        execute::execute(self, data)
    }
}

#[cfg(test)]
mod tests;
