//! What is known of a connection's TLS, for logs and headers. Knows no handshake.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use forebay_model::{CertDetails, ClientCert};
use forebay_net::tls::{About, Hello, San, SanKind, TlsStream};
use forebay_telemetry::log;
use sha1::Digest;

/// TLS of one connection.
pub(crate) struct Secure {
    /// As `TLSv1.3`.
    pub(crate) version: &'static str,
    /// As OpenSSL names it.
    pub(crate) cipher: &'static str,
    /// The name the client asked for.
    pub(crate) server_name: Option<Box<str>>,
    /// The client's certificate, if it showed one.
    pub(crate) peer: Option<Box<Certificate>>,
}

/// A client's certificate.
pub(crate) struct Certificate {
    about: About,
    uris: String,
    dns: String,
    ips: String,
    emails: String,
    sha256: String,
    sha1: String,
    pem: String,
    /// The element of `x-forwarded-client-cert` that tells of it; empty where none does.
    pub(crate) forwarded: String,
}

impl Secure {
    /// `own` is the certificate that the client was shown.
    pub(crate) fn new(hello: Hello, tls: &TlsStream, own: Option<&About>, forwards: &ClientCert) -> Self {
        let peer = tls.peer().map(|about| Box::new(Certificate::new(about, tls, own, forwards)));
        Self { version: tls.version(), cipher: tls.cipher(), server_name: hello.server_name, peer }
    }
}

impl Certificate {
    fn new(about: About, tls: &TlsStream, own: Option<&About>, forwards: &ClientCert) -> Self {
        let chain = tls.peer_chain();
        let leaf = chain.first().map_or(&[][..], |leaf| leaf);
        let mut made = Self {
            uris: joined(&about, SanKind::Uri),
            dns: joined(&about, SanKind::Dns),
            ips: joined(&about, SanKind::Ip),
            emails: joined(&about, SanKind::Email),
            sha256: hex(&sha2::Sha256::digest(leaf)),
            sha1: hex(&sha1::Sha1::digest(leaf)),
            pem: pem(leaf),
            forwarded: String::new(),
            about,
        };
        if let ClientCert::Append(details) | ClientCert::Set(details) = forwards {
            let chain: String = chain.iter().map(|certificate| pem(certificate)).collect();
            made.forwarded = made.element(*details, own, &chain);
        }
        made
    }

    /// In Envoy's order of keys.
    fn element(&self, details: CertDetails, own: Option<&About>, chain: &str) -> String {
        let mut parts = Vec::new();
        if let Some(by) = own.and_then(|own| names(own, SanKind::Uri).next()) {
            parts.push(format!("By={}", by.value));
        }
        parts.push(format!("Hash={}", self.sha256));
        if details.cert {
            parts.push(format!("Cert=\"{}\"", self.pem));
        }
        if details.chain {
            parts.push(format!("Chain=\"{chain}\""));
        }
        if details.subject {
            parts.push(format!("Subject=\"{}\"", self.about.subject));
        }
        if details.uri {
            // The key is there even where there is nothing to say.
            let uri = names(&self.about, SanKind::Uri).next();
            parts.push(format!("URI={}", uri.map_or("", |uri| &uri.value)));
        }
        if details.dns {
            parts.extend(names(&self.about, SanKind::Dns).map(|name| format!("DNS={}", name.value)));
        }
        parts.join(";")
    }

    /// For the access log.
    pub(crate) fn text(&self, of: log::Peer) -> Option<&str> {
        let text = match of {
            log::Peer::Subject => &self.about.subject,
            log::Peer::Issuer => &self.about.issuer,
            log::Peer::Serial => &self.about.serial,
            log::Peer::Uris => &self.uris,
            log::Peer::DnsNames => &self.dns,
            log::Peer::Ips => &self.ips,
            log::Peer::Emails => &self.emails,
            log::Peer::Sha256 => &self.sha256,
            log::Peer::Sha1 => &self.sha1,
            log::Peer::Certificate => &self.pem,
        };
        Some(text.as_str()).filter(|text| !text.is_empty())
    }

    /// Its names, in the certificate's order.
    pub(crate) fn sans(&self) -> &[San] {
        &self.about.sans
    }

    /// Whom it is for, as RFC 2253 writes it.
    pub(crate) fn subject(&self) -> &str {
        &self.about.subject
    }
}

fn names(about: &About, kind: SanKind) -> impl Iterator<Item = &San> {
    about.sans.iter().filter(move |san| san.kind == kind)
}

fn joined(about: &About, kind: SanKind) -> String {
    names(about, kind).map(|san| &*san.value).collect::<Vec<_>>().join(",")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// PEM, with what a URL cannot have escaped, as Envoy writes it.
fn pem(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN%20CERTIFICATE-----%0A");
    let encoded = STANDARD.encode(der);
    for (at, c) in encoded.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            text.push_str("%0A");
        }
        match c {
            '+' => text.push_str("%2B"),
            '/' => text.push_str("%2F"),
            '=' => text.push_str("%3D"),
            c => text.push(c),
        }
    }
    text.push_str("%0A-----END%20CERTIFICATE-----%0A");
    text
}
