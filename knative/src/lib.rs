//! Knative's words as plain Rust: objects, manifests, defaulting and validation, traffic, Route → KIngress.
//! Pure: no clients, no xDS, no files, no sockets, no clock of its own; time is an argument.

pub mod api;
pub mod field_error;
pub mod ingress;
pub mod key;
pub mod manifest;
pub mod world;

pub use field_error::{FieldError, Invalid};
pub use key::{Key, RevisionKey};
pub use world::{Changes, World};
