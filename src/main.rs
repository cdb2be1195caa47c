//! The binary: which role this process plays. Knows nothing of what the roles do.

mod cli;
mod explain;
mod gateway;
mod sample;
mod up;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let name = words.first().map(Path::new).and_then(Path::file_name);
    match words.get(1..).unwrap_or_default() {
        words if name.is_some_and(|name| name == gateway::ENVOY) => {
            return gateway::run(words.iter().map(|word| word.to_string_lossy().into_owned()));
        }
        // Without the tree of commands: it is two MiB of the program's pages, which a sidecar would hold for its life.
        [word] if word == "queue-proxy" => return forebay_queue::run(),
        _ => {}
    }
    match Cli::parse().command {
        Command::Gateway(words) => gateway::run(words.words),
        Command::QueueProxy => forebay_queue::run(),
        Command::Up(options) => up::run(*options),
        Command::Sample(options) => sample::run(options.app),
        Command::Explain(options) => explain::run(&options),
        Command::Guard => forebay_local::guard_main(),
    }
}
