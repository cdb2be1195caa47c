//! What can be wrong with the environment, in the reference's words where it has any.

use thiserror::Error;

/// A variable that cannot be obeyed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Invalid {
    /// It has to be there, if only empty.
    #[error("required key {0} missing value")]
    Missing(&'static str),
    /// It is no number or no truth value.
    #[error(
        "envconfig.Process: assigning {name} to {field}: converting '{value}' to type {kind}. details: strconv.{parser}: parsing {value:?}: {why}"
    )]
    Malformed {
        /// The variable.
        name: &'static str,
        /// The reference's field.
        field: &'static str,
        /// What it says.
        value: String,
        /// Go's type.
        kind: &'static str,
        /// Go's parser of the type.
        parser: &'static str,
        /// `invalid syntax` or `value out of range`.
        why: &'static str,
    },
    /// It is no port.
    #[error("{name}: {value:?} is not a port from 1 to 65535")]
    Port {
        /// The variable.
        name: &'static str,
        /// What it says.
        value: String,
    },
    /// It is no IP address.
    #[error("{name}: {value:?} is not an IP address")]
    Address {
        /// The variable.
        name: &'static str,
        /// What it says.
        value: String,
    },
    /// It is no length of time.
    #[error("{name}: {value:?} is not a time such as 30s")]
    Duration {
        /// The variable.
        name: &'static str,
        /// What it says.
        value: String,
    },
    /// A number beyond what can be counted.
    #[error("{name}: {value} is more than 4294967295")]
    TooLarge {
        /// The variable.
        name: &'static str,
        /// What it says.
        value: i64,
    },
    /// Telemetry that cannot be told as it should be.
    #[error("OBSERVABILITY_CONFIG: {0}")]
    Telemetry(String),
    /// Prometheus cannot be served as it should be.
    #[error("{0}")]
    Prometheus(String),
    /// It is no JSON of the kind that is expected.
    #[error("{name}: {why}")]
    Json {
        /// The variable.
        name: &'static str,
        /// What is wrong, and where.
        why: String,
    },
}
