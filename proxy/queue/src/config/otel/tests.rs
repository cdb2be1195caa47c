use super::*;

fn with<'e>(said: &'e [(&'e str, &'e str)]) -> impl Fn(&str) -> Option<String> + 'e {
    |name| said.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

fn read(protocol: &str, endpoint: &str, env: &[(&str, &str)]) -> Result<Target, String> {
    let export = Export { protocol: protocol.into(), endpoint: endpoint.into(), export_interval: 0 };
    metrics(&Words(&with(env)), &export).map(|export| export.unwrap().target)
}

#[test]
fn endpoints_are_found_as_the_reference_finds_them() {
    let shown = |target: Target| {
        let Target { grpc, tls, host, port, path } = target;
        format!("{}{} {host} {port} {path}", if grpc { "grpc" } else { "http" }, if tls { "s" } else { "" })
    };
    let own = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://own:1");
    let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://base:2/x/");
    for (protocol, endpoint, env, expected) in [
        ("http/protobuf", "http://c:4318", &[][..], "http c 4318 /v1/metrics"),
        ("http/protobuf", "http://c:4318/", &[], "http c 4318 /"),
        ("http/protobuf", "https://c/otlp", &[], "https c 443 /otlp"),
        ("http/protobuf", "http://[::1]", &[], "http ::1 80 /v1/metrics"),
        ("grpc", "http://c:4317", &[], "grpc c 4317 /v1/metrics"),
        ("grpc", "c:4317", &[], "grpcs c 4317 /v1/metrics"),
        ("http/protobuf", "http://c:4318", &[own], "http own 1 /"),
        ("http/protobuf", "http://c:4318", &[base], "http base 2 /x/v1/metrics"),
        ("http/protobuf", "", &[base, own], "http own 1 /"),
    ] {
        assert_eq!(read(protocol, endpoint, env).map(shown).as_deref(), Ok(expected), "{endpoint} {env:?}");
    }
    for (protocol, endpoint) in
        [("grpc", "ftp://c"), ("grpc", ""), ("http/protobuf", "http://c:port"), ("carrier", "http://c")]
    {
        let error = read(protocol, endpoint, &[]).unwrap_err();
        assert!(error.contains("requestMetrics."), "{error}");
    }
}

#[test]
fn metrics_are_told_as_often_as_somebody_says() {
    let every = |interval, env: &[(&str, &str)]| {
        let export =
            Export { protocol: "grpc".into(), endpoint: "http://c".into(), export_interval: interval };
        metrics(&Words(&with(env)), &export).unwrap().unwrap().every
    };
    assert_eq!(every(0, &[]), METRICS_EVERY);
    assert_eq!(every(1_500_000_000, &[]), Duration::from_millis(1500));
    assert_eq!(every(1, &[("OTEL_METRIC_EXPORT_INTERVAL", "250")]), Duration::from_millis(250));
}

#[test]
fn traces_are_kept_as_the_reference_keeps_them() {
    let of = |protocol: &str, rate: f64, env: &[(&str, &str)]| {
        let tracing = Tracing { protocol: protocol.into(), endpoint: "http://c".into(), sampling_rate: rate };
        traces(&Words(&with(env)), &tracing).map(|export| export.unwrap().sampler)
    };
    let sampler = |parent_based, share| Ok(Sampler { parent_based, share });
    assert_eq!(of("grpc", 1.0, &[]), sampler(false, ALL));
    assert_eq!(of("grpc", 0.0, &[]), sampler(false, 0));
    assert_eq!(of("grpc", 0.25, &[]), sampler(true, 1 << 61));
    assert_eq!(of("stdout", 0.0, &[]), sampler(false, ALL));
    assert_eq!(of("grpc", 0.25, &[("OTEL_TRACES_SAMPLER_ARG", "1")]), sampler(false, ALL));
    assert_eq!(of("grpc", 0.25, &[("OTEL_TRACES_SAMPLER_ARG", "0.5")]), sampler(true, 1 << 61));
    assert_eq!(of("grpc", 1.0, &[("OTEL_TRACES_SAMPLER", "parentbased_always_off")]), sampler(true, 0));
    let ratio = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.5")];
    assert_eq!(of("grpc", 0.0, &ratio), sampler(false, 1 << 62));
    assert!(of("grpc", 1.0, &[("OTEL_TRACES_SAMPLER", "dice")]).unwrap_err().contains("OTEL_TRACES_SAMPLER"));
    assert!(of("smoke", 1.0, &[]).unwrap_err().contains("tracing.protocol"));

    let half = Sampler { parent_based: true, share: 1 << 62 };
    let (mut low, mut high) = ([0xff; 16], [0; 16]);
    (low[8], high[8]) = (0x7f, 0x80);
    assert!(half.keeps(&low, None) && !half.keeps(&high, None));
    assert!(half.keeps(&high, Some(true)) && !half.keeps(&low, Some(false)));
    assert!(Sampler { parent_based: false, share: ALL }.keeps(&high, Some(false)));
}
