//! `forebay gateway`, and `envoy`: a gateway with Envoy's command line and bootstrap. Owns files, signals and exit codes;
//! what a gateway does is the role's own.

mod flags;
mod log;
mod shown;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use forebay_gateway::bootstrap::{self, Bootstrap, Identity, Problem, Source};
use forebay_gateway::{Config, Drain, Gateway, Ramp, StartError};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use flags::{Flags, Mode, Other, Strategy};

/// The name under which this program takes Envoy's place.
pub(crate) const ENVOY: &str = "envoy";

/// Client connections at once where the bootstrap names no limit: Envoy's recommendation for an edge.
const MAX_CONNECTIONS: usize = 50_000;

/// Added to the signal's number: the exit code of a process that was made to leave.
pub(crate) const FORCED: i32 = 128;

/// Why nothing runs.
#[derive(Debug, thiserror::Error)]
enum Unable {
    #[error("{path}: {error}")]
    File { path: String, error: std::io::Error },
    #[error(transparent)]
    Bootstrap(#[from] Problem),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("cannot write {path} (--admin-address-path): {error}")]
    AddressPath { path: String, error: std::io::Error },
    #[error("no event loop: {0}")]
    Runtime(std::io::Error),
    #[error("cannot hear signals: {0}")]
    Signals(std::io::Error),
}

/// Runs until a signal or the admin interface ends it. `words` are those behind the program's name.
pub(crate) fn run(words: impl IntoIterator<Item = String>) -> ExitCode {
    let flags = match flags::parse(words) {
        Ok(flags) => flags,
        Err(other) => return tell(&other),
    };
    if let Err(error) = log::init(&flags) {
        return fail(&format!("{}: {error}", flags.log_path.as_deref().unwrap_or("log")));
    }
    let name = flags.config_path.clone().unwrap_or_else(|| "--config-yaml".to_owned());
    let ran = read(&flags).and_then(|bootstrap| match flags.mode {
        Mode::Validate => {
            println!("configuration '{name}' OK");
            Ok(())
        }
        Mode::Serve => serve(&flags, bootstrap),
    });
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(unable) => fail(&unable.to_string()),
    }
}

fn tell(other: &Other) -> ExitCode {
    match other {
        Other::Help => print!("{}", flags::help()),
        Other::Version => println!("envoy  version: forebay/{}/{ENVOY_VERSION}", env!("CARGO_PKG_VERSION")),
        Other::HotRestartVersion => println!("disabled"),
        Other::Wrong(wrong) => return fail(&wrong.to_string()),
    }
    ExitCode::SUCCESS
}

/// The version of Envoy whose command line, bootstrap and behaviour this is.
const ENVOY_VERSION: &str = "1.40.0";

/// One clear line. It goes to standard error even if log lines go elsewhere or are off.
fn fail(message: &str) -> ExitCode {
    use std::io::Write;
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "error: {message}");
    ExitCode::FAILURE
}

/// The bootstrap, with everything in it tried.
fn read(flags: &Flags) -> Result<Bootstrap, Unable> {
    for (flag, why) in &flags.idle {
        warn!("--{flag} has no effect: {why}");
    }
    let file = flags.config_path.as_ref().map(|path| text(path).map(|text| (path, text))).transpose()?;
    let mut sources = Vec::new();
    if let Some((path, text)) = &file {
        sources.push(Source { name: path, text });
    }
    if let Some(yaml) = &flags.config_yaml {
        sources.push(Source { name: "--config-yaml", text: yaml });
    }
    let identity =
        Identity { node: flags.node.clone(), cluster: flags.cluster.clone(), zone: flags.zone.clone() };
    let bootstrap = bootstrap::read(&sources, &identity)?;
    for warning in &bootstrap.warnings {
        warn!("{warning}");
    }
    Ok(bootstrap)
}

fn text(path: &str) -> Result<String, Unable> {
    let failed = |error| Unable::File { path: path.to_owned(), error };
    let bytes = std::fs::read(path).map_err(failed)?;
    let unsupported = ["pb", "pb_text", "textproto"]
        .iter()
        .any(|end| Path::new(path).extension().is_some_and(|e| e == *end));
    let wrong = |message: &str| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, message));
    if unsupported {
        return Err(wrong("protobuf files are not supported; YAML and JSON are"));
    }
    String::from_utf8(bytes).map_err(|_| wrong("not YAML: it is not UTF-8"))
}

fn serve(flags: &Flags, bootstrap: Bootstrap) -> Result<(), Unable> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Unable::Runtime)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(Unable::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Unable::Signals)?;
        let mut reopen = signal(SignalKind::user_defined1()).map_err(Unable::Signals)?;
        // As Envoy: a terminal that goes away is no reason to stop serving.
        let mut hangup = signal(SignalKind::hangup()).map_err(Unable::Signals)?;
        let gateway = Gateway::start(config(flags, bootstrap))?;
        if let (Some(path), Some(address)) = (&flags.admin_address_path, gateway.admin()) {
            let failed = |error| Unable::AddressPath { path: path.clone(), error };
            std::fs::write(path, address.to_string()).map_err(failed)?;
        }
        info!(
            "starting forebay {} in the place of envoy {ENVOY_VERSION}, admin {:?}",
            env!("CARGO_PKG_VERSION"),
            gateway.admin()
        );
        loop {
            tokio::select! {
                _ = terminate.recv() => break info!("caught SIGTERM, exiting"),
                _ = interrupt.recv() => break info!("caught SIGINT, exiting"),
                () = gateway.asked_to_quit() => break info!("asked to quit, exiting"),
                _ = hangup.recv() => info!("caught SIGHUP, going on"),
                _ = reopen.recv() => {
                    log::reopen();
                    gateway.reopen_logs();
                    info!("caught SIGUSR1, log files were opened anew");
                }
            }
        }
        // Nothing holds this up but what is stuck: a disk that takes no log lines.
        tokio::select! {
            () = gateway.shutdown(Duration::ZERO) => {}
            _ = terminate.recv() => leave_at_once("SIGTERM", SignalKind::terminate()),
            _ = interrupt.recv() => leave_at_once("SIGINT", SignalKind::interrupt()),
        }
        Ok(())
    })
}

/// Leaves as it is; the exit code is what a shell has for the signal.
fn leave_at_once(name: &str, kind: SignalKind) -> ! {
    warn!("caught {name} while exiting, leaving at once");
    std::process::exit(FORCED + kind.as_raw_value())
}

fn config(flags: &Flags, bootstrap: Bootstrap) -> Config {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let workers = flags.concurrency.unwrap_or_else(cores).max(1);
    Config {
        options: shown::shown(flags, workers),
        name: bootstrap.node.id.clone(),
        xds: bootstrap.xds,
        files: bootstrap.files,
        node: bootstrap.node,
        listeners: bootstrap.listeners,
        clusters: bootstrap.clusters,
        workers,
        max_connections: bootstrap.max_connections.unwrap_or(MAX_CONNECTIONS),
        admin: bootstrap.admin,
        admin_logs: bootstrap.admin_logs,
        drain: Drain {
            time: flags.drain_time,
            ramp: match flags.drain_strategy {
                Strategy::Gradual => Ramp::Gradual,
                Strategy::Immediate => Ramp::Immediate,
            },
        },
    }
}
