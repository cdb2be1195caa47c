//! Envoy's bootstrap: from YAML or JSON text to what a gateway is started with. What is understood is honoured, what has no
//! effect here is accepted with one warning, what would change behaviour and is not supported is refused, with file, line and
//! field. Texts come with their names; which other files they name is looked at, and not what is in them.

mod discovery;
mod message;
mod options;
mod problem;
mod stream;
mod tree;
mod verdict;

use std::net::SocketAddr;
use std::time::Instant;

use forebay_model::{AccessLogConfig, FileResource, Model, Resource};
use forebay_proto::envoy::config::bootstrap::v3 as pb;
use forebay_proto::envoy::config::core::v3::Node;
use forebay_proto::{Body, type_url};
use prost::Message;
use prost_reflect::DescriptorPool;

use crate::Xds;
pub(crate) use discovery::discovery;
use message::Reader;
pub use problem::Problem;
use tree::Value;

/// A text of a bootstrap and what people call it: the file's name, or a flag's.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Its name in problems.
    pub name: &'a str,
    /// YAML or JSON.
    pub text: &'a str,
}

/// What a gateway is started with.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// Who this proxy is to the control plane.
    pub node: Node,
    /// Where the admin interface listens; `None` is nowhere.
    pub admin: Option<SocketAddr>,
    /// Where requests to it are written down.
    pub admin_logs: Vec<AccessLogConfig>,
    /// Where listeners and clusters come from, if not from here alone.
    pub xds: Option<Xds>,
    /// Files that have all clusters, or all listeners, by type.
    pub files: Vec<(String, FileResource)>,
    /// Listeners that no control plane can replace.
    pub listeners: Vec<Body>,
    /// Clusters that no control plane can replace.
    pub clusters: Vec<Body>,
    /// Downstream connections at once; `None` is no limit of the bootstrap's.
    pub max_connections: Option<usize>,
    /// What has no effect here.
    pub warnings: Vec<Problem>,
}

/// Who this proxy is, as the command line has it: each wins over the bootstrap's where it is not empty.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// `node.id`.
    pub node: String,
    /// `node.cluster`.
    pub cluster: String,
    /// `node.locality.zone`.
    pub zone: String,
}

/// Reads a bootstrap. Later sources are merged over earlier ones as protobuf merges: fields are replaced, messages merged,
/// lists appended.
pub fn read(sources: &[Source<'_>], identity: &Identity) -> Result<Bootstrap, Problem> {
    let pool = forebay_proto::json::descriptors().map_err(|error| Problem::whole(error.to_string()))?;
    let mut merged = pb::Bootstrap::default();
    let mut texts = Texts { read: Vec::new() };
    let mut warnings = Vec::new();
    for source in sources {
        let text = text(&pool, source, &mut merged, &mut warnings).map_err(|problem| {
            match problem.source.as_str() {
                "" => problem.within(source.name),
                _ => problem,
            }
        })?;
        texts.read.extend(text);
    }
    if texts.read.is_empty() {
        let name = sources.first().map_or("", |source| source.name);
        return Err(Problem::whole(
            "is empty: a bootstrap has at least static_resources or dynamic_resources",
        )
        .within(name));
    }
    let (statics, dynamics) = (merged.static_resources.take(), merged.dynamic_resources.take());
    let mut statics = statics.unwrap_or_default();
    for (index, listener) in statics.listeners.iter_mut().enumerate() {
        // Envoy gives such a one a random UUID; a name that says where it stands serves a reader of logs better.
        if listener.name.is_empty() {
            listener.name = format!("static_resources.listeners[{index}]");
        }
    }
    let mut node = merged.node.take().unwrap_or_default();
    stream::identify(&mut node, identity);
    let found = options::read(&merged, &mut warnings).and_then(|found| {
        let dynamics = dynamics.map(|dynamics| stream::read(&dynamics, &statics.clusters, &node));
        Ok((found, dynamics.transpose()?.unwrap_or_default()))
    });
    let (found, sources) = found.map_err(|problem| texts.place(problem))?;
    let bootstrap = Bootstrap {
        node,
        admin: found.admin,
        admin_logs: found.admin_logs,
        xds: sources.xds,
        files: sources.files,
        listeners: statics.listeners.iter().map(|listener| body(type_url::LISTENER, listener)).collect(),
        clusters: statics.clusters.iter().map(|cluster| body(type_url::CLUSTER, cluster)).collect(),
        max_connections: found.max_connections,
        warnings: warnings.into_iter().map(|warning| texts.place(warning)).collect(),
    };
    validate(&bootstrap).map_err(|problem| texts.place(problem))?;
    Ok(bootstrap)
}

/// Reads one text and merges it over what is there.
fn text<'a>(
    pool: &DescriptorPool,
    source: &Source<'a>,
    merged: &mut pb::Bootstrap,
    warnings: &mut Vec<Problem>,
) -> Result<Option<(&'a str, tree::Node)>, Problem> {
    let Some(tree) = tree::parse(source.text)? else { return Ok(None) };
    if !matches!(tree.value, Value::Map(_)) {
        return Err(Problem::at(tree.line, "", format!("expected a bootstrap, found {}", tree.value)));
    }
    const NAME: &str = "envoy.config.bootstrap.v3.Bootstrap";
    let before = warnings.len();
    verdict::judge(pool, NAME, &tree, "", warnings)?;
    for warning in warnings.iter_mut().skip(before) {
        *warning = warning.clone().within(source.name);
    }
    let descriptor =
        pool.get_message_by_name(NAME).ok_or_else(|| Problem::whole("the vocabulary has no Bootstrap"))?;
    let message = Reader { pool }.message(&descriptor, &tree, "")?;
    merged.merge(message.encode_to_vec().as_slice()).map_err(|error| Problem::whole(error.to_string()))?;
    Ok(Some((source.name, tree)))
}

/// What was read, to find the lines of fields in.
struct Texts<'a> {
    read: Vec<(&'a str, tree::Node)>,
}

impl Texts<'_> {
    /// Where a path is written. Of merged lists only the first text's part can be told apart, so that text wins.
    fn place(&self, problem: Problem) -> Problem {
        if !problem.source.is_empty() {
            return problem;
        }
        let top = problem.path.split(['.', '[']).next().unwrap_or_default();
        let found = self.read.iter().find(|(_, tree)| !top.is_empty() && tree.get(top).is_some());
        match found.or(self.read.first()) {
            Some((name, tree)) => {
                let line = if problem.line > 0 { problem.line } else { tree.line_of(&problem.path) };
                Problem { line, ..problem }.within(name)
            }
            None => problem,
        }
    }
}

/// Everything goes through the model once, as it will when the gateway starts.
fn validate(bootstrap: &Bootstrap) -> Result<(), Problem> {
    let mut model = Model::new();
    let rejected = |model: &mut Model, listeners: &[Resource<'_>], clusters: &[Resource<'_>]| {
        model.bootstrap(listeners, clusters, Instant::now()).rejected.into_iter().next()
    };
    let resource = |any| Resource { name: "", version: "", body: any };
    for (list, resources) in [("clusters", &bootstrap.clusters), ("listeners", &bootstrap.listeners)] {
        for (index, body) in resources.iter().enumerate() {
            let one = [resource(body)];
            let refused = if list == "clusters" {
                rejected(&mut model, &[], &one)
            } else {
                rejected(&mut model, &one, &[])
            };
            let Some(refused) = refused else { continue };
            let (inner, message) = match refused.message.split_once(": ") {
                Some((path, message)) if !path.contains(' ') => (path, message),
                _ => ("", refused.message.as_str()),
            };
            let dot = if inner.is_empty() { "" } else { "." };
            return Err(Problem::at(0, format!("static_resources.{list}[{index}]{dot}{inner}"), message));
        }
    }
    Ok(())
}

fn body(url: &str, message: &impl Message) -> Body {
    Body { type_url: url.to_owned(), value: message.encode_to_vec().into() }
}

#[cfg(test)]
mod tests;
