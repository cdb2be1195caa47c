//! The options of `forebay up`, each with its variable, default and reason. Knows nothing of what they steer.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};

use super::value::{self, Bytes, Domain, ImageCommand};

/// `forebay up`.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Manifests: files or directories, YAML or JSON, several documents each; watched while running
    #[arg(required = true, value_name = "FILES")]
    pub files: Vec<PathBuf>,

    /// Port of the gateway; 0 picks a free one and prints it
    #[arg(long, default_value_t = 8080, env = "FOREBAY_PORT")]
    pub port: u16,

    /// Address of the gateway
    #[arg(long, value_name = "IP", default_value = "127.0.0.1", env = "FOREBAY_ADDRESS")]
    pub address: IpAddr,

    /// Port of the admin pages, on loopback only; 0 picks a free one and prints it
    #[arg(long, value_name = "PORT", default_value_t = 9901, env = "FOREBAY_ADMIN_PORT")]
    pub admin_port: u16,

    /// Where revisions are remembered and logs are kept [default: the platform's state directory]
    #[arg(long, value_name = "DIR", env = "FOREBAY_STATE")]
    pub state: Option<PathBuf>,

    /// Start empty: forget the revisions that the state directory remembers
    #[arg(long, value_parser = FalseyValueParser::new(), env = "FOREBAY_FRESH")]
    pub fresh: bool,

    /// A domain under which services answer, as NAME.NAMESPACE.DOMAIN (repeatable; comma-separated in the variable)
    #[arg(
        long = "domain",
        value_name = "DOMAIN",
        value_delimiter = ',',
        default_values = ["localhost", "127.0.0.1.sslip.io"],
        env = "FOREBAY_DOMAIN"
    )]
    pub domains: Vec<Domain>,

    /// Run COMMAND where a manifest names IMAGE without a command (repeatable; one a line in the variable)
    #[arg(long = "image", value_name = "IMAGE=COMMAND", value_delimiter = '\n', env = "FOREBAY_IMAGE")]
    pub images: Vec<ImageCommand>,

    /// Worker threads of the gateway [default: one for each core]
    #[arg(long, value_name = "N", value_parser = value::workers, env = "FOREBAY_WORKERS")]
    pub workers: Option<NonZeroUsize>,

    /// Put Knative's sidecar in front of each replica, as its pods have one: `forebay queue-proxy`
    #[arg(long, value_parser = FalseyValueParser::new(), env = "FOREBAY_QUEUE_PROXY")]
    pub queue_proxy: bool,

    /// How log lines are written; text becomes a live table on a terminal
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text, env = "FOREBAY_LOG_FORMAT")]
    pub log_format: LogFormat,

    /// Write one line for each request, in Envoy's default format, to this file; `-` is standard output
    #[arg(long, value_name = "PATH", env = "FOREBAY_ACCESS_LOG")]
    pub access_log: Option<PathBuf>,

    #[command(flatten)]
    pub limits: Limits,
}

/// Every queue and every clock is bounded; these are the bounds.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Limits {
    /// Requests that may wait for one revision while it starts or is full
    // Knative's activator holds as many in its breaker's queue.
    #[arg(long, value_name = "N", default_value_t = 10_000, env = "FOREBAY_MAX_WAITING")]
    pub max_waiting: u32,

    /// Bytes that the requests waiting for one revision may hold, e.g. 64MiB
    #[arg(long, value_name = "BYTES", default_value = "64MiB", env = "FOREBAY_MAX_WAITING_BYTES")]
    pub max_waiting_bytes: Bytes,

    /// How long a request may wait for its revision, e.g. 1m30s
    // The default of a revision's timeoutSeconds: waiting longer than the answer may take helps nobody.
    #[arg(long, value_name = "TIME", default_value = "300s", value_parser = value::duration, env = "FOREBAY_WAIT_TIMEOUT")]
    pub wait_timeout: Duration,

    /// Bytes of a request's line and headers together; beyond: 431
    #[arg(long, value_name = "BYTES", default_value = "60KiB", value_parser = value::header_bytes, env = "FOREBAY_MAX_HEADER_BYTES")]
    pub max_header_bytes: Bytes,

    /// Header fields of a request; beyond: 431
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..), env = "FOREBAY_MAX_HEADERS")]
    pub max_headers: u32,

    /// How long a client may take to send a request's headers; beyond: 408
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = value::duration, env = "FOREBAY_HEADER_TIMEOUT")]
    pub header_timeout: Duration,

    /// How long a client's connection may idle between requests
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = value::duration, env = "FOREBAY_IDLE_TIMEOUT")]
    pub idle_timeout: Duration,

    /// How long a new percentage takes to arrive for services that do not say so themselves; 0 is at once
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = value::duration, env = "FOREBAY_ROLLOUT_DURATION")]
    pub rollout_duration: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people; a live table on a terminal
    Text,
    /// One JSON object a line
    Json,
}
