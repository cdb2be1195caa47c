//! What Knative says of TLS to the pod (`QUEUE_PROXY_TLS_*`, `METRICS_PROMETHEUS_TLS_*`), in Go's names. Opens nothing.

use forebay_net::tls::{Params, Version};

use super::words::Words;

const MIN: &str = "MIN_VERSION";
const MAX: &str = "MAX_VERSION";
const SUITES: &str = "CIPHER_SUITES";
const CURVES: &str = "CURVE_PREFERENCES";

/// Go's suites that are safe, and what they are called here; those without a name are not spoken: CBC is not, and the suites of
/// TLS 1.3 cannot be chosen among, in Go either.
const KNOWN_SUITES: [(&str, Option<&str>); 13] = [
    ("TLS_AES_128_GCM_SHA256", None),
    ("TLS_AES_256_GCM_SHA384", None),
    ("TLS_CHACHA20_POLY1305_SHA256", None),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", None),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", None),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", None),
    ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", None),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", Some("ECDHE-ECDSA-AES128-GCM-SHA256")),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", Some("ECDHE-ECDSA-AES256-GCM-SHA384")),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", Some("ECDHE-ECDSA-CHACHA20-POLY1305")),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", Some("ECDHE-RSA-AES128-GCM-SHA256")),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", Some("ECDHE-RSA-AES256-GCM-SHA384")),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", Some("ECDHE-RSA-CHACHA20-POLY1305")),
];

/// The same of curves; P-521 is not spoken.
const KNOWN_CURVES: [(&str, Option<&str>); 8] = [
    ("CurveP256", Some("P-256")),
    ("CurveP384", Some("P-384")),
    ("CurveP521", None),
    ("P-256", Some("P-256")),
    ("P-384", Some("P-384")),
    ("P-521", None),
    ("X25519", Some("X25519")),
    ("X25519MLKEM768", Some("X25519MLKEM768")),
];

/// What sessions may agree upon; the error names the variable, and counts only where there is a certificate.
pub(super) fn read(env: &Words<'_>, of: &str) -> Result<Params, String> {
    let said = |name: &str| {
        let name = format!("{of}_TLS_{name}");
        let value = (env.0)(&name).unwrap_or_default();
        (name, value)
    };
    let min = version(said(MIN))?;
    let max = version(said(MAX))?;
    if min > max {
        return Err(format!("invalid {of}_TLS_{MAX}: it is less than the least version"));
    }
    let ciphers = list(said(SUITES), "cipher suite", &KNOWN_SUITES)?;
    let groups = list(said(CURVES), "curve", &KNOWN_CURVES)?;
    Ok(Params { min, max, ciphers, groups })
}

fn version((name, value): (String, String)) -> Result<Version, String> {
    match value.as_str() {
        "" => Ok(Version::V13),
        "1.2" => Ok(Version::V12),
        "1.3" => Ok(Version::V13),
        other => Err(format!(
            "invalid {name} {other:?}: unsupported TLS version {other:?}: must be \"1.2\" or \"1.3\""
        )),
    }
}

fn list(
    (name, said): (String, String),
    what: &str,
    known: &[(&str, Option<&'static str>)],
) -> Result<Vec<Box<str>>, String> {
    let mut all = Vec::new();
    let mut unspoken = None;
    for one in said.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        match known.iter().find(|(theirs, _)| *theirs == one) {
            None => return Err(format!("invalid {name}: unknown {what} {one:?}")),
            Some((_, Some(ours))) => all.push((*ours).into()),
            Some((_, None)) if one.starts_with("TLS_") && !one.contains("_WITH_") => {}
            Some((_, None)) => unspoken = Some(one),
        }
    }
    match unspoken {
        // Nothing of what is wanted would be left, and the default is not what was asked for.
        Some(one) if all.is_empty() => Err(format!("invalid {name}: {what} {one:?} is not supported")),
        _ => Ok(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_with(name: &str, value: &str) -> Result<Params, String> {
        read(
            &Words(&|asked| (asked == format!("QUEUE_PROXY_TLS_{name}")).then(|| value.to_owned())),
            "QUEUE_PROXY",
        )
    }

    #[test]
    fn names_are_gos_and_what_is_unknown_is_an_error() {
        let default = read_with("", "").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((default.min, default.max), (Version::V13, Version::V13));
        let old = read_with(MIN, "1.2").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((old.min, old.max), (Version::V12, Version::V13));
        let suites = "TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA";
        let suites = read_with(SUITES, suites).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(suites.ciphers, ["ECDHE-RSA-AES128-GCM-SHA256".into()]);
        for (name, value) in [
            (MIN, "1.1"),
            (MAX, "2"),
            (MAX, "1.2"),
            (SUITES, "TLS_RSA_WITH_RC4_128_SHA"),
            (SUITES, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
            (CURVES, "secp256k1"),
            (CURVES, "P-521"),
        ] {
            let error = read_with(name, value).err().unwrap_or_default();
            assert!(error.contains(name), "{name}={value}: {error}");
        }
    }
}
