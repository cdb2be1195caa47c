//! The sample apps: what `forebay sample` runs so that examples and tests need no other program. Knows nothing of
//! proxies or platforms beyond the container contract (PORT, K_*, SIGTERM).

mod answer;
mod body;
mod grpc;
mod load;
mod server;
mod settings;
mod websocket;

use std::process::ExitCode;

use crate::cli::SampleApp;

use self::settings::Settings;

/// Serves until SIGTERM or SIGINT, then finishes what is in flight.
pub(crate) fn run(app: SampleApp) -> ExitCode {
    let SampleApp::Hello = app;
    let served =
        Settings::from_env().and_then(|settings| server::serve(settings).map_err(|error| error.to_string()));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("forebay sample hello: {error}");
            ExitCode::FAILURE
        }
    }
}
