//! The sample app's gRPC: `hello.Greeter` and `grpc.health.v1.Health`, written on bare HTTP/2 because a framework would
//! start slower than the app it serves. Knows nothing of HTTP/1.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use prost::Message;

use super::body::Answer;

/// `message HelloRequest { string name = 1; uint32 count = 2; }`
#[derive(Clone, PartialEq, Message)]
pub(super) struct HelloRequest {
    #[prost(string, tag = "1")]
    pub name: String,
    /// How many answers a stream gives; 0 is one.
    #[prost(uint32, tag = "2")]
    pub count: u32,
}

/// `message HelloReply { string message = 1; }`
#[derive(Clone, PartialEq, Message)]
pub(super) struct HelloReply {
    #[prost(string, tag = "1")]
    pub message: String,
}

/// `message HealthCheckResponse { ServingStatus status = 1; }`, where 1 is SERVING.
#[derive(Clone, PartialEq, Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

pub(super) fn is_ours(path: &str) -> bool {
    path.starts_with("/hello.Greeter/") || path.starts_with("/grpc.health.v1.Health/")
}

pub(super) async fn answer(target: &str, request: Request<Incoming>) -> Response<Answer> {
    let path = request.uri().path().to_owned();
    let mut calls = Calls { body: request.into_body(), read: BytesMut::new() };
    let body = match path.as_str() {
        "/hello.Greeter/SayHello" => match calls.next::<HelloRequest>().await {
            Ok(Some(hello)) => replies(vec![greeting(target, &hello.name)]),
            Ok(None) => refused(Code::InvalidArgument, "a call carries one message"),
            Err(fault) => refused(fault.code, fault.message),
        },
        "/hello.Greeter/StreamHello" => match calls.next::<HelloRequest>().await {
            Ok(Some(hello)) => {
                let count = hello.count.clamp(1, MAX_REPLIES);
                replies((1..=count).map(|n| greeting(target, &format!("{} {n}", hello.name))).collect())
            }
            Ok(None) => refused(Code::InvalidArgument, "a call carries one message"),
            Err(fault) => refused(fault.code, fault.message),
        },
        "/hello.Greeter/Chat" => chat(target.to_owned(), calls),
        "/grpc.health.v1.Health/Check" => replies(vec![HealthCheckResponse { status: 1 }]),
        _ => refused(Code::Unimplemented, "no such method"),
    };
    let mut answer = Response::new(body);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    answer
}

fn greeting(target: &str, name: &str) -> HelloReply {
    HelloReply { message: format!("Hello {}!", if name.trim().is_empty() { target } else { name.trim() }) }
}

/// One reply for each message, as soon as it arrives: full duplex.
fn chat(target: String, calls: Calls) -> Answer {
    let frames = stream::unfold(Some((target, calls)), |state| async move {
        let (target, mut calls) = state?;
        Some(match calls.next::<HelloRequest>().await {
            Ok(Some(hello)) => {
                let reply = framed(&greeting(&target, &hello.name));
                (Ok(Frame::data(reply)), Some((target, calls)))
            }
            Ok(None) => (Ok(Frame::trailers(trailers(Code::Ok, ""))), None),
            Err(fault) => (Ok(Frame::trailers(trailers(fault.code, fault.message))), None),
        })
    });
    StreamBody::new(frames).boxed_unsync()
}

fn replies<M: Message>(messages: Vec<M>) -> Answer {
    let mut bytes = BytesMut::new();
    for message in &messages {
        bytes.extend_from_slice(&framed(message));
    }
    let frames = [Ok(Frame::data(bytes.freeze())), Ok(Frame::trailers(trailers(Code::Ok, "")))];
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

fn refused(code: Code, message: &'static str) -> Answer {
    let frames = [Ok(Frame::trailers(trailers(code, message)))];
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

fn trailers(code: Code, message: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(code as u16));
    if !message.is_empty() {
        trailers.insert("grpc-message", HeaderValue::from_static(message));
    }
    trailers
}

/// Length-prefixed: one byte that says uncompressed, four of length, the message.
fn framed(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::with_capacity(PREFIX + message.encoded_len());
    bytes.put_u8(0);
    bytes.put_u32(message.encoded_len() as u32);
    bytes.put_slice(&message.encode_to_vec());
    bytes.freeze()
}

/// The messages of a request, in the order in which they come.
struct Calls {
    body: Incoming,
    read: BytesMut,
}

impl Calls {
    async fn next<M: Message + Default>(&mut self) -> Result<Option<M>, Fault> {
        loop {
            if let Some(message) = self.take()? {
                let message = M::decode(message);
                return message.map(Some).map_err(|_| Fault::new(Code::Internal, "a message does not parse"));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.read.extend_from_slice(&data);
                    }
                }
                Some(Err(_)) => return Err(Fault::new(Code::Cancelled, "the caller went away")),
                None if self.read.is_empty() => return Ok(None),
                None => return Err(Fault::new(Code::Internal, "a message broke off")),
            }
        }
    }

    fn take(&mut self) -> Result<Option<Bytes>, Fault> {
        let Some(mut prefix) = self.read.get(..PREFIX) else { return Ok(None) };
        if prefix.get_u8() != 0 {
            return Err(Fault::new(Code::Unimplemented, "compression is not supported"));
        }
        let length = prefix.get_u32() as usize;
        if length > MAX_MESSAGE {
            return Err(Fault::new(Code::ResourceExhausted, "a message is larger than 4 MiB"));
        }
        if self.read.len() < PREFIX + length {
            return Ok(None);
        }
        self.read.advance(PREFIX);
        Ok(Some(self.read.split_to(length).freeze()))
    }
}

struct Fault {
    code: Code,
    message: &'static str,
}

impl Fault {
    fn new(code: Code, message: &'static str) -> Self {
        Self { code, message }
    }
}

/// The canonical gRPC codes that this app gives.
#[derive(Clone, Copy)]
enum Code {
    Ok = 0,
    Cancelled = 1,
    InvalidArgument = 3,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
}

const PREFIX: usize = 5;

/// gRPC's own default for a received message.
const MAX_MESSAGE: usize = 4 << 20;

/// A stream is asked for in one message; it must not cost more than that message's sender can read.
const MAX_REPLIES: u32 = 10_000;
