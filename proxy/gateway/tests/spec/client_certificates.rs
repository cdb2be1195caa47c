//! What is told of a client's certificate: `x-forwarded-client-cert` in its five ways, and the log's columns.

use std::io::{Read, Write};
use std::sync::Arc;

use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::{
    ForwardClientCertDetails as Way, SetCurrentClientCertDetails as Told,
};
use forebay_proto::envoy::extensions::transport_sockets::tls::v3 as tls;
use forebay_proto::google::protobuf::BoolValue;

use super::backend::Backend;
use super::pki::{self, Authority, chains, context};
use super::world;

/// What a backend gets that way, with a client's certificate for `client.test` or without, and this header of the client's.
fn forwarded(way: Way, certified: bool, came: &str) -> Option<String> {
    let backend = Backend::echoing_path();
    let authority = Authority::new();
    let (pair, believed) = (authority.sign(&["a.test"]), authority.pem.clone());
    let world = world::to(&[backend.address])
        .manager(|manager| {
            manager.forward_client_cert_details = way as i32;
            let subject = Some(BoolValue { value: true });
            manager.set_current_client_cert_details =
                Some(Told { subject, dns: true, uri: true, ..Default::default() });
        })
        .listener(move |listener| {
            let mut context = context(&pair);
            let validation = tls::CertificateValidationContext {
                trusted_ca: pki::inline(&believed),
                ..Default::default()
            };
            context.common_tls_context.as_mut().unwrap().validation_context_type =
                Some(tls::common_tls_context::ValidationContextType::ValidationContext(validation));
            chains(listener, &[(&[], context)]);
        })
        .start();
    let own = certified.then(|| authority.sign(&["client.test"]));
    let config = Arc::new(authority.client(&[], own.as_ref()));
    let mut tls = pki::connect(world.address, &config, "a.test").unwrap();
    tls.write_all(format!("GET / HTTP/1.1\r\nhost: a.test\r\n{came}\r\n").as_bytes()).unwrap();
    tls.read_exact(&mut [0; 12]).unwrap();
    backend.request().header("x-forwarded-client-cert").map(str::to_owned)
}

const CAME: &str = "x-forwarded-client-cert: Hash=1\r\n";

#[test]
fn what_a_client_says_itself_is_dropped_or_passed_on() {
    let one = Some("Hash=1");
    for (way, certified, seen) in [
        (Way::Sanitize, true, None),
        (Way::Sanitize, false, None),
        (Way::ForwardOnly, true, one),
        (Way::ForwardOnly, false, None),
        (Way::AppendForward, false, None),
        (Way::SanitizeSet, false, None),
        (Way::AlwaysForwardOnly, true, one),
        (Way::AlwaysForwardOnly, false, one),
    ] {
        assert_eq!(forwarded(way, certified, CAME).as_deref(), seen, "{way:?} {certified}");
    }
    assert_eq!(forwarded(Way::ForwardOnly, true, ""), None);
}

#[test]
fn a_certificate_that_was_shown_is_told() {
    let told = |seen: Option<String>| {
        let seen = seen.unwrap();
        let (hash, rest) = seen.split_once(";Subject=").unwrap();
        assert_eq!(hash.rsplit("Hash=").next().unwrap().len(), 64, "{seen}");
        (hash[..hash.len() - 64].to_owned(), rest.to_owned())
    };
    let details = "\"CN=rcgen self signed cert\";URI=;DNS=client.test".to_owned();
    for came in [CAME, ""] {
        assert_eq!(told(forwarded(Way::SanitizeSet, true, came)), ("Hash=".to_owned(), details.clone()));
    }
    assert_eq!(told(forwarded(Way::AppendForward, true, "")), ("Hash=".to_owned(), details.clone()));
    assert_eq!(told(forwarded(Way::AppendForward, true, CAME)), ("Hash=1,Hash=".to_owned(), details));
}
