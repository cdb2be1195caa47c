use super::*;

#[test]
fn keys_are_hidden_and_certificates_are_not() {
    let mut value = json!({ "tls_certificates": [{
        "certificate_chain": { "inline_string": "-----BEGIN CERTIFICATE-----" },
        "private_key": { "inline_bytes": "c2VjcmV0" },
        "password": { "inline_string": "secret" },
        "private_key_provider": { "typed_config": { "poll_delay": "0.01s", "private_key": { "filename": "/k" } } },
    }] });
    redact(&mut value);
    let text = value.to_string();
    assert!(!text.contains("secret") && !text.contains("c2VjcmV0") && !text.contains("/k\""), "{text}");
    assert!(text.contains("BEGIN CERTIFICATE") && text.contains("0.01s"), "{text}");
    assert_eq!(value["tls_certificates"][0]["private_key"]["inline_bytes"], "W3JlZGFjdGVkXQ==");
}

#[test]
fn a_moment_before_now_is_a_time_of_day() {
    let wall = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250);
    let now = Instant::now();
    assert_eq!(timestamp(now, (now, wall)), "2023-11-14T22:13:20.250Z");
}
