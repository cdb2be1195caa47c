//! The protobuf vocabulary: Envoy v3 re-exported from `envoy-types` under one name, so that one line changes if it is ever
//! replaced. Knows nothing else.

pub use envoy_types::pb;
pub use envoy_types::pb::{envoy, google, udpa, xds};

mod body;
pub mod json;
pub mod type_url;

pub use body::Body;
pub use google::protobuf::Any;
