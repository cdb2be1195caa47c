#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::collections::BTreeMap;

use super::*;

fn env(changes: &[(&str, Option<&str>)]) -> Result<Config, Invalid> {
    let mut all: BTreeMap<String, String> = [
        ("CONTAINER_CONCURRENCY", "10"),
        ("QUEUE_SERVING_PORT", "8012"),
        ("QUEUE_SERVING_TLS_PORT", "8112"),
        ("USER_PORT", "8080"),
        ("REVISION_TIMEOUT_SECONDS", "300"),
        ("SERVING_LOGGING_CONFIG", ""),
        ("SERVING_LOGGING_LEVEL", ""),
        ("SERVING_NAMESPACE", "default"),
        ("SERVING_CONFIGURATION", ""),
        ("SERVING_REVISION", "hello-00001"),
        ("SERVING_POD", "hello-00001-x"),
        ("SERVING_POD_IP", "10.0.0.1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (name, value) in changes {
        match value {
            Some(value) => drop(all.insert((*name).to_owned(), (*value).to_owned())),
            None => drop(all.remove(*name)),
        }
    }
    Config::from_env(|name| all.get(name).cloned())
}

#[test]
fn what_the_controller_writes_is_read() {
    let config = env(&[("SOMETHING_ELSE", Some("x")), ("REVISION_IDLE_TIMEOUT_SECONDS", Some("7"))]).unwrap();
    assert_eq!(config.concurrency, 10);
    assert_eq!(config.app, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(
        (config.ports.main, config.ports.tls, config.ports.admin, config.ports.stats),
        (8012, 8112, 8022, 9090)
    );
    assert_eq!(config.timeouts.revision, Duration::from_secs(300));
    assert_eq!(config.timeouts.response_start, None);
    assert_eq!(config.timeouts.idle, Some(Duration::from_secs(7)));
    assert!(config.probes.is_empty());
}

#[test]
fn every_required_variable_is_missed_by_name() {
    for name in [
        "CONTAINER_CONCURRENCY",
        "QUEUE_SERVING_PORT",
        "QUEUE_SERVING_TLS_PORT",
        "USER_PORT",
        "REVISION_TIMEOUT_SECONDS",
        "SERVING_LOGGING_CONFIG",
        "SERVING_LOGGING_LEVEL",
        "SERVING_NAMESPACE",
        "SERVING_CONFIGURATION",
        "SERVING_REVISION",
        "SERVING_POD",
        "SERVING_POD_IP",
    ] {
        assert_eq!(env(&[(name, None)]).unwrap_err(), Invalid::Missing(name));
    }
}

#[test]
fn malformed_variables_are_told_by_name() {
    for (name, value) in [
        ("CONTAINER_CONCURRENCY", ""),
        ("CONTAINER_CONCURRENCY", "ten"),
        ("CONTAINER_CONCURRENCY", "99999999999999999999"),
        ("CONTAINER_CONCURRENCY", "9999999999"),
        ("REVISION_TIMEOUT_SECONDS", "5s"),
        ("REVISION_RESPONSE_START_TIMEOUT_SECONDS", ""),
        ("REVISION_IDLE_TIMEOUT_SECONDS", "1.5"),
        ("ENABLE_HTTP2_AUTO_DETECTION", "yes"),
        ("ENABLE_HTTP_FULL_DUPLEX", ""),
        ("ENABLE_MULTI_CONTAINER_PROBES", "on"),
        ("QUEUE_SERVING_PORT", "http"),
        ("USER_PORT", "0"),
        ("QUEUE_SERVING_TLS_PORT", "65536"),
        ("SERVING_READINESS_PROBE", "{"),
        ("SERVING_READINESS_PROBE", "[]"),
        ("OBSERVABILITY_CONFIG", "{"),
        ("OBSERVABILITY_CONFIG", r#"{"enableRequestLog": "yes"}"#),
        ("FOREBAY_QUEUE_ADDRESS", "here"),
        ("FOREBAY_QUEUE_ADMIN_PORT", "-1"),
    ] {
        let why = env(&[(name, Some(value))]).unwrap_err().to_string();
        assert!(why.contains(name), "{name}={value}: {why}");
    }
}

#[test]
fn numbers_are_read_as_go_reads_them() {
    for (text, number) in
        [("0x10", 16), ("010", 8), ("0b11", 3), ("0o17", 15), ("+7", 7), ("0", 0), ("-3", 0)]
    {
        assert_eq!(env(&[("CONTAINER_CONCURRENCY", Some(text))]).unwrap().concurrency, number, "{text}");
    }
}

#[test]
fn the_words_are_the_references() {
    assert_eq!(
        env(&[("CONTAINER_CONCURRENCY", Some("x"))]).unwrap_err().to_string(),
        "envconfig.Process: assigning CONTAINER_CONCURRENCY to ContainerConcurrency: converting 'x' to type int. details: strconv.ParseInt: parsing \"x\": invalid syntax"
    );
    assert_eq!(
        env(&[("SERVING_POD", None)]).unwrap_err().to_string(),
        "required key SERVING_POD missing value"
    );
}
