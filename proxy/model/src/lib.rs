//! What the data plane obeys, immutable; the only proxy crate that reads protobuf.
