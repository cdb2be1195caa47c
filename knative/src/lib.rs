//! Knative's words as plain Rust: objects, manifests, defaulting and validation, traffic, Route → KIngress.
//! Pure: no clients, no xDS, no files, no sockets, no clock of its own; time is an argument.

mod admit;
pub mod api;
pub mod field_error;
mod hosts;
pub mod ingress;
pub mod key;
pub mod manifest;
mod path;
mod rollout;
mod traffic;
mod translate;
mod words;
pub mod world;

pub use field_error::{FieldError, Invalid};
pub use key::{Key, RevisionKey};
pub use world::{Changes, World};
