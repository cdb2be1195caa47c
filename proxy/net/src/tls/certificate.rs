//! A certificate with its key, and what it says about itself. Knows no sessions.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, SignatureAlgorithm};
use x509_parser::der_parser::oid::Oid;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::x509::X509Name;

use super::refused::{Refused, Why};

/// A chain and its key as they are written.
#[derive(Clone)]
pub struct Pem {
    /// PEM, leaf first.
    pub chain: Arc<[u8]>,
    /// PEM: PKCS#1, SEC1 or PKCS#8.
    pub key: Arc<[u8]>,
}

/// A chain and its key.
pub(super) struct Own {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) about: Vec<About>,
    /// Whether the key is an elliptic curve's: those who can verify it are served by it first.
    pub(super) ecdsa: bool,
    /// Names of the leaf in lower case, wildcards as they stand.
    names: Vec<Box<str>>,
}

/// What a certificate says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Whom it is for, as RFC 2253 writes it: the last part first, between commas.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Hexadecimal, without colons.
    pub serial: String,
    /// In the certificate's order.
    pub sans: Vec<San>,
    /// Unix time in seconds.
    pub not_before: i64,
    /// Unix time in seconds.
    pub not_after: i64,
}

/// One subject alternative name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct San {
    /// Which kind.
    pub kind: SanKind,
    /// As text.
    pub value: String,
}

/// The kinds of subject alternative names that are matched by text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SanKind {
    /// A host name.
    Dns,
    /// A URI (SPIFFE).
    Uri,
    /// An e-mail address.
    Email,
    /// An IP address.
    Ip,
}

impl Own {
    /// Reads them; `nth` of its list names it in errors.
    pub(super) fn read(nth: usize, Pem { chain, key }: &Pem) -> Result<Self, Refused> {
        let refuse = |why| Refused { nth, why };
        let chain = certificates(chain).map_err(|said| refuse(Why::Chain(said)))?;
        let about = chain.iter().map(about).collect::<Option<Vec<_>>>();
        let about = about.ok_or_else(|| refuse(Why::Chain("a certificate does not parse".to_owned())))?;
        let Some(leaf) = about.first() else {
            return Err(refuse(Why::Chain("has no certificate".to_owned())));
        };
        let names = names(leaf);
        let der = PrivateKeyDer::from_pem_slice(key).map_err(|error| refuse(Why::Key(error.to_string())))?;
        let key = any_supported_type(&der).map_err(|error| refuse(Why::Key(error.to_string())))?;
        let ecdsa = key.algorithm() == SignatureAlgorithm::ECDSA;
        let subject = leaf.subject.clone();
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => return Err(refuse(Why::Mismatch(subject))),
            Err(error) => return Err(refuse(Why::Chain(error.to_string()))),
        }
        Ok(Self { key: Arc::new(key), about, ecdsa, names })
    }

    /// How well it fits a name: the name itself, a wildcard over it, or not at all.
    pub(super) fn fits(&self, name: &str) -> Option<Fit> {
        if self.names.iter().any(|own| **own == *name) {
            return Some(Fit::Exact);
        }
        let (_, parent) = name.split_once('.')?;
        let covers = |own: &str| own.strip_prefix("*.").is_some_and(|rest| rest == parent);
        self.names.iter().any(|own| covers(own)).then_some(Fit::Wildcard)
    }
}

/// How well a certificate fits a name; better is less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    Exact,
    Wildcard,
}

/// The certificates of a PEM text.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| error.to_string())
}

/// What a certificate says about itself; `None` if it cannot be read.
pub fn about(der: &CertificateDer<'_>) -> Option<About> {
    let (_, cert) = X509Certificate::from_der(der).ok()?;
    let mut sans = Vec::new();
    if let Ok(Some(extension)) = cert.subject_alternative_name() {
        sans.extend(extension.value.general_names.iter().filter_map(san));
    }
    Some(About {
        subject: rfc2253(cert.subject()),
        issuer: rfc2253(cert.issuer()),
        serial: cert.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect(),
        sans,
        not_before: cert.validity().not_before.timestamp(),
        not_after: cert.validity().not_after.timestamp(),
    })
}

fn rfc2253(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    for part in parts.iter().rev() {
        if !text.is_empty() {
            text.push(',');
        }
        for (nth, attribute) in part.iter().enumerate() {
            if nth > 0 {
                text.push('+');
            }
            let oid = attribute.attr_type();
            match short_name(oid) {
                Some(key) => text.push_str(key),
                None => text.push_str(&oid.to_id_string()),
            }
            text.push('=');
            match attribute.as_str() {
                Ok(value) => escape(value, &mut text),
                Err(_) => {
                    text.push('#');
                    attribute.attr_value().data.iter().for_each(|byte| text.push_str(&format!("{byte:02X}")));
                }
            }
        }
    }
    text
}

/// The short names that OpenSSL has for the attributes of names.
fn short_name(oid: &Oid<'_>) -> Option<&'static str> {
    const NAMES: [(&[u64], &str); 13] = [
        (&[2, 5, 4, 3], "CN"),
        (&[2, 5, 4, 4], "SN"),
        (&[2, 5, 4, 5], "serialNumber"),
        (&[2, 5, 4, 6], "C"),
        (&[2, 5, 4, 7], "L"),
        (&[2, 5, 4, 8], "ST"),
        (&[2, 5, 4, 9], "street"),
        (&[2, 5, 4, 10], "O"),
        (&[2, 5, 4, 11], "OU"),
        (&[2, 5, 4, 12], "title"),
        (&[0, 9, 2342, 19200300, 100, 1, 1], "UID"),
        (&[0, 9, 2342, 19200300, 100, 1, 25], "DC"),
        (&[1, 2, 840, 113549, 1, 9, 1], "emailAddress"),
    ];
    NAMES
        .iter()
        .find(|(known, _)| oid.iter().is_some_and(|parts| parts.eq(known.iter().copied())))
        .map(|(_, name)| *name)
}

/// RFC 2253 2.4.
fn escape(value: &str, text: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        let edge = (at == 0 && matches!(c, ' ' | '#')) || (at == last && c == ' ');
        if edge || matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            text.push('\\');
        }
        text.push(c);
    }
}

fn san(name: &GeneralName<'_>) -> Option<San> {
    let (kind, value) = match name {
        GeneralName::DNSName(name) => (SanKind::Dns, (*name).to_owned()),
        GeneralName::URI(uri) => (SanKind::Uri, (*uri).to_owned()),
        GeneralName::RFC822Name(mail) => (SanKind::Email, (*mail).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let ip: std::net::IpAddr = match *bytes {
                [a, b, c, d] => [*a, *b, *c, *d].into(),
                _ => <[u8; 16]>::try_from(*bytes).ok()?.into(),
            };
            (SanKind::Ip, ip.to_string())
        }
        _ => return None,
    };
    Some(San { kind, value })
}

/// Names to choose a certificate by: the alternative ones, or, where there are none, the common name.
fn names(leaf: &About) -> Vec<Box<str>> {
    let dns = leaf.sans.iter().filter(|san| san.kind == SanKind::Dns);
    let names: Vec<Box<str>> = dns.map(|san| san.value.to_ascii_lowercase().into()).collect();
    if !leaf.sans.is_empty() {
        return names;
    }
    let common = leaf.subject.split([',', '+']).find_map(|part| part.strip_prefix("CN="));
    common.map(|name| name.to_ascii_lowercase().into()).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;

    #[test]
    fn names_are_written_as_openssl_writes_them() {
        let mut name = DistinguishedName::new();
        name.push(DnType::CountryName, "CH");
        name.push(DnType::OrganizationName, "A, \"B\" + C");
        name.push(DnType::CommonName, " #x ");
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = name;
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let about = about(made.der()).unwrap();
        assert_eq!(about.subject, "CN=\\ #x\\ ,O=A\\, \\\"B\\\" \\+ C,C=CH");
    }
}
