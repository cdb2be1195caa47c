//! The binary: which role this process plays. Knows nothing of what the roles do.

mod cli;
mod explain;
mod gateway;
mod queue;
mod sample;
mod up;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_default();
    if Path::new(&name).file_name().is_some_and(|name| name == gateway::ENVOY) {
        return gateway::run(words.map(|word| word.to_string_lossy().into_owned()));
    }
    match Cli::parse().command {
        Command::Gateway(words) => gateway::run(words.words),
        Command::QueueProxy => queue::run(),
        Command::Up(options) => up::run(*options),
        Command::Sample(options) => sample::run(options.app),
        Command::Explain(options) => explain::run(&options),
        Command::Guard => forebay_local::guard_main(),
    }
}
