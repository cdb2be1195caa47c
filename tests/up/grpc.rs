//! gRPC by a real client library: unary, server stream, both ways at once, statuses in trailers.

use http::uri::PathAndQuery;
use prost::Message;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use crate::support::forebay::Forebay;
use crate::support::manifest::hello;
use crate::support::soon;

#[derive(Clone, PartialEq, Message)]
struct HelloRequest {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "2")]
    count: u32,
}

#[derive(Clone, PartialEq, Message)]
struct HelloReply {
    #[prost(string, tag = "1")]
    message: String,
}

#[tokio::test]
async fn unary_from_zero() {
    let (_forebay, mut client) = greeter().await;
    client.ready().await.unwrap();
    let codec = ProstCodec::<HelloRequest, HelloReply>::default();
    let reply =
        soon("a reply", client.unary(Request::new(ask("Ada", 0)), path("SayHello"), codec)).await.unwrap();
    assert_eq!(reply.get_ref().message, "Hello Ada!");
}

#[tokio::test]
async fn a_server_streams() {
    let (_forebay, mut client) = greeter().await;
    client.ready().await.unwrap();
    let codec = ProstCodec::<HelloRequest, HelloReply>::default();
    let request = Request::new(ask("Ada", 100));
    let mut replies =
        soon("replies", client.server_streaming(request, path("StreamHello"), codec)).await.unwrap();
    for number in 1..=100 {
        let reply = soon("a reply", replies.get_mut().message()).await.unwrap().unwrap();
        assert_eq!(reply.message, format!("Hello Ada {number}!"));
    }
    assert!(replies.get_mut().message().await.unwrap().is_none());
}

#[tokio::test]
async fn both_sides_talk_at_once() {
    let (_forebay, mut client) = greeter().await;
    client.ready().await.unwrap();
    let (say, words) = tokio::sync::mpsc::channel(1);
    let codec = ProstCodec::<HelloRequest, HelloReply>::default();
    let request = Request::new(ReceiverStream::new(words));
    // The app answers only what it has heard, so nothing of this may be buffered.
    say.send(ask("one", 0)).await.unwrap();
    let mut replies = soon("replies", client.streaming(request, path("Chat"), codec)).await.unwrap();
    for word in ["one", "two", "three"] {
        if word != "one" {
            say.send(ask(word, 0)).await.unwrap();
        }
        let reply = soon("a reply", replies.get_mut().message()).await.unwrap().unwrap();
        assert_eq!(reply.message, format!("Hello {word}!"));
    }
    drop(say);
    assert!(soon("the end", replies.get_mut().message()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_status_arrives_as_the_app_gave_it() {
    let (_forebay, mut client) = greeter().await;
    client.ready().await.unwrap();
    let codec = ProstCodec::<HelloRequest, HelloReply>::default();
    let status = client.unary(Request::new(ask("x", 0)), path("NoSuchMethod"), codec).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unimplemented, "no such method"));
}

#[tokio::test]
async fn a_host_nobody_has_is_a_grpc_status_too() {
    let (forebay, _) = greeter().await;
    let mut client = client(&forebay, "http://nobody.default.localhost").await;
    client.ready().await.unwrap();
    let codec = ProstCodec::<HelloRequest, HelloReply>::default();
    let status = client.unary(Request::new(ask("x", 0)), path("SayHello"), codec).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented, "404 is Unimplemented in gRPC's table: {status:?}");
}

async fn greeter() -> (Forebay, Grpc<Channel>) {
    let forebay = Forebay::up(|mark| hello(mark).h2c().to_string()).await;
    let client = client(&forebay, "http://hello.default.localhost").await;
    (forebay, client)
}

async fn client(forebay: &Forebay, origin: &str) -> Grpc<Channel> {
    // The channel writes its own origin into every request; without one it would be the address.
    let endpoint = Endpoint::from_shared(format!("http://{}", forebay.address)).unwrap();
    let endpoint = endpoint.origin(origin.parse().unwrap());
    Grpc::new(soon("a connection", endpoint.connect()).await.unwrap())
}

fn ask(name: &str, count: u32) -> HelloRequest {
    HelloRequest { name: name.to_owned(), count }
}

fn path(method: &str) -> PathAndQuery {
    format!("/hello.Greeter/{method}").parse().unwrap()
}
