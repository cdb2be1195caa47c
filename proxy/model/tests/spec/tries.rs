//! What a route says of tries and clocks, as the data plane gets it.

use std::time::Duration;

use forebay_proto::Any;
use forebay_proto::envoy::config::route::v3 as route;
use forebay_proto::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
use forebay_proto::google::protobuf::UInt32Value;
use forebay_route::{Action, Forward, GrpcClock, GrpcTimeout, ResetFormat, Retry};

use crate::build::{any, duration, host, listener, number, route_to, routes};
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

fn read(
    change_host: impl FnOnce(&mut route::VirtualHost),
    change: impl FnOnce(&mut route::RouteAction),
) -> Result<Forward, String> {
    let mut world = World::new();
    world.accept(&listener("http", "all"));
    let mut one = route_to("a");
    let Some(route::route::Action::Route(action)) = &mut one.action else { panic!("it forwards") };
    change(action);
    let mut host = route::VirtualHost { routes: vec![one], ..host("x", &["*"], "a") };
    change_host(&mut host);
    let applied = world.put(&routes("all", vec![host]));
    if let Some(rejected) = applied.rejected.first() {
        return Err(rejected.message.clone());
    }
    match &world.tables["all"].get("x").unwrap().routes[0].action {
        Action::Forward(forward) => Ok(forward.clone()),
        other => panic!("{other:?}"),
    }
}

fn policy(policy: route::RetryPolicy) -> Result<Retry, String> {
    let forward = read(|_| {}, |action| action.retry_policy = Some(policy))?;
    Ok((**forward.retry.as_ref().unwrap()).clone())
}

fn refused(change: impl FnOnce(&mut route::RetryPolicy)) -> String {
    let mut message = route::RetryPolicy { retry_on: "5xx".to_owned(), ..Default::default() };
    change(&mut message);
    let why = policy(message).unwrap_err();
    why.split_once("retry_policy.").map_or(why.clone(), |(_, rest)| rest.to_owned())
}

fn previous_hosts(config: Option<Any>) -> route::retry_policy::RetryHostPredicate {
    route::retry_policy::RetryHostPredicate {
        name: "envoy.retry_host_predicates.previous_hosts".to_owned(),
        config_type: config.map(route::retry_policy::retry_host_predicate::ConfigType::TypedConfig),
    }
}

#[test]
fn a_policy_has_envoys_defaults() {
    let retry = policy(route::RetryPolicy::default()).unwrap();
    assert!(retry.on.is_empty(), "what a request asks for may still be given");
    assert_eq!((retry.tries, retry.host_draws), (1, 0));
    assert_eq!((retry.back_off.as_millis(), retry.max_back_off.as_millis()), (25, 250));
    assert_eq!((retry.per_try_timeout, retry.per_try_idle_timeout, &retry.reset), (None, None, &None));
}

#[test]
fn a_policy_is_read_whole() {
    use route::retry_policy::{RateLimitedRetryBackOff, ResetHeader, RetryBackOff};
    let header = |name: &str| route::HeaderMatcher { name: name.to_owned(), ..Default::default() };
    let retry = policy(route::RetryPolicy {
        retry_on: "retriable-headers".to_owned(),
        num_retries: number(0),
        per_try_idle_timeout: duration(2 * SECOND),
        retriable_headers: vec![header("X-Again")],
        retriable_request_headers: vec![header("x-may")],
        retry_host_predicate: vec![previous_hosts(Some(any(&PreviousHostsPredicate {})))],
        host_selection_retry_max_attempts: 5,
        retry_back_off: Some(RetryBackOff { base_interval: duration(SECOND), max_interval: None }),
        rate_limited_retry_back_off: Some(RateLimitedRetryBackOff {
            reset_headers: vec![ResetHeader { name: "Retry-After".to_owned(), format: 1 }],
            max_interval: None,
        }),
        ..Default::default()
    })
    .unwrap();
    assert_eq!((retry.tries, retry.host_draws, retry.per_try_idle_timeout), (0, 5, Some(2 * SECOND)));
    assert_eq!((retry.back_off, retry.max_back_off), (SECOND, 10 * SECOND));
    assert_eq!((retry.response_headers.len(), retry.request_headers.len()), (1, 1));
    let reset = retry.reset.unwrap();
    assert_eq!(
        (&*reset.headers[0].name, reset.headers[0].format),
        ("retry-after", ResetFormat::UnixTimestamp)
    );
    assert_eq!(reset.max, 300 * SECOND);
}

#[test]
fn what_a_policy_cannot_have_is_named() {
    use route::retry_policy::{RateLimitedRetryBackOff, RetryBackOff, RetryPriority};
    let predicate = refused(|policy| {
        let other = Any { type_url: "type.googleapis.com/x.Other".to_owned(), value: vec![] };
        policy.retry_host_predicate = vec![previous_hosts(Some(other))];
    });
    assert!(predicate.starts_with("retry_host_predicate[0].typed_config.@type: "), "{predicate}");
    let priority = refused(|policy| {
        policy.retry_priority = Some(RetryPriority { name: "previous".to_owned(), config_type: None });
    });
    assert!(priority.starts_with("retry_priority: "), "{priority}");
    let back_off = refused(|policy| {
        policy.retry_back_off =
            Some(RetryBackOff { base_interval: duration(SECOND), max_interval: duration(SECOND / 2) });
    });
    assert!(
        back_off.starts_with("retry_back_off.max_interval: 500ms, less than base_interval"),
        "{back_off}"
    );
    let no_base = refused(|policy| policy.retry_back_off = Some(RetryBackOff::default()));
    assert_eq!(no_base, "retry_back_off.base_interval: is missing");
    let no_header = refused(|policy| {
        policy.rate_limited_retry_back_off = Some(RateLimitedRetryBackOff::default());
    });
    assert!(no_header.starts_with("rate_limited_retry_back_off.reset_headers: "), "{no_header}");
}

#[test]
fn the_newer_clock_of_a_stream_replaces_the_older_of_a_response() {
    use route::route_action::MaxStreamDuration;
    let forward = read(
        |_| {},
        |action| {
            action.timeout = duration(3 * SECOND);
            action.max_stream_duration = Some(MaxStreamDuration {
                max_stream_duration: duration(Duration::ZERO),
                grpc_timeout_header_max: duration(9 * SECOND),
                grpc_timeout_header_offset: None,
            });
        },
    )
    .unwrap();
    let rare = forward.rare.as_ref().unwrap();
    assert_eq!((forward.timeout, rare.max_stream_duration), (None, Some(Duration::ZERO)));
    let stream = GrpcTimeout { sets: GrpcClock::Stream, max: 9 * SECOND, offset: Duration::ZERO };
    assert_eq!(rare.grpc_timeout, Some(stream));
}

#[test]
fn a_route_has_from_its_host_what_it_does_not_say() {
    let forward = read(
        |host| {
            host.include_request_attempt_count = true;
            host.per_request_buffer_limit_bytes = Some(UInt32Value { value: 1 << 30 });
            host.retry_policy =
                Some(route::RetryPolicy { retry_on: "reset".to_owned(), ..Default::default() });
        },
        |action| {
            action.priority = 1;
            action.max_grpc_timeout = duration(SECOND);
        },
    )
    .unwrap();
    let rare = forward.rare.as_ref().unwrap();
    assert!(rare.count_to_upstream && !rare.count_to_client && rare.high_priority);
    assert_eq!(rare.buffer_limit, Some(1 << 20), "never more than a connection may buffer");
    assert_eq!(rare.grpc_timeout.unwrap().sets, GrpcClock::Response);
    assert!(forward.retry.is_some());
    assert!(read(|_| {}, |_| {}).unwrap().rare.is_none());
}

#[test]
fn pings_need_a_timeout_and_are_off_without_an_interval() {
    use forebay_model::{Keepalive, Protocol};
    use forebay_proto::envoy::config::cluster::v3::Cluster;
    use forebay_proto::envoy::config::core::v3::{Http2ProtocolOptions, KeepaliveSettings};
    let read = |settings: KeepaliveSettings| {
        let options = Http2ProtocolOptions { connection_keepalive: Some(settings), ..Default::default() };
        let mut world = World::new();
        let applied = world.put(&Cluster {
            http2_protocol_options: Some(options),
            ..crate::build::fixed("a", &[("10.0.0.1", 80)])
        });
        match applied.rejected.first() {
            Some(rejected) => Err(rejected.message.clone()),
            None => match world.cluster("a").config.protocol {
                Protocol::Http2(http2) => Ok(http2.keepalive),
                other => panic!("{other:?}"),
            },
        }
    };
    let timed = KeepaliveSettings { timeout: duration(SECOND), ..Default::default() };
    assert_eq!(read(timed), Ok(None));
    let both = KeepaliveSettings { interval: duration(9 * SECOND), ..timed };
    assert_eq!(read(both), Ok(Some(Keepalive { interval: 9 * SECOND, timeout: SECOND })));
    let at = "http2_protocol_options.connection_keepalive";
    assert_eq!(read(KeepaliveSettings::default()), Err(format!("{at}.timeout: is missing")));
    let idle = KeepaliveSettings { connection_idle_interval: duration(SECOND), ..timed };
    assert!(read(idle).unwrap_err().starts_with(&format!("{at}.connection_idle_interval: ")));
}
