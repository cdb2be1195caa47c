//! The connection to the control plane and its one stream. Knows nothing of what travels on it.

mod connector;

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use forebay_xds_wire::client::{Delta, StateOfTheWorld, Variant};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::{Config, Connection, Target};
use connector::Connector;

/// What may be on its way to us unread: 1 MiB, so that a full sync is not slowed by the round trips of a cluster, and so that what
/// comes at once is put together in less than a millisecond.
const WINDOW: u32 = 1024 * 1024;

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A variant with its method of the ADS service. Called without a generated client, whose responses would copy every body.
pub(crate) trait Rpc:
    Variant<Request: Message + 'static, Response: Message + Default + 'static>
{
    const METHOD: &'static str;
}

type Opening<R> = Boxed<Result<Response<Streaming<R>>, Status>>;

impl Rpc for Delta {
    const METHOD: &'static str =
        "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
}

impl Rpc for StateOfTheWorld {
    const METHOD: &'static str =
        "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
}

fn open<V: Rpc>(
    channel: Channel,
    max_response: usize,
    requests: ReceiverStream<V::Request>,
) -> Opening<V::Response> {
    Box::pin(async move {
        let mut grpc = Grpc::new(channel).max_decoding_message_size(max_response);
        // The status keeps what the error came from, for `describe`.
        grpc.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
        let codec = ProstCodec::<V::Request, V::Response>::default();
        grpc.streaming(Request::new(requests), PathAndQuery::from_static(V::METHOD), codec).await
    })
}

/// Where the connection stands.
pub(crate) enum Link<V: Rpc> {
    /// Between two attempts.
    Pausing(Instant),
    Connecting(Boxed<Result<Channel, String>>),
    /// Requests may be sent; a server need not say anything before its first response, so the stream may be `Opening`
    /// while it is in full use.
    Open {
        requests: mpsc::Sender<V::Request>,
        responses: Responses<V::Response>,
    },
}

pub(crate) enum Responses<R> {
    Opening(Opening<R>),
    Flowing(Box<Streaming<R>>),
}

/// What happened on the link.
pub(crate) enum Event<R> {
    /// The pause is over.
    Retry,
    Connected(Channel),
    /// The server took up the stream.
    Accepted,
    Response(R),
    /// There is room for one request.
    Room,
    Lost(String),
}

impl<V: Rpc> Link<V> {
    pub(crate) fn connect(config: &Config) -> Self {
        Self::Connecting(connect(config.target.clone(), config.connection.clone()))
    }

    pub(crate) fn open(channel: Channel, config: &Config) -> Self {
        // One request waits for the transport at most; the next is made when it is taken, from what is wanted then.
        let (requests, outgoing) = mpsc::channel(1);
        let opening = open::<V>(channel, config.connection.max_response, ReceiverStream::new(outgoing));
        Self::Open { requests, responses: Responses::Opening(opening) }
    }

    /// The next event. Nothing is lost when this is dropped before it is ready.
    pub(crate) async fn next(&mut self, read: bool, write: bool) -> Event<V::Response> {
        match self {
            Link::Pausing(until) => {
                tokio::time::sleep_until((*until).into()).await;
                Event::Retry
            }
            Link::Connecting(attempt) => match attempt.await {
                Ok(channel) => Event::Connected(channel),
                Err(why) => Event::Lost(why),
            },
            Link::Open { requests, responses } => tokio::select! {
                event = responses.next(), if read => event,
                room = requests.reserve(), if write => match room {
                    Ok(_) => Event::Room,
                    // The reason comes from the other half.
                    Err(_) => responses.next().await,
                },
                // Neither is wanted: only time or new wishes go on from here.
                else => std::future::pending().await,
            },
        }
    }

    /// Sends a request for which [`Event::Room`] was told.
    pub(crate) fn send(&self, request: V::Request) {
        if let Link::Open { requests, .. } = self {
            // There is room, since nobody else sends; and if the stream has ended, the next event says so.
            _ = requests.try_send(request);
        }
    }

    /// Says that no more requests come, and waits a moment for the server to take note.
    pub(crate) async fn goodbye(self) {
        if let Link::Open { requests, mut responses } = self {
            drop(requests);
            let end = async { while !matches!(responses.next().await, Event::Lost(_)) {} };
            _ = tokio::time::timeout(GOODBYE, end).await;
        }
    }
}

impl<R: 'static> Responses<R> {
    async fn next(&mut self) -> Event<R> {
        match self {
            Responses::Opening(opening) => match opening.await {
                Ok(response) => {
                    *self = Responses::Flowing(Box::new(response.into_inner()));
                    Event::Accepted
                }
                Err(status) => Event::Lost(describe(&status)),
            },
            Responses::Flowing(stream) => match stream.message().await {
                Ok(Some(response)) => Event::Response(response),
                Ok(None) => Event::Lost("it ended the stream".to_owned()),
                Err(status) => Event::Lost(describe(&status)),
            },
        }
    }
}

fn describe(status: &Status) -> String {
    let mut text = format!("{}: {}", status.code(), status.message());
    let mut source = std::error::Error::source(status);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

fn connect(target: Target, how: Connection) -> Boxed<Result<Channel, String>> {
    Box::pin(async move {
        let authority = match &target {
            Target::Tcp(address) => format!("http://{address}"),
            // What goes into `:authority`; nobody resolves it.
            Target::Unix(_) => "http://localhost".to_owned(),
        };
        let endpoint =
            Endpoint::from_shared(authority).map_err(|e| format!("{target} is not host:port: {e}"))?;
        let endpoint = match how.ping {
            Some((interval, timeout)) => endpoint
                .http2_keep_alive_interval(interval)
                .keep_alive_timeout(timeout)
                .keep_alive_while_idle(true),
            None => endpoint,
        };
        endpoint
            .connect_timeout(how.connect_timeout)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .connect_with_connector(Connector(target))
            .await
            .map_err(|e| {
                std::error::Error::source(&e).map_or_else(|| e.to_string(), |cause| cause.to_string())
            })
    })
}
