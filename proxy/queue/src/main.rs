//! `forebay-queue-proxy`: the queue-proxy as a program of its own, for the sidecar's image. Knows nothing of its words but that there
//! are none: a queue-proxy is told everything by its environment.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    use std::io::Write;
    match std::env::args_os().nth(1) {
        None => forebay_queue::run(),
        Some(word) if word == "--version" => {
            // Who closed the other end does not want to know.
            let _ = writeln!(std::io::stdout(), "forebay-queue-proxy {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Some(word) => {
            let _ = writeln!(std::io::stderr(), "{}: a queue-proxy takes no arguments", word.display());
            ExitCode::FAILURE
        }
    }
}
