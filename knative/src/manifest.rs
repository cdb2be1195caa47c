//! Manifests: YAML or JSON text, one or many documents, read into objects not yet checked by Knative's rules.
//! Knows nothing of files or stores; the caller adds the file's name to what is told here.

mod chunks;
mod decode;
pub(crate) mod draft;
mod node;
mod object;

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use chunks::{Chunk, chunks};
use decode::Decoder;
use draft::Draft;
use node::{Node, Value};
pub use object::Object;

/// One object of a manifest.
#[derive(Debug, Clone)]
pub struct Document {
    pub object: Object,
    /// Where it begins, from 1.
    pub line: u32,
    /// Unknown fields: accepted, as `kubectl` does, but told.
    pub warnings: Vec<Problem>,
    /// Which one of the manifest's objects, from 0; [`locate`] needs it.
    pub index: usize,
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// From 1; 0 if nothing is known.
    pub line: u32,
    /// From the object's root, such as `spec.template.spec.containers[0].image`; empty for the document as a whole.
    pub path: String,
    pub message: String,
}

impl Problem {
    /// The same, so many lines further down.
    fn down(self, lines: u32) -> Self {
        Self { line: if self.line > 0 { self.line + lines } else { 0 }, ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// Nesting a manifest may have, lists and mappings together. Knative's own objects need about 15.
const MAX_DEPTH: usize = 64;
/// Documents, nodes and events one text may have: room for 100,000 Services, and an end for everything.
const MAX_NODES: usize = 20_000_000;
/// Nodes that aliases may repeat over the whole text. People share a block or two; a bomb wants millions.
const MAX_REPEATED: usize = 100_000;
/// Longest key in characters, as in Kubernetes' JSON there is no bound of its own. YAML's 1,024 is for simple keys.
const MAX_KEY: usize = 4096;

/// Reads every object of `text`, in order: documents of a stream, and the items of a `kind: List`. All or nothing; the
/// error holds at least one problem, and the first one of every broken document.
///
/// One document is in memory at a time: what is returned remembers where in the text an object stands.
pub fn parse(text: &str) -> Result<Vec<Document>, Vec<Problem>> {
    let text: Arc<str> = untabbed(text).into();
    let (mut documents, mut problems) = (Vec::new(), Vec::new());
    let mut repeatable = MAX_REPEATED;
    for chunk in chunks(&text) {
        let roots = match roots(&text[chunk.bytes.clone()], &mut repeatable) {
            Ok(roots) => roots,
            Err(problem) => {
                problems.push(problem.down(chunk.lines));
                continue;
            }
        };
        // A tree is kept where reading the text again would be reading all of a List for each of its items.
        let alone = roots.iter().flat_map(Node::objects).nth(1).is_none();
        for node in roots.iter().flat_map(Node::objects) {
            match read(node) {
                Ok((draft, warnings)) => documents.push(Document {
                    object: if alone { Object::at(&text, &chunk, &draft) } else { Object::whole(draft) },
                    line: node.line + chunk.lines,
                    warnings: warnings.into_iter().map(|warning| warning.down(chunk.lines)).collect(),
                    index: documents.len(),
                }),
                Err(problem) => {
                    problems.push(problem.down(chunk.lines));
                    break;
                }
            }
        }
    }
    if problems.is_empty() { Ok(documents) } else { Err(problems) }
}

/// The line of `path` in the object number `index` of `text`; of its nearest parent that is written there, if it is not.
/// Reads the text again: meant for telling people of errors, not for every object.
pub fn locate(text: &str, mut index: usize, path: &str) -> u32 {
    let text = untabbed(text);
    for Chunk { bytes, lines } in chunks(&text) {
        let Ok(roots) = roots(&text[bytes], &mut { MAX_REPEATED }) else { continue };
        let count = roots.iter().flat_map(Node::objects).count();
        match roots.iter().flat_map(Node::objects).nth(index) {
            Some(object) => return object.line_of(path) + lines,
            None => index -= count,
        }
    }
    0
}

/// The body of the fuzz target: whatever the bytes are, this returns.
pub fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match parse(text) {
        Ok(documents) => {
            let mut world = crate::World::new(crate::world::Config::default());
            for document in documents {
                let now = std::time::SystemTime::UNIX_EPOCH;
                if let Err(invalid) = world.apply(document.object, now) {
                    for path in invalid.0.iter().flat_map(|error| &error.paths) {
                        locate(text, document.index, path);
                    }
                }
            }
            world.take_changes();
        }
        Err(problems) => assert!(!problems.is_empty(), "an error without a problem"),
    }
}

/// JSON may be indented with tabs, YAML may not: tabs that begin a line of a text that is JSON become spaces. No string of
/// JSON can hold a line break, so nothing but indentation is touched.
fn untabbed(text: &str) -> std::borrow::Cow<'_, str> {
    let text = text.trim_start_matches('\u{feff}');
    if !text.trim_start().starts_with(['{', '[']) || !text.contains('\t') {
        return text.into();
    }
    let lines = text.split_inclusive('\n').map(|line| {
        let body = line.trim_start_matches(['\t', ' ']);
        " ".repeat(line.len() - body.len()) + body
    });
    lines.collect::<String>().into()
}

/// The trees of one chunk: one, or none if it is empty. `repeatable`: how many nodes aliases may still repeat.
fn roots(chunk: &str, repeatable: &mut usize) -> Result<Vec<Node>, Problem> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: MAX_NODES,
            max_nodes: MAX_NODES,
            max_events: MAX_NODES,
            simple_key_max_lookahead: MAX_KEY,
            max_recorded_anchor_events: MAX_REPEATED,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: *repeatable },
        strict_booleans: true,
        with_snippet: false,
    };
    let roots: Vec<Node> = serde_saphyr::from_multiple_with_options(chunk, options).map_err(|error| {
        let line = error.location().map_or(0, |at| u32::try_from(at.line()).unwrap_or(u32::MAX));
        Problem { line, path: String::new(), message: one_line(&error.to_string()) }
    })?;
    if chunk.contains('*') {
        // Every node takes a byte of the text to write: what is more has been repeated.
        let nodes: usize = roots.iter().map(Node::count).sum();
        *repeatable = repeatable.saturating_sub(nodes.saturating_sub(chunk.len()));
    }
    Ok(roots)
}

/// A parser's message for people: on one line, without its own spelling of the place, and without advice to programmers.
fn one_line(message: &str) -> String {
    let message = message.split('\n').next().unwrap_or_default();
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if has(&["RecordedAnchor", "alias replay", "Aliases {", "AliasAnchorRatio"]) {
        return format!("aliases repeat too much (more than {MAX_REPEATED} nodes)");
    }
    if has(&["Depth {", "nesting", "recursion"]) {
        return format!("nested too deeply (more than {MAX_DEPTH} levels)");
    }
    if has(&["budget breached"]) {
        return format!("too large (more than {MAX_NODES} nodes)");
    }
    let message = message.split(" (used at ").next().unwrap_or_default();
    let end = message.rfind(" at line ").unwrap_or(message.len());
    message[..end].trim_end_matches(", set DuplicateKeyPolicy in Options if acceptable").to_owned()
}

fn read(node: &Node) -> Result<(Draft, Vec<Problem>), Problem> {
    let warnings = RefCell::new(Vec::new());
    let draft = Draft::read(Decoder::new(node, &warnings))?;
    Ok((draft, warnings.into_inner()))
}

impl Node {
    /// The objects it stands for: none for nothing at all, the items for a List, else itself.
    fn objects(&self) -> Box<dyn Iterator<Item = &Node> + '_> {
        match &self.value {
            Value::Null => Box::new(std::iter::empty()),
            Value::Map(_) if self.is_list() => match self.get("items").map(|items| &items.value) {
                Some(Value::List(items)) => Box::new(items.iter().flat_map(Node::objects)),
                _ => Box::new(std::iter::empty()),
            },
            _ => Box::new(std::iter::once(self)),
        }
    }

    /// Itself and all below.
    fn count(&self) -> usize {
        1 + match &self.value {
            Value::List(items) => items.iter().map(Node::count).sum(),
            Value::Map(fields) => fields.iter().map(|(_, node)| node.count()).sum(),
            _ => 0,
        }
    }

    fn is_list(&self) -> bool {
        let is =
            |field: &str, text: &str| self.get(field).is_some_and(|node| node.value.as_text() == Some(text));
        is("kind", "List") && is("apiVersion", "v1")
    }
}

#[cfg(test)]
mod tests;
