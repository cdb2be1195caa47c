//! The binary: which role this process plays. Knows nothing of what the roles do.

mod cli;
mod explain;
mod sample;
mod up;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Up(options) => up::run(*options),
        Command::Sample(options) => sample::run(options.app),
        Command::Explain(options) => explain::run(&options),
        Command::Guard => forebay_local::guard_main(),
    }
}
