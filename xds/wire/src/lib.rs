//! The xDS protocol as sans-IO state machines, both sides. Knows nothing of tokio or tonic.
