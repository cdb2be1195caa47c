//! Names of ciphers, groups and versions, as OpenSSL and Envoy spell them. Knows no certificates.

use rustls::crypto::SupportedKxGroup;
use rustls::crypto::aws_lc_rs::{cipher_suite, kx_group};
use rustls::{CipherSuite, SupportedCipherSuite, SupportedProtocolVersion, version};

/// A version of TLS, of those that are spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

/// What a session may agree upon.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Params {
    /// The least.
    pub min: Version,
    /// The most.
    pub max: Version,
    /// Cipher suites of TLS 1.2 by OpenSSL's names, the best first; empty is Envoy's default. TLS 1.3 has all of its own.
    pub ciphers: Vec<Box<str>>,
    /// Groups for the key exchange; empty is the default.
    pub groups: Vec<Box<str>>,
}

/// Envoy's default for TLS 1.2. Of those in brackets the client chooses.
const DEFAULT_CIPHERS: &[&str] = &[
    "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]",
    "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
];

const CIPHERS: &[(&str, SupportedCipherSuite)] = &[
    ("ECDHE-ECDSA-AES128-GCM-SHA256", cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES128-GCM-SHA256", cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES256-GCM-SHA384", cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
];

/// BoringSSL's order with AES in hardware, as we offer them; of a client's the one that it likes best is taken.
const CIPHERS_13: [SupportedCipherSuite; 3] = [
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
];

const GROUPS: &[(&str, &dyn SupportedKxGroup)] = &[
    ("X25519MLKEM768", kx_group::X25519MLKEM768),
    ("X25519", kx_group::X25519),
    ("P-256", kx_group::SECP256R1),
    ("P-384", kx_group::SECP384R1),
    ("prime256v1", kx_group::SECP256R1),
    ("secp384r1", kx_group::SECP384R1),
];

/// How many of [`GROUPS`] are the default.
const DEFAULT_GROUPS: usize = 3;

fn is_chacha(suite: SupportedCipherSuite) -> bool {
    matches!(
        suite.suite(),
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    )
}

/// A cipher suite as OpenSSL names it.
pub(super) fn cipher_name(suite: SupportedCipherSuite) -> &'static str {
    match suite.suite() {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        _ => CIPHERS.iter().find(|(_, known)| *known == suite).map_or("", |(name, _)| name),
    }
}

/// A name of a list as OpenSSL writes it, between `:`, `[`, `|` and `]`.
fn names(list: &[Box<str>]) -> impl Iterator<Item = &str> {
    list.iter().flat_map(|entry| entry.split([':', '[', ']', '|'])).filter(|name| !name.is_empty())
}

/// The name that is not known, if there is one.
type Found<T> = Result<Vec<T>, Box<str>>;

fn find<T: Copy>(list: &[Box<str>], known: &[(&str, T)]) -> Found<T> {
    let find = |name: &str| {
        known.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).ok_or_else(|| name.into())
    };
    names(list).map(find).collect()
}

impl Params {
    /// All suites, TLS 1.3's first; an unknown name is the error. Of those in brackets, which are equally good, the ones with
    /// ChaCha20 come first if `chacha` is liked, and last if not.
    pub(super) fn suites(&self, chacha: bool) -> Found<SupportedCipherSuite> {
        let mut own = Vec::new();
        for group in self.groups_of_ciphers() {
            let mut group = find(&[group.into()], CIPHERS)?;
            group.sort_by_key(|suite| is_chacha(*suite) != chacha);
            own.append(&mut group);
        }
        Ok(CIPHERS_13.into_iter().chain(own).collect())
    }

    /// Suites of TLS 1.2 that are equally good stand together.
    fn groups_of_ciphers(&self) -> impl Iterator<Item = &str> {
        let own = self.ciphers.iter().flat_map(|entry| entry.split(':')).filter(|group| !group.is_empty());
        let defaults = if names(&self.ciphers).next().is_none() { DEFAULT_CIPHERS } else { &[] };
        defaults.iter().copied().chain(own.filter(move |_| defaults.is_empty()))
    }

    /// Whether nothing is said of ciphers and groups.
    pub(super) fn is_default(&self) -> bool {
        names(&self.ciphers).next().is_none() && names(&self.groups).next().is_none()
    }

    /// Whether what a client likes makes a difference to the order of suites.
    pub(super) fn asks_clients(&self) -> bool {
        self.min == Version::V12 && self.groups_of_ciphers().any(|group| group.contains('|'))
    }

    /// All groups; an unknown name is the error.
    pub(super) fn kx_groups(&self) -> Found<&'static dyn SupportedKxGroup> {
        let own = find(&self.groups, GROUPS)?;
        Ok(match own.is_empty() {
            true => GROUPS.iter().take(DEFAULT_GROUPS).map(|(_, group)| *group).collect(),
            false => own,
        })
    }

    pub(super) fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let mut all = Vec::new();
        if self.max == Version::V13 {
            all.push(&version::TLS13);
        }
        if self.min == Version::V12 {
            all.push(&version::TLS12);
        }
        all
    }
}
