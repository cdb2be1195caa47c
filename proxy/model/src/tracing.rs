//! Which requests are traced, and who hears of it. Knows nothing of protobuf, nor of how a span is made.

use std::sync::Arc;
use std::time::Duration;

use forebay_route::ClusterIx;

/// How a connection manager traces.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracing {
    /// Share of the requests that ask for it themselves: per cent.
    pub client_sampling: u32,
    /// Share of all: per ten thousand.
    pub random_sampling: u32,
    /// Bound on both: per cent.
    pub overall_sampling: u32,
    /// Whether moments of a request become events of its span.
    pub verbose: bool,
    /// How much of a path `http.url` has, in bytes.
    pub max_path_tag_length: usize,
    /// What is told besides.
    pub tags: Vec<Tag>,
    /// Whether upstream is told.
    pub propagates: bool,
    /// Whether the call upstream is a span of its own.
    pub upstream_span: bool,
    /// Who hears of it.
    pub collector: Arc<Collector>,
}

/// An attribute of every span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its name.
    pub name: Arc<str>,
    /// What it says.
    pub value: TagValue,
}

/// Where a tag's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagValue {
    /// It is always this. Variables of the environment are known when they are read.
    Literal(Arc<str>),
    /// A header of the request; without it the default, and without that no tag.
    Header {
        /// Lower case.
        name: Arc<str>,
        /// Empty is none.
        default: Arc<str>,
    },
}

/// An OpenTelemetry collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// The cluster it is.
    pub cluster: ClusterIx,
    /// What it speaks.
    pub transport: Transport,
    /// How long it may take to answer; zero is for ever.
    pub timeout: Duration,
    /// `service.name` of all spans.
    pub service_name: Arc<str>,
}

/// How a collector is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// gRPC over HTTP/2.
    Grpc {
        /// `:authority`.
        authority: Arc<str>,
        /// More headers.
        metadata: Vec<(Arc<str>, Arc<str>)>,
    },
    /// Protobuf in the body of a `POST`.
    Http {
        /// `host` header.
        authority: Arc<str>,
        /// Path and query.
        path: Arc<str>,
        /// More headers.
        headers: Vec<(Arc<str>, Arc<str>)>,
    },
}
