//! What Knative's manifests become, read as a specification: manifest in, resources out as text.

mod canary;
mod domain_mapping;
mod hello;
mod limits;
mod lives;
mod tags;
mod text;
mod world;
