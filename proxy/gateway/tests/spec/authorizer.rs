//! An authorizer that speaks gRPC, as tonic serves it, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::extensions::filters::http::ext_authz::v3 as filter;
use forebay_proto::envoy::service::auth::v3 as auth;
use forebay_proto::google::protobuf::Duration;
use tonic::{Request, Response, Status};

use super::background::Background;

/// The filter's usual name.
pub const NAME: &str = "envoy.filters.http.ext_authz";

type Answer = Box<dyn Fn(&Asked) -> Result<auth::CheckResponse, Status> + Send + Sync>;

/// One question: the message, and what came with it.
#[derive(Debug, Clone)]
pub struct Asked {
    pub attributes: auth::AttributeContext,
    pub metadata: tonic::metadata::MetadataMap,
}

impl Asked {
    pub fn http(&self) -> &auth::attribute_context::HttpRequest {
        self.attributes.request.as_ref().unwrap().http.as_ref().unwrap()
    }
}

#[derive(Clone)]
pub struct Authorizer {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    // Serves as long as it lives.
    _runtime: Arc<Background>,
}

struct Service {
    asked: Arc<Mutex<Vec<Asked>>>,
    answer: Answer,
}

#[tonic::async_trait]
impl auth::authorization_server::Authorization for Service {
    async fn check(
        &self,
        request: Request<auth::CheckRequest>,
    ) -> Result<Response<auth::CheckResponse>, Status> {
        let metadata = request.metadata().clone();
        let asked = Asked { metadata, attributes: request.into_inner().attributes.unwrap() };
        self.asked.lock().unwrap().push(asked.clone());
        (self.answer)(&asked).map(Response::new)
    }
}

impl Authorizer {
    /// Answers by this function.
    pub fn start(
        answer: impl Fn(&Asked) -> Result<auth::CheckResponse, Status> + Send + Sync + 'static,
    ) -> Self {
        let runtime = Background::start();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let service = Service { asked: asked.clone(), answer: Box::new(answer) };
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            let incoming = tonic::transport::server::TcpIncoming::from(listener);
            let service = auth::authorization_server::AuthorizationServer::new(service);
            let server = tonic::transport::Server::builder().add_service(service);
            drop(server.serve_with_incoming(incoming).await);
        });
        Self { address, asked, _runtime: Arc::new(runtime) }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The only question.
    pub fn question(&self) -> Asked {
        let all = self.asked();
        assert_eq!(all.len(), 1, "{all:?}");
        all[0].clone()
    }
}

/// Yes.
pub fn yes(ok: auth::OkHttpResponse) -> auth::CheckResponse {
    auth::CheckResponse {
        status: Some(Default::default()),
        http_response: Some(auth::check_response::HttpResponse::OkResponse(ok)),
        ..Default::default()
    }
}

/// No.
pub fn no(denied: auth::DeniedHttpResponse) -> auth::CheckResponse {
    auth::CheckResponse {
        status: Some(forebay_proto::google::rpc::Status { code: 7, ..Default::default() }),
        http_response: Some(auth::check_response::HttpResponse::DeniedResponse(denied)),
        ..Default::default()
    }
}

/// The filter as net-kourier writes it.
pub fn grpc() -> filter::ExtAuthz {
    let target = core::grpc_service::EnvoyGrpc { cluster_name: "authz".to_owned(), ..Default::default() };
    filter::ExtAuthz {
        services: Some(filter::ext_authz::Services::GrpcService(core::GrpcService {
            timeout: Some(Duration { seconds: 2, nanos: 0 }),
            initial_metadata: vec![core::HeaderValue {
                key: "client".to_owned(),
                value: "kourier".to_owned(),
                ..Default::default()
            }],
            target_specifier: Some(core::grpc_service::TargetSpecifier::EnvoyGrpc(target)),
            ..Default::default()
        })),
        transport_api_version: core::ApiVersion::V3 as i32,
        ..Default::default()
    }
}

/// The same over HTTP.
pub fn http() -> filter::ExtAuthz {
    let uri = core::HttpUri {
        uri: "http://authz:80".to_owned(),
        timeout: Some(Duration { seconds: 2, nanos: 0 }),
        http_upstream_type: Some(core::http_uri::HttpUpstreamType::Cluster("authz".to_owned())),
    };
    let header =
        core::HeaderValue { key: "client".to_owned(), value: "kourier".to_owned(), ..Default::default() };
    filter::ExtAuthz {
        services: Some(filter::ext_authz::Services::HttpService(filter::HttpService {
            server_uri: Some(uri),
            path_prefix: "/check".to_owned(),
            authorization_request: Some(filter::AuthorizationRequest {
                headers_to_add: vec![header],
                ..Default::default()
            }),
            ..Default::default()
        })),
        transport_api_version: core::ApiVersion::V3 as i32,
        ..Default::default()
    }
}

/// Bodies of up to so many bytes are shown.
pub fn body(most: u32, allow_partial_message: bool, pack_as_bytes: bool) -> Option<filter::BufferSettings> {
    Some(filter::BufferSettings { max_request_bytes: most, allow_partial_message, pack_as_bytes })
}

/// What a route tells the filter.
pub fn settings(extensions: &[(&str, &str)]) -> filter::ExtAuthzPerRoute {
    let pairs = extensions.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    filter::ExtAuthzPerRoute {
        r#override: Some(filter::ext_authz_per_route::Override::CheckSettings(filter::CheckSettings {
            context_extensions: pairs.collect(),
            ..Default::default()
        })),
    }
}

/// Not here.
pub fn disabled() -> filter::ExtAuthzPerRoute {
    filter::ExtAuthzPerRoute { r#override: Some(filter::ext_authz_per_route::Override::Disabled(true)) }
}
