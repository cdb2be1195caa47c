//! The gRPC service on a TCP or Unix socket. Knows nothing of the protocol above gRPC.

use std::future::Future;
use std::time::Duration;

use forebay_proto::envoy::service::discovery::v3 as ads;
use forebay_xds_wire::server::{Delta, StateOfTheWorld};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

use ads::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};

use crate::store::Store;
use crate::stream::drive;

/// Largest request. 64 MiB: a client that comes back names every resource it holds with its version, some 100 bytes each.
const MAX_REQUEST: usize = 64 * 1024 * 1024;

/// How often a silent connection is asked whether it is alive; the rate that Knative's own server tolerates from clients.
const PING: Duration = Duration::from_secs(30);

/// How long it may take to say so. A subscriber that is gone without a word holds up [`Store::acked`] for no longer.
const PONG: Duration = Duration::from_secs(10);

/// How long connections may linger once every stream was ended.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where subscribers connect.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket; whoever can open the file is trusted.
    Unix(UnixListener),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// The service ended though nobody asked it to.
#[derive(Debug, thiserror::Error)]
#[error("the xDS server stopped: {0}")]
pub struct ServeError(#[from] tonic::transport::Error);

/// Serves the store over ADS, delta and state of the world, until `shutdown` resolves; then ends every stream, which
/// clients take as a reason to come back, and returns within 2 s.
pub async fn serve(
    store: Store,
    listener: impl Into<Listener>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (close, closing) = watch::channel(false);
    let service = AggregatedDiscoveryServiceServer::new(Ads { store, closing: closing.clone() })
        .max_decoding_message_size(MAX_REQUEST);
    let router = Server::builder()
        .http2_keepalive_interval(Some(PING))
        .http2_keepalive_timeout(Some(PONG))
        .add_service(service);
    let mut closed = closing;
    let stop = async move { _ = closed.wait_for(|closing| *closing).await };
    let serving = async {
        match listener.into() {
            Listener::Tcp(listener) => {
                let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                router.serve_with_incoming_shutdown(incoming, stop).await
            }
            Listener::Unix(listener) => {
                router.serve_with_incoming_shutdown(UnixListenerStream::new(listener), stop).await
            }
        }
    };
    let ending = async {
        shutdown.await;
        close.send_replace(true);
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        served = serving => Ok(served?),
        () = ending => Ok(()),
    }
}

struct Ads {
    store: Store,
    closing: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for Ads {
    type StreamAggregatedResourcesStream = ReceiverStream<Result<ads::DiscoveryResponse, Status>>;
    type DeltaAggregatedResourcesStream = ReceiverStream<Result<ads::DeltaDiscoveryResponse, Status>>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<ads::DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        // One response waits for the transport at most; the next is not made before it is taken.
        let (responses, outgoing) = mpsc::channel(1);
        let (store, closing, peer) = (self.store.clone(), self.closing.clone(), peer(&request));
        tokio::spawn(drive::<StateOfTheWorld>(store, request.into_inner(), responses, closing, peer, false));
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<ads::DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let (responses, outgoing) = mpsc::channel(1);
        let (store, closing, peer) = (self.store.clone(), self.closing.clone(), peer(&request));
        tokio::spawn(drive::<Delta>(store, request.into_inner(), responses, closing, peer, true));
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }
}

fn peer<T>(request: &Request<T>) -> String {
    request.remote_addr().map_or_else(|| "a unix socket".to_owned(), |address| address.to_string())
}
