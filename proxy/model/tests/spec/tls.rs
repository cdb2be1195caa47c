//! TLS contexts and filter chains: what is taken, what is refused and where, and what stays the same object.

use std::sync::Arc;

use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::config::listener::v3::{FilterChainMatch, Listener};
use forebay_proto::envoy::extensions::filters::listener::{
    proxy_protocol::v3::ProxyProtocol, tls_inspector::v3::TlsInspector,
};
use forebay_proto::envoy::extensions::transport_sockets::tls::v3 as tls;
use forebay_proto::envoy::r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern};

use crate::build::{any, fixed, listener, routes};
use crate::world::World;

fn source(text: &str) -> Option<core::DataSource> {
    let text = core::data_source::Specifier::InlineString(text.to_owned());
    Some(core::DataSource { specifier: Some(text), ..Default::default() })
}

/// A certificate of its own making for these names.
fn certificate(names: &[&str]) -> tls::TlsCertificate {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let own = rcgen::generate_simple_self_signed(names).unwrap();
    tls::TlsCertificate {
        certificate_chain: source(&own.cert.pem()),
        private_key: source(&own.signing_key.serialize_pem()),
        ..Default::default()
    }
}

fn context(certificates: Vec<tls::TlsCertificate>) -> tls::DownstreamTlsContext {
    let common = tls::CommonTlsContext { tls_certificates: certificates, ..Default::default() };
    tls::DownstreamTlsContext { common_tls_context: Some(common), ..Default::default() }
}

fn socket<M: prost::Message + prost::Name>(context: &M) -> Option<core::TransportSocket> {
    let config = core::transport_socket::ConfigType::TypedConfig(any(context));
    Some(core::TransportSocket { name: "tls".to_owned(), config_type: Some(config) })
}

fn names(names: &[&str]) -> Option<FilterChainMatch> {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Some(FilterChainMatch { server_names: names, ..Default::default() })
}

/// A listener with a chain for each of these: names and TLS.
fn chains(each: &[(&[&str], &tls::DownstreamTlsContext)]) -> Listener {
    let mut listener = listener("l", "all");
    let plain = listener.filter_chains.remove(0);
    for (server_names, context) in each {
        let mut chain = plain.clone();
        chain.filter_chain_match = names(server_names);
        chain.transport_socket = socket(*context);
        listener.filter_chains.push(chain);
    }
    listener
}

fn refused(context: &tls::DownstreamTlsContext) -> String {
    let why = World::new().refuse(&chains(&[(&[], context)]));
    let at = "filter_chains[0].transport_socket.typed_config.";
    why.strip_prefix(at).unwrap_or(&why).to_owned()
}

fn common(change: impl FnOnce(&mut tls::CommonTlsContext)) -> String {
    let mut context = context(vec![certificate(&["a.test"])]);
    change(context.common_tls_context.as_mut().unwrap());
    refused(&context)
}

#[test]
fn equal_bytes_are_the_same_settings_whatever_else_changes() {
    let (a, b) = (context(vec![certificate(&["a.test"])]), context(vec![certificate(&["b.test"])]));
    let mut world = World::new();
    world.accept(&chains(&[(&["a.test"], &a), (&["b.test"], &b)]));
    world.accept(&routes("all", vec![]));
    let before = world.listeners["l"].clone();
    assert!(before.filters.inspect_tls && before.chains.len() == 2);
    assert!(Arc::ptr_eq(&before.chains[0].http, &before.chains[1].http), "requests are treated alike");
    let turned = chains(&[(&["b.test"], &b), (&["a.test"], &a)]);
    assert!(world.accept(&turned).update.is_empty(), "the order of chains says nothing");
    let new = context(vec![certificate(&["a.test"])]);
    world.accept(&chains(&[(&["a.test"], &new), (&["b.test"], &b)]));
    let after = &world.listeners["l"];
    let same =
        |n: usize| Arc::ptr_eq(before.chains[n].tls.as_ref().unwrap(), after.chains[n].tls.as_ref().unwrap());
    assert_eq!((same(0), same(1)), (false, true));
    let leaf = after.chains[0].tls.as_ref().unwrap().certificates().next().unwrap()[0].clone();
    assert_eq!(leaf.sans[0].value, "a.test");
}

#[test]
fn a_listener_waits_for_the_routes_of_every_chain() {
    let mut world = World::new();
    let a = context(vec![certificate(&["a.test"])]);
    let mut two = chains(&[(&["a.test"], &a)]);
    two.default_filter_chain = listener("l", "others").filter_chains.pop();
    world.accept(&two);
    world.accept(&routes("all", vec![]));
    assert!(world.listeners.is_empty());
    world.accept(&routes("others", vec![]));
    assert!(world.listeners["l"].default_chain.is_some());
    let mut world = World::new();
    world.accept(&two);
    world.accept(&routes("all", vec![]));
    let applied = world.model.does_not_exist(forebay_proto::type_url::ROUTE, "others", world.now);
    world.obey(applied);
    assert!(world.listeners.contains_key("l"), "what does not exist is not waited for");
}

#[test]
fn certificates_and_keys_have_to_fit() {
    let (one, other) = (certificate(&["a.test"]), certificate(&["b.test"]));
    let wrong = tls::TlsCertificate { private_key: other.private_key.clone(), ..one.clone() };
    let mut listener = chains(&[
        (&["x.test"], &context(vec![one.clone()])),
        (&["a.test"], &context(vec![one.clone(), wrong])),
    ]);
    listener.filter_chains[1].name = "second".to_owned();
    assert_eq!(
        World::new().refuse(&listener),
        "filter_chains[1].transport_socket.typed_config.common_tls_context.tls_certificates[1]: \
         the private key does not match the certificate of \"CN=rcgen self signed cert\""
    );
    assert_eq!(refused(&context(vec![])), "common_tls_context.tls_certificates: is empty");
    let keyless = tls::TlsCertificate { private_key: None, ..one.clone() };
    assert_eq!(
        refused(&context(vec![keyless])),
        "common_tls_context.tls_certificates[0].private_key: is missing"
    );
    let garbage = tls::TlsCertificate { certificate_chain: source("no certificate"), ..one.clone() };
    assert_eq!(
        refused(&context(vec![garbage])),
        "common_tls_context.tls_certificates[0].certificate_chain: certificate chain: has no certificate"
    );
    let file = core::data_source::Specifier::Filename("/no/such/file".to_owned());
    let file = Some(core::DataSource { specifier: Some(file), ..Default::default() });
    let absent = tls::TlsCertificate { certificate_chain: file, ..one };
    assert!(
        refused(&context(vec![absent])).starts_with(
            "common_tls_context.tls_certificates[0].certificate_chain.filename: \"/no/such/file\" cannot be read: "
        )
    );
}

#[test]
fn files_are_read_and_their_content_is_what_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tls.crt");
    let own = certificate(&["a.test"]);
    let text = |source: &Option<core::DataSource>| match source.as_ref().unwrap().specifier.as_ref().unwrap()
    {
        core::data_source::Specifier::InlineString(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    std::fs::write(&path, text(&own.certificate_chain)).unwrap();
    let file = core::data_source::Specifier::Filename(path.display().to_string());
    let chain = Some(core::DataSource { specifier: Some(file), ..Default::default() });
    let from_file = tls::TlsCertificate { certificate_chain: chain, ..own };
    let mut world = World::new();
    world.accept(&chains(&[(&["a.test"], &context(vec![from_file]))]));
    world.accept(&routes("all", vec![]));
    assert!(world.listeners["l"].chains[0].tls.is_some());
}

#[test]
fn what_is_not_spoken_here_is_refused_by_name() {
    use tls::tls_parameters::TlsProtocol;
    let params = |params: tls::TlsParameters| common(|c| c.tls_params = Some(params));
    let at = "common_tls_context.tls_params";
    assert_eq!(
        params(tls::TlsParameters { cipher_suites: vec!["AES128-SHA".to_owned()], ..Default::default() }),
        format!("{at}.cipher_suites: cipher suite \"AES128-SHA\" is not supported")
    );
    assert_eq!(
        params(tls::TlsParameters { ecdh_curves: vec!["P-521".to_owned()], ..Default::default() }),
        format!("{at}.ecdh_curves: group \"P-521\" is not supported")
    );
    let old = TlsProtocol::TlSv10 as i32;
    assert_eq!(
        params(tls::TlsParameters { tls_minimum_protocol_version: old, ..Default::default() }),
        format!("{at}.tls_minimum_protocol_version: TLSv1_0 is not supported")
    );
    let (min, max) = (TlsProtocol::TlSv13 as i32, TlsProtocol::TlSv12 as i32);
    let none = tls::TlsParameters {
        tls_minimum_protocol_version: min,
        tls_maximum_protocol_version: max,
        ..Default::default()
    };
    assert_eq!(
        params(none),
        format!("{at}.tls_maximum_protocol_version: a range that is empty is not supported")
    );
    let provider =
        Some(tls::PrivateKeyProvider { provider_name: "cryptomb".to_owned(), ..Default::default() });
    assert_eq!(
        common(|c| c.tls_certificates[0].private_key_provider = provider),
        "common_tls_context.tls_certificates[0].private_key_provider.typed_config: is missing"
    );
    let sds = common(|c| c.tls_certificate_sds_secret_configs = vec![Default::default()]);
    assert!(sds.starts_with("common_tls_context.tls_certificate_sds_secret_configs: "), "{sds}");
}

#[test]
fn names_need_an_authority() {
    let san = tls::SubjectAltNameMatcher {
        san_type: tls::subject_alt_name_matcher::SanType::Dns as i32,
        matcher: Some(StringMatcher {
            match_pattern: Some(MatchPattern::Exact("kn-routing".to_owned())),
            ..Default::default()
        }),
        ..Default::default()
    };
    let validation =
        tls::CertificateValidationContext { match_typed_subject_alt_names: vec![san], ..Default::default() };
    let upstream = |validation: tls::CertificateValidationContext| {
        let kind = tls::common_tls_context::ValidationContextType::ValidationContext(validation);
        let common = tls::CommonTlsContext {
            alpn_protocols: vec![String::new()],
            validation_context_type: Some(kind),
            ..Default::default()
        };
        let context = tls::UpstreamTlsContext { common_tls_context: Some(common), ..Default::default() };
        let mut cluster = fixed("a", &[("10.0.0.1", 80)]);
        cluster.transport_socket = socket(&context);
        cluster
    };
    assert_eq!(
        World::new().refuse(&upstream(validation.clone())),
        "transport_socket.typed_config.common_tls_context.validation_context: \
         SAN-based verification of peer certificates without trusted CA is insecure and not allowed"
    );
    let trusted_ca = certificate(&["ca.test"]).certificate_chain;
    let mut world = World::new();
    let good = upstream(tls::CertificateValidationContext { trusted_ca, ..validation });
    world.accept(&good);
    let before = world.cluster("a").config.tls.clone().unwrap();
    assert_eq!(before.authorities().len(), 1);
    let mut slower = good;
    slower.connect_timeout = crate::build::duration(std::time::Duration::from_secs(9));
    world.accept(&slower);
    assert!(Arc::ptr_eq(&before, world.cluster("a").config.tls.as_ref().unwrap()));
}

#[test]
fn two_chains_for_the_same_connections_are_refused() {
    let a = context(vec![certificate(&["a.test"])]);
    let mut two = chains(&[(&["a.test", "b.test"], &a), (&["b.test"], &a)]);
    two.filter_chains[0].name = "first".to_owned();
    assert_eq!(
        World::new().refuse(&two),
        "filter_chains[1].filter_chain_match: is for the same connections as filter_chains[0] \"first\""
    );
    for name in ["*", "a*.test", "*.*.test", ""] {
        let why = World::new().refuse(&chains(&[(&[name], &a)]));
        assert!(why.starts_with("filter_chains[0].filter_chain_match.server_names[0]: "), "{why}");
    }
}

#[test]
fn listener_filters_have_an_order() {
    use forebay_proto::envoy::config::listener::v3::{ListenerFilter, listener_filter::ConfigType};
    let filter =
        |config| ListenerFilter { config_type: Some(ConfigType::TypedConfig(config)), ..Default::default() };
    let (proxy, inspector) = (any(&ProxyProtocol::default()), any(&TlsInspector::default()));
    let with = |filters: Vec<ListenerFilter>| Listener { listener_filters: filters, ..listener("l", "all") };
    let mut world = World::new();
    world.accept(&with(vec![filter(proxy.clone()), filter(inspector.clone())]));
    world.accept(&routes("all", vec![]));
    let read = &world.listeners["l"].filters;
    assert!(read.proxy_protocol.as_ref().is_some_and(|proxy| !proxy.optional && proxy.v1 && proxy.v2));
    assert!(!read.inspect_tls, "no chain asks");
    assert_eq!(read.timeout, std::time::Duration::from_secs(15));
    assert_eq!(
        World::new().refuse(&with(vec![filter(inspector), filter(proxy)])),
        "listener_filters[1].typed_config: the PROXY protocol behind the TLS inspector is not supported"
    );
}

#[test]
fn a_key_that_is_given_to_an_accelerator_is_a_key() {
    /// As net-kourier has it with `enable-cryptomb`.
    #[derive(Clone, PartialEq, prost::Message)]
    struct CryptoMb {
        #[prost(message, optional, tag = "1")]
        private_key: Option<core::DataSource>,
        #[prost(message, optional, tag = "2")]
        poll_delay: Option<forebay_proto::google::protobuf::Duration>,
    }
    impl prost::Name for CryptoMb {
        const NAME: &'static str = "CryptoMbPrivateKeyMethodConfig";
        const PACKAGE: &'static str = "envoy.extensions.private_key_providers.cryptomb.v3alpha";
    }
    let poll_delay = Some(forebay_proto::google::protobuf::Duration { seconds: 0, nanos: 10_000_000 });
    let provided = |private_key, method: fn(&CryptoMb) -> forebay_proto::Any| {
        let config =
            tls::private_key_provider::ConfigType::TypedConfig(method(&CryptoMb { private_key, poll_delay }));
        Some(tls::PrivateKeyProvider {
            provider_name: "cryptomb".to_owned(),
            config_type: Some(config),
            fallback: false,
        })
    };
    let mut pair = certificate(&["a.test"]);
    let key = pair.private_key.take();
    pair.private_key_provider = provided(key.clone(), any);
    let mut world = World::new();
    world.accept(&chains(&[(&["a.test"], &context(vec![pair.clone()]))]));
    world.accept(&routes("all", vec![]));
    let leaf = world.listeners["l"].chains[0].tls.as_ref().unwrap().certificates().next().unwrap()[0].clone();
    assert_eq!(leaf.sans[0].value, "a.test");
    pair.private_key_provider = provided(None, any);
    let at = "common_tls_context.tls_certificates[0].private_key";
    assert_eq!(refused(&context(vec![pair.clone()])), format!("{at}: is missing"));
    pair.private_key_provider = provided(key, |_| any(&TlsInspector::default()));
    let other = refused(&context(vec![pair]));
    assert!(other.starts_with(&format!("{at}_provider.typed_config")), "{other}");
}
