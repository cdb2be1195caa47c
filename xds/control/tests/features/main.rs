//! What Knative's manifests become, read as a specification: manifest in, resources out as text.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod canary;
mod domain_mapping;
mod hello;
mod limits;
mod lives;
mod tags;
mod text;
mod world;
