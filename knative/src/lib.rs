//! Knative's words as plain Rust, pure: no clients, no xDS, no clock of its own.
