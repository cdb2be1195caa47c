//! The messages of `envoy.service.auth.v3.Authorization/Check`, to and from bytes. Knows no sockets and no settings.

#![expect(deprecated, reason = "authorizers still send the older flag, and it counts")]

use std::collections::HashMap;
use std::net::SocketAddr;

use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::service::auth::v3 as pb;
use prost::Message;

/// What an authorizer is told of a request.
#[derive(Debug)]
pub struct Check<'r> {
    /// The peer.
    pub source: SocketAddr,
    /// Where it connected to.
    pub destination: SocketAddr,
    /// The peer's own cluster, as it says.
    pub service: &'r [u8],
    /// When the request came: microseconds since the Unix epoch.
    pub time: u64,
    /// Unique to the request.
    pub id: u64,
    /// The request line.
    pub method: &'r [u8],
    /// With query.
    pub path: &'r [u8],
    /// `:authority`.
    pub host: &'r [u8],
    /// `http` or `https`.
    pub scheme: &'r str,
    /// `HTTP/1.1`.
    pub protocol: &'r str,
    /// Bytes of the body received so far.
    pub size: u64,
    /// Lower-case names, pseudo headers among them; repeated ones joined already.
    pub headers: Vec<(&'r [u8], Vec<u8>)>,
    /// The body or its beginning, and whether it goes as bytes.
    pub body: Option<(&'r [u8], bool)>,
    /// `context_extensions`.
    pub extensions: Vec<(&'r str, &'r str)>,
}

/// What an authorizer says.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// The request may pass.
    Allowed(Allowed),
    /// It may not.
    Denied(Denied),
    /// The authorizer itself failed, and says with what the client is to be answered.
    Failed {
        /// If it names a status.
        status: Option<u16>,
        /// What it says beside the status.
        denied: Denied,
    },
}

/// What a request that may pass gets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Allowed {
    /// On the request.
    pub request: Vec<Edit>,
    /// From the request, lower-case.
    pub remove: Vec<String>,
    /// On the response.
    pub response: Vec<Edit>,
    /// In the path's query.
    pub query_set: Vec<(String, String)>,
    /// From the path's query.
    pub query_remove: Vec<String>,
}

impl Allowed {
    /// Whether routing could come out differently now.
    pub fn changes_request(&self) -> bool {
        !(self.request.is_empty()
            && self.remove.is_empty()
            && self.query_set.is_empty()
            && self.query_remove.is_empty())
    }
}

/// What a refused client gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Denied {
    /// A status.
    pub status: u16,
    /// Replaced as a whole: of one name there are those of this list and no others.
    pub headers: Vec<Edit>,
    /// May be empty.
    pub body: Vec<u8>,
}

/// One header changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// Lower-case.
    pub name: String,
    /// As it is sent.
    pub value: Vec<u8>,
    /// What happens to what is there.
    pub how: EditHow,
}

/// What happens to a header that is there, or is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditHow {
    /// One more.
    Add,
    /// Only where there is none.
    AddIfAbsent,
    /// Behind a comma, only where there is one.
    Append,
    /// Instead.
    Set,
    /// Instead, only where there is one.
    SetIfPresent,
}

/// The message to send, without gRPC's prefix.
pub fn encode_check(check: &Check<'_>) -> Vec<u8> {
    let mut headers: HashMap<String, String> = HashMap::with_capacity(check.headers.len());
    for (name, value) in &check.headers {
        headers.insert(text(name), text(value));
    }
    let (body, raw_body) = match check.body {
        Some((bytes, true)) => (String::new(), bytes.to_vec()),
        Some((bytes, false)) => (text(bytes), Vec::new()),
        None => Default::default(),
    };
    let http = pb::attribute_context::HttpRequest {
        id: check.id.to_string(),
        method: text(check.method),
        headers,
        path: text(check.path),
        host: text(check.host),
        scheme: check.scheme.to_owned(),
        size: i64::try_from(check.size).unwrap_or(i64::MAX),
        protocol: check.protocol.to_owned(),
        body,
        raw_body,
        ..Default::default()
    };
    let time = forebay_proto::google::protobuf::Timestamp {
        seconds: i64::try_from(check.time / 1_000_000).unwrap_or(i64::MAX),
        nanos: (check.time % 1_000_000 * 1000) as i32,
    };
    let peer = |at: SocketAddr, service: String| pb::attribute_context::Peer {
        address: Some(address(at)),
        service,
        ..Default::default()
    };
    let attributes = pb::AttributeContext {
        source: Some(peer(check.source, text(check.service))),
        destination: Some(peer(check.destination, String::new())),
        request: Some(pb::attribute_context::Request { time: Some(time), http: Some(http) }),
        context_extensions: check
            .extensions
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        metadata_context: Some(core::Metadata::default()),
        route_metadata_context: Some(core::Metadata::default()),
        ..Default::default()
    };
    pb::CheckRequest { attributes: Some(attributes) }.encode_to_vec()
}

/// What an answer means; `None` if it is no answer.
pub fn decode_decision(bytes: &[u8]) -> Option<Decision> {
    use pb::check_response::HttpResponse::{DeniedResponse, ErrorResponse, OkResponse};
    let response = pb::CheckResponse::decode(bytes).ok()?;
    let code = response.status.map_or(0, |status| status.code);
    Some(match (code, response.http_response) {
        (0, Some(OkResponse(ok))) => Decision::Allowed(Allowed {
            request: edits(ok.headers, for_request),
            remove: ok.headers_to_remove.into_iter().map(|name| name.to_ascii_lowercase()).collect(),
            response: edits(ok.response_headers_to_add, for_response),
            query_set: ok.query_parameters_to_set.into_iter().map(|q| (q.key, q.value)).collect(),
            query_remove: ok.query_parameters_to_remove,
        }),
        (0, _) => Decision::Allowed(Allowed::default()),
        (_, Some(ErrorResponse(failed))) => {
            let status = status(&failed);
            Decision::Failed { status, denied: denied(failed, status.unwrap_or(FORBIDDEN)) }
        }
        (_, Some(DeniedResponse(refused))) => {
            let status = status(&refused).unwrap_or(FORBIDDEN);
            Decision::Denied(denied(refused, status))
        }
        _ => Decision::Denied(Denied { status: FORBIDDEN, headers: Vec::new(), body: Vec::new() }),
    })
}

/// What a denial is when the authorizer does not say.
const FORBIDDEN: u16 = 403;

fn status(message: &pb::DeniedHttpResponse) -> Option<u16> {
    // Below 200 there is no final answer, and 0 is the enumeration's "empty".
    let code = message.status.as_ref()?.code;
    u16::try_from(code).ok().filter(|code| (200..=599).contains(code))
}

fn denied(message: pb::DeniedHttpResponse, status: u16) -> Denied {
    Denied { status, headers: edits(message.headers, |_| EditHow::Add), body: message.body.into_bytes() }
}

/// For the request Envoy looks at the older flag alone: behind what is there, or instead of it.
fn for_request(option: &core::HeaderValueOption) -> EditHow {
    if option.append.is_some_and(|append| append.value) { EditHow::Append } else { EditHow::Set }
}

/// For the response the older flag goes before the newer action.
fn for_response(option: &core::HeaderValueOption) -> EditHow {
    use core::header_value_option::HeaderAppendAction as Action;
    match (option.append, Action::try_from(option.append_action)) {
        (Some(append), _) if !append.value => EditHow::Set,
        (None, Ok(Action::AddIfAbsent)) => EditHow::AddIfAbsent,
        (None, Ok(Action::OverwriteIfExistsOrAdd)) => EditHow::Set,
        (None, Ok(Action::OverwriteIfExists)) => EditHow::SetIfPresent,
        _ => EditHow::Add,
    }
}

fn edits(
    options: Vec<core::HeaderValueOption>,
    how: impl Fn(&core::HeaderValueOption) -> EditHow,
) -> Vec<Edit> {
    options
        .into_iter()
        .filter_map(|option| {
            let how = how(&option);
            let header = option.header?;
            let value =
                if header.raw_value.is_empty() { header.value.into_bytes() } else { header.raw_value };
            Some(Edit { name: header.key.to_ascii_lowercase(), value, how })
        })
        .collect()
}

fn address(at: SocketAddr) -> core::Address {
    use core::socket_address::PortSpecifier::PortValue;
    core::Address {
        address: Some(core::address::Address::SocketAddress(core::SocketAddress {
            address: at.ip().to_canonical().to_string(),
            port_specifier: Some(PortValue(at.port().into())),
            ..Default::default()
        })),
    }
}

/// A protobuf string has to be UTF-8: each byte that is not part of any becomes `!`, as Envoy has it.
fn text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|_| out.push('!'));
    }
    out
}

#[cfg(test)]
mod tests;
