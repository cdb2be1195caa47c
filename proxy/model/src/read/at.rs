//! Where in a resource a reader is: a path that costs nothing until an error needs it. Knows no message.

use std::fmt;

use super::invalid::{Invalid, Rule};

/// A place in a resource, as a chain back to its root, which lives on the stacks of the readers above.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Field(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> At<'a> {
    /// The resource itself: errors there have no path.
    pub(crate) const ROOT: At<'static> = At { parent: None, step: Step::Field("") };

    /// A field of the message here.
    pub(crate) fn field(&'a self, name: &'a str) -> At<'a> {
        // `stringify!` of a raw identifier keeps its mark; protobuf's name has none.
        At { parent: Some(self), step: Step::Field(name.strip_prefix("r#").unwrap_or(name)) }
    }

    /// An element of the list here.
    pub(crate) fn index(&'a self, index: usize) -> At<'a> {
        At { parent: Some(self), step: Step::Index(index) }
    }

    /// An entry of the map here.
    pub(crate) fn key(&'a self, key: &'a str) -> At<'a> {
        At { parent: Some(self), step: Step::Key(key) }
    }

    /// The rule that is broken here.
    pub(crate) fn refuse(&self, rule: Rule) -> Invalid {
        Invalid { path: self.to_string(), rule }
    }

    /// The field `name` of the message here has to be there and is not.
    pub(crate) fn missing(&self, name: &str) -> Invalid {
        self.field(name).refuse(Rule::Missing)
    }

    /// What is here is understood by Envoy and not by us.
    pub(crate) fn unsupported(&self, value: impl fmt::Debug) -> Invalid {
        self.refuse(Rule::unsupported(&value))
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parent) = self.parent else { return Ok(()) };
        parent.fmt(f)?;
        match self.step {
            Step::Field(name) if parent.parent.is_some() => write!(f, ".{name}"),
            Step::Field(name) => f.write_str(name),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{key:?}]"),
        }
    }
}
