//! The command line: what may be said to `forebay`, and what is wrong with what was said. Starts nothing.

mod up;
mod value;

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use up::{LogFormat, Up};

/// Knative Services on one machine, and the parts they are made of.
#[derive(Debug, Parser)]
#[command(
    name = "forebay",
    version,
    about,
    max_term_width = 110,
    arg_required_else_help = true,
    args_override_self = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run Knative Services from manifests: gateway, autoscaler and revisions, from zero and back to zero
    Up(Box<Up>),
    /// Run a gateway with Envoy's flags and Envoy's bootstrap file (`forebay gateway --help` lists them)
    #[command(disable_help_flag = true)]
    Gateway(Gateway),
    /// Run Knative's sidecar in front of the app on 127.0.0.1:$USER_PORT, configured by Knative's environment variables
    QueueProxy,
    /// Run one of the sample apps on $PORT
    Sample(Sample),
    /// Ask a running `forebay up` which listener, host, route, revision and endpoint a URL gets, and why
    Explain(Explain),
    /// Outlive a killed forebay just long enough to end what it started (used by forebay itself)
    #[command(name = "__guard", hide = true)]
    Guard,
}

/// `forebay gateway`: Envoy's command line, which has rules of its own.
#[derive(Debug, Args)]
pub(crate) struct Gateway {
    /// Envoy's flags
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAGS")]
    pub words: Vec<String>,
}

/// `forebay sample`.
#[derive(Debug, Args)]
pub(crate) struct Sample {
    /// Which app
    #[arg(value_enum)]
    pub app: SampleApp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SampleApp {
    /// Answers `Hello $TARGET!`; has paths to sleep, stream, echo, websocket and gRPC (listed at /help)
    Hello,
}

/// `forebay explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The URL a client would ask for, e.g. hello.default.localhost:8080/x
    #[arg(value_parser = value::url)]
    pub url: http::Uri,
    /// Where `forebay up` answers questions about itself
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9901", env = "FOREBAY_ADMIN")]
    pub admin: SocketAddr,
    /// A request header that the route may look at, e.g. -H 'knative-serving-tag: canary' (repeatable)
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = value::header)]
    pub headers: Vec<(String, String)>,
}

#[cfg(test)]
mod tests;
