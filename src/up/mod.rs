//! `forebay up`: the parts wired together. Decides nothing itself.

use std::process::ExitCode;

use crate::cli::{Guard, Up};

pub(crate) fn run(options: Up) -> ExitCode {
    tracing::debug!(?options);
    eprintln!("forebay up: this build has no platform to run services on");
    ExitCode::FAILURE
}

pub(crate) fn guard(options: Guard) -> ExitCode {
    tracing::debug!(?options);
    ExitCode::FAILURE
}
