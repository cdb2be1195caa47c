//! `forebay up`: the parts wired together on one machine. Owns the order in which they start and stop; decides nothing else.
//!
//! ```text
//! manifests ─> Control ─> Store ══ xDS over a Unix socket ══> Gateway ─> workers
//!                │  └─> Platform (processes) ── ready, gone ──> Control ─> EDS
//!                └────> Autoscaler <── websocket: load ── Gateway;  Autoscaler ── scale ──> Platform
//! ```

mod endpoints;
mod keep;
mod output;
mod prepare;
mod screen;
mod watch;
mod wiring;

use std::process::ExitCode;

use crate::cli::Up;

/// Runs until it is told to end, or cannot begin.
pub(crate) fn run(options: Up) -> ExitCode {
    let _output = output::init(options.log_format);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::fatal(&format!("no event loop: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let local = tokio::task::LocalSet::new();
    let ended = local.block_on(&runtime, async move {
        let prepared = prepare::prepare(options).await?;
        Ok::<_, prepare::Unable>(wiring::run(prepared).await)
    });
    match ended {
        Ok(None) => ExitCode::SUCCESS,
        // What still runs is not waited for.
        Ok(Some(signal)) => std::process::exit(crate::gateway::FORCED + signal.as_raw_value()),
        Err(unable) => {
            output::fatal(&unable.to_string());
            ExitCode::FAILURE
        }
    }
}
