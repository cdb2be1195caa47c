use super::*;
use crate::tls::SanKind;
use crate::tls::words::Version;

fn pem(names: &[&str], algorithm: &'static rcgen::SignatureAlgorithm) -> Pem {
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let params =
        rcgen::CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
    let cert = params.self_signed(&key).unwrap();
    Pem { chain: cert.pem().into_bytes().into(), key: key.serialize_pem().into_bytes().into() }
}

fn spec(pems: &[&Pem]) -> ServerSpec {
    ServerSpec {
        certificates: pems.iter().map(|pem| (*pem).clone()).collect(),
        alpn: vec![(*b"h2").into(), (*b"http/1.1").into()],
        params: Params { min: Version::V12, max: Version::V13, ciphers: vec![], groups: vec![] },
        clients: None,
        tickets: true,
        memory: true,
        client_order: false,
    }
}

fn refused(spec: &ServerSpec) -> Refused {
    ServerTls::new(spec).expect_err("it does not fit together")
}

#[test]
fn a_certificate_says_who_it_is_for() {
    let made =
        ServerTls::new(&spec(&[&pem(&["a.test", "192.0.2.1"], &rcgen::PKCS_ECDSA_P256_SHA256)])).unwrap();
    let chains: Vec<_> = made.certificates().collect();
    let [[leaf]] = chains.as_slice() else { panic!("one certificate") };
    let sans: Vec<_> = leaf.sans.iter().map(|san| (san.kind, san.value.as_str())).collect();
    assert_eq!(sans, [(SanKind::Dns, "a.test"), (SanKind::Ip, "192.0.2.1")]);
    assert!(leaf.not_before < leaf.not_after && !leaf.serial.is_empty());
}

#[test]
fn keys_of_every_form_are_read() {
    // Made by `openssl genrsa -traditional` and `openssl ecparam -genkey`: the forms people still have.
    for (form, certificate, key) in [
        ("PKCS#1", include_str!("testdata/rsa.crt"), include_str!("testdata/rsa.pkcs1.key")),
        ("PKCS#8", include_str!("testdata/rsa.crt"), include_str!("testdata/rsa.pkcs8.key")),
        ("SEC1", include_str!("testdata/ec.crt"), include_str!("testdata/ec.sec1.key")),
    ] {
        let pem = Pem { chain: certificate.as_bytes().into(), key: key.as_bytes().into() };
        assert!(ServerTls::new(&spec(&[&pem])).is_ok(), "{form}");
    }
}

#[test]
fn a_key_that_is_not_the_certificates_is_refused_by_name() {
    let (one, other) =
        (pem(&["a.test"], &rcgen::PKCS_ECDSA_P256_SHA256), pem(&["b.test"], &rcgen::PKCS_ECDSA_P256_SHA256));
    let wrong = Pem { chain: one.chain.clone(), key: other.key.clone() };
    let said = refused(&spec(&[&one, &wrong]));
    assert_eq!(said.nth, 1);
    assert!(matches!(said.why, Why::Mismatch(subject) if subject.contains("rcgen")));
}

#[test]
fn what_cannot_be_read_is_refused() {
    let good = pem(&["a.test"], &rcgen::PKCS_ECDSA_P256_SHA256);
    let with =
        |chain: &[u8], key: &[u8]| refused(&spec(&[&Pem { chain: chain.into(), key: key.into() }])).why;
    assert!(matches!(with(b"", &good.key), Why::Chain(_)));
    assert!(matches!(
        with(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &good.key),
        Why::Chain(_)
    ));
    assert!(matches!(with(&good.chain, b"no key"), Why::Key(_)));
    let mut bad = spec(&[&good]);
    bad.params.ciphers = vec!["[ECDHE-RSA-AES128-GCM-SHA256|AES128-SHA]".into()];
    assert_eq!(refused(&bad).why, Why::Cipher("AES128-SHA".into()));
    bad.params.ciphers = vec!["".into()];
    assert!(ServerTls::new(&bad).is_ok(), "an empty name is Envoy's way to say: the default");
    bad.params.groups = vec!["X25519:P-521".into()];
    assert_eq!(refused(&bad).why, Why::Group("P-521".into()));
    let mut believed = spec(&[&good]);
    let validation = Validation { authorities: Some((*b"nothing").into()), ..Validation::default() };
    believed.clients = Some(Clients { validation, required: true });
    assert!(matches!(refused(&believed).why, Why::Authorities(_)));
}

#[test]
fn the_name_chooses_the_certificate() {
    let own = |names: &[&str]| {
        let pem = pem(names, &rcgen::PKCS_ECDSA_P256_SHA256);
        Own::read(0, &pem).unwrap()
    };
    let exact = own(&["a.test", "*.b.test"]);
    assert!(exact.fits("a.test") < exact.fits("x.b.test") && exact.fits("x.b.test").is_some());
    for name in ["b.test", "x.y.b.test", "test"] {
        assert!(exact.fits(name).is_none(), "{name}");
    }
}

/// The suite that the two agree upon with a client that offers these, in this order.
fn agreed(params: Params, theirs: &[rustls::SupportedCipherSuite]) -> Option<rustls::SupportedCipherSuite> {
    let pem = pem(&["a.test"], &rcgen::PKCS_ECDSA_P256_SHA256);
    let server = ServerTls::new(&ServerSpec { params, ..spec(&[&pem]) }).unwrap();
    let provider = CryptoProvider { cipher_suites: theirs.to_vec(), ..aws_lc_rs::default_provider() };
    let validation = Validation::default();
    let provider = Arc::new(provider);
    let config = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier::new(&validation, &provider).unwrap()))
        .with_no_client_auth();
    let mut client = rustls::ClientConnection::new(Arc::new(config), "a.test".try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    let crate::tls::hello::Look::Hello(hello) = crate::tls::hello::look(&bytes) else { panic!("no hello") };
    let mut session = server.session(&hello).unwrap();
    session.read_tls(&mut &*bytes).unwrap();
    session.process_new_packets().ok()?;
    session.negotiated_cipher_suite()
}

#[test]
fn suites_are_chosen_as_envoy_chooses_them() {
    use rustls::crypto::aws_lc_rs::cipher_suite as suite;
    let params = |max, ciphers: &[&str]| Params {
        min: Version::V12,
        max,
        ciphers: ciphers.iter().map(|name| (*name).into()).collect(),
        groups: vec![],
    };
    let newest = [suite::TLS13_AES_128_GCM_SHA256, suite::TLS13_AES_256_GCM_SHA384];
    for theirs in [newest, [newest[1], newest[0]]] {
        assert_eq!(
            agreed(params(Version::V13, &[]), &theirs),
            Some(theirs[0]),
            "of TLS 1.3 the client's first"
        );
    }
    let [aes128, chacha, aes256] = [
        suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ];
    let old = |ciphers: &[&str], theirs: &[_]| agreed(params(Version::V12, ciphers), theirs);
    assert_eq!(old(&[], &[aes256, aes128, chacha]), Some(aes128), "ours first");
    assert_eq!(
        old(&[], &[aes256, chacha, aes128]),
        Some(chacha),
        "of two that are equally good the client's"
    );
    let listed = ["ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305"];
    assert_eq!(old(&listed, &[chacha, aes128]), Some(aes128), "unless they are told apart");
    assert_eq!(old(&listed, &[aes256]), None);
}
