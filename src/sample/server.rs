//! The sample app's socket: listen as early as can be, HTTP/1 and h2c on one port, leave when told to. Knows no paths.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::answer::App;
use super::settings::Settings;

/// Binds first: from exec to listen is what a cold start pays for.
pub(super) fn serve(settings: Settings) -> io::Result<()> {
    thread::sleep(settings.start_delay);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = bind(settings.listen).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {}: {error}", settings.listen))
        })?;
        let since = SystemTime::now();
        let address = listener.local_addr()?;
        println!("listening on {address}");
        until_told(listener, since, settings).await
    })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A replica may get the port of one that has just gone.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn until_told(listener: TcpListener, since: SystemTime, settings: Settings) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (leave, leaving) = watch::channel(());
    let app = Arc::new(App::new(settings, since, leaving));
    let connections = GracefulShutdown::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => converse(stream, Arc::clone(&app), &connections),
                // Out of descriptors, or a client that left at once: the next one may fare better.
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    drop(listener);
    drop(leave);
    // Who sent the signal sends a stronger one in the end; waiting for less would cut answers short.
    let _ = timeout(GRACE, async {
        connections.shutdown().await;
        while app.load.now() > 0 {
            sleep(ACCEPT_PAUSE).await;
        }
    })
    .await;
    Ok(())
}

fn converse(stream: TcpStream, app: Arc<App>, connections: &GracefulShutdown) {
    // Small answers must not wait for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let watcher = connections.watcher();
    tokio::spawn(async move {
        let service = service_fn(move |request| {
            let app = Arc::clone(&app);
            async move { Ok::<_, Infallible>(app.answer(request).await) }
        });
        let builder = auto::Builder::new(TokioExecutor::new());
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        // A broken connection is its client's affair.
        let _ = watcher.watch(connection).await;
    });
}

/// Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
const BACKLOG: u32 = 4096;

const ACCEPT_PAUSE: Duration = Duration::from_millis(5);

/// How long requests in flight get after SIGTERM: Knative's longest default, a revision's timeoutSeconds.
const GRACE: Duration = Duration::from_secs(300);
