//! The process that is a queue-proxy, `forebay-queue-proxy` or `forebay queue-proxy`: the environment, the log, the signals. Knows
//! nothing of requests.

mod log;

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use crate::{Config, QueueProxy};

/// Runs until SIGTERM and the drain after it; 1 for whatever keeps it from that.
pub fn run() -> ExitCode {
    let get = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let config = match Config::from_env(get) {
        Ok(config) => config,
        Err(invalid) => return fail(&invalid.to_string()),
    };
    log::start(&config.logging, &config.identity);
    forebay_net::limits::raise_open_files();
    // One thread: the app beside it is what the processors are for.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("no runtime: {error}")),
    };
    LocalSet::new().block_on(&runtime, serve(config))
}

async fn serve(config: Config) -> ExitCode {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
        return fail("signals cannot be heard");
    };
    let proxy = match QueueProxy::start(config) {
        Ok(proxy) => proxy,
        Err(error) => {
            tracing::error!(%error, "Failed to bring up queue-proxy, shutting down.");
            return fail(&error.to_string());
        }
    };
    tracing::info!("Starting queue-proxy");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tokio::select! {
        () = proxy.shutdown() => ExitCode::SUCCESS,
        // Who says it twice means now.
        _ = terminate.recv() => ExitCode::FAILURE,
        _ = interrupt.recv() => ExitCode::FAILURE,
    }
}

/// One clear line.
fn fail(message: &str) -> ExitCode {
    use std::io::Write;
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "{message}");
    ExitCode::FAILURE
}
