//! Knative's serving objects after defaulting and validation: what is stored, reconciled and shown.
//! Knows nothing of YAML, of how an object came in, or of what runs.
//!
//! Field names in JSON are Kubernetes'. Rare parts are behind a pointer and equal parts are shared, so that a thousand
//! small Services stay small.

mod container;
mod meta;
mod probe;
mod revision;
mod service;
mod status;

pub use container::{Container, ContainerPort, EnvVar, Protocol};
pub use meta::{ObjectMeta, Pairs, Uid};
pub use probe::{Handler, HttpHeader, Probe, Scheme};
pub use revision::{Revision, RevisionSpec, RevisionTemplate};
pub use service::{
    Configuration, DomainMapping, Kind, Reference, Route, RouteOwner, Service, ServiceSpec, TrafficTarget,
};
pub use status::{Condition, RevisionState, Status};
