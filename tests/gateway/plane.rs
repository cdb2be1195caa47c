//! A control plane that says exactly what a test wants, right or wrong, and shows what it was asked. Speaks ADS in its
//! state-of-the-world form over plaintext HTTP/2.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use forebay_proto::Any;
use forebay_proto::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use h2::{RecvStream, SendStream};
use prost::{Message, Name};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::soon;

pub struct Plane {
    pub address: SocketAddr,
    streams: mpsc::UnboundedReceiver<Stream>,
}

/// One stream of a gateway's.
pub struct Stream {
    requests: RecvStream,
    read: BytesMut,
    responses: SendStream<Bytes>,
    nonce: u32,
    /// Types that were asked for.
    asked: BTreeSet<String>,
}

impl Plane {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, streams) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let tell = tell.clone();
                tokio::spawn(async move {
                    let mut connection = h2::server::handshake(socket).await.ok()?;
                    while let Some(Ok((request, mut respond))) = connection.accept().await {
                        let head = http::Response::builder().header("content-type", "application/grpc");
                        let responses = respond.send_response(head.body(()).ok()?, false).ok()?;
                        let (requests, read) = (request.into_body(), BytesMut::new());
                        tell.send(Stream { requests, read, responses, nonce: 0, asked: BTreeSet::new() })
                            .ok()?;
                    }
                    Some(())
                });
            }
        });
        Self { address, streams }
    }

    /// The next stream that is opened.
    pub async fn stream(&mut self) -> Stream {
        soon("a stream", self.streams.recv()).await.unwrap()
    }
}

impl Stream {
    /// The next request.
    pub async fn request(&mut self) -> DiscoveryRequest {
        soon("a request", async {
            loop {
                if let Some(message) = self.whole() {
                    let request = DiscoveryRequest::decode(message).unwrap();
                    self.asked.insert(request.type_url.clone());
                    return request;
                }
                let data = self.requests.data().await.expect("the stream goes on").unwrap();
                self.requests.flow_control().release_capacity(data.len()).unwrap();
                self.read.extend_from_slice(&data);
            }
        })
        .await
    }

    /// Waits until a type was asked for: no server answers before.
    pub async fn asked(&mut self, type_url: &str) {
        while !self.asked.contains(type_url) {
            self.request().await;
        }
    }

    fn whole(&mut self) -> Option<Bytes> {
        let length = self.read.get(1..5)?.try_into().ok().map(u32::from_be_bytes)? as usize;
        if self.read.len() < 5 + length {
            return None;
        }
        self.read.advance(5);
        Some(self.read.split_to(length).freeze())
    }

    /// Sends resources of one type; the nonce that answers it.
    pub fn send<M: Message + Name>(&mut self, version: &str, resources: &[M]) -> String {
        self.nonce += 1;
        let any = |resource: &M| Any { type_url: M::type_url(), value: resource.encode_to_vec() };
        let response = DiscoveryResponse {
            version_info: version.to_owned(),
            resources: resources.iter().map(any).collect(),
            type_url: M::type_url(),
            nonce: self.nonce.to_string(),
            ..DiscoveryResponse::default()
        };
        let message = response.encode_to_vec();
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(message.len() as u32);
        frame.put_slice(&message);
        self.raw(frame.freeze());
        response.nonce
    }

    /// Sends bytes, whatever they mean.
    pub fn raw(&mut self, bytes: Bytes) {
        self.responses.send_data(bytes, false).unwrap();
    }

    /// The answer to a nonce: its version, and the error if it is a NACK.
    pub async fn answer(&mut self, nonce: &str) -> (String, Option<String>) {
        loop {
            let request = self.request().await;
            if request.response_nonce == nonce {
                return (request.version_info, request.error_detail.map(|error| error.message));
            }
        }
    }
}
