use std::time::Instant;

use forebay_model::State;
use forebay_proto::Any;
use forebay_proto::envoy::config::listener::v3::FilterChain;
use forebay_proto::envoy::extensions::transport_sockets::tls::v3::TlsCertificate;

use super::*;

fn listener(pem: &str) -> Dumped {
    let chain = DataSource { specifier: Some(Specifier::InlineString(pem.to_owned())), ..Default::default() };
    let common = CommonTlsContext {
        tls_certificates: vec![TlsCertificate { certificate_chain: Some(chain), ..Default::default() }],
        ..Default::default()
    };
    let context = DownstreamTlsContext { common_tls_context: Some(common), ..Default::default() };
    let config = Any { type_url: DownstreamTlsContext::type_url(), value: context.encode_to_vec() };
    let socket = TransportSocket {
        name: "envoy.transport_sockets.tls".into(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(config)),
    };
    let message = Listener {
        filter_chains: vec![FilterChain { transport_socket: Some(socket), ..Default::default() }],
        ..Default::default()
    };
    Dumped {
        type_url: type_url::LISTENER,
        name: "l".into(),
        version: "1".into(),
        bytes: message.encode_to_vec().into(),
        since: Instant::now(),
        fixed: false,
        state: State::Acked,
    }
}

#[test]
fn a_certificate_is_shown_as_envoy_does() {
    let names = ["a.example".to_owned(), "10.0.0.1".to_owned()];
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(3000, 1, 2);
    params.serial_number = Some(rcgen::SerialNumber::from_slice(&[0x0a, 0xbc]));
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let all = of(&[listener(&pem)]);
    assert_eq!(all.len(), 1);
    let shown = &all[0].chain[0];
    assert_eq!((shown.path.as_str(), shown.serial.as_str()), ("<inline>", "abc"));
    assert_eq!(
        (&shown.dns[..], &shown.addresses[..]),
        (&["a.example".to_owned()][..], &["10.0.0.1".to_owned()][..])
    );
    assert_eq!(shown.valid_from, "2024-01-01T00:00:00Z");
    assert_eq!(shown.expires, "3000-01-02T00:00:00Z");
    assert!(first_to_expire(&all).unwrap() > 300_000);
    assert!(of(&[listener("no certificate")]).is_empty());
}
