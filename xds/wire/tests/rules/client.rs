use std::time::{Duration, Instant};

use forebay_proto::Body;
use forebay_proto::envoy::service::discovery::v3::{DeltaDiscoveryRequest, Resource};
use forebay_proto::google::protobuf;
use forebay_proto::type_url::{CLUSTER, ENDPOINTS, ROUTE};
use forebay_xds_wire::client::{
    Client, DOES_NOT_EXIST, Delta, DeltaResponse, Expired, Rejection, StateOfTheWorld, WorldResponse, Wrapped,
};
use prost::Name;

use crate::catalog;

fn delta() -> (Client<Delta>, Instant) {
    let now = Instant::now();
    let mut client = Client::new(Default::default(), now);
    client.want_all(CLUSTER);
    client.restart();
    (client, now)
}

fn any(url: &str, name: &str) -> Body {
    let body = catalog::Body { name: name.into(), number: 1 };
    Body { type_url: url.into(), value: prost::Message::encode_to_vec(&body).into() }
}

fn resource(name: &str, version: &str) -> Wrapped {
    Wrapped {
        name: name.into(),
        version: version.into(),
        resource: Some(any(CLUSTER, name)),
        ..Default::default()
    }
}

fn clusters(nonce: &str, resources: Vec<Wrapped>) -> DeltaResponse {
    DeltaResponse { type_url: CLUSTER.into(), nonce: nonce.into(), resources, ..Default::default() }
}

fn take(client: &mut Client<Delta>, response: DeltaResponse, now: Instant) -> Option<String> {
    let received = client.receive(response, now);
    client.answer(received.unanswered, &[])
}

fn next(client: &mut Client<Delta>, now: Instant) -> DeltaDiscoveryRequest {
    client.next_request(now).expect("a request")
}

#[test]
fn the_wildcard_is_asked_for_without_names_and_spelled_out_once_a_name_joins_it() {
    let (mut client, now) = delta();
    let first = next(&mut client, now);
    assert!(first.node.is_some() && first.resource_names_subscribe.is_empty());
    client.want(CLUSTER, ["a"]);
    let second = next(&mut client, now);
    assert!(second.node.is_none(), "the node travels once a stream");
    assert_eq!(second.resource_names_subscribe, ["*", "a"]);
    client.want(CLUSTER, ["a"]);
    assert!(client.next_request(now).is_none(), "what is subscribed is not subscribed again");
    client.restart();
    assert_eq!(next(&mut client, now).resource_names_subscribe, ["*", "a"]);
}

#[test]
fn a_type_that_wants_nothing_is_not_opened() {
    let (mut client, now) = delta();
    next(&mut client, now);
    client.want(ENDPOINTS, ["a"]);
    client.unwant(ENDPOINTS, ["a"]);
    assert!(client.next_request(now).is_none());
}

#[test]
fn a_dropped_name_that_is_wanted_again_is_asked_for_again() {
    let (mut client, now) = delta();
    client.want(ENDPOINTS, ["a", "b"]);
    next(&mut client, now);
    next(&mut client, now);
    client.unwant(ENDPOINTS, ["a", "b"]);
    client.want(ENDPOINTS, ["a"]);
    let request = next(&mut client, now);
    assert_eq!(request.resource_names_subscribe, ["a"]);
    assert_eq!(request.resource_names_unsubscribe, ["b"]);
}

#[test]
fn wishes_go_before_the_ack_that_made_them() {
    let (mut client, now) = delta();
    next(&mut client, now);
    let received = client.receive(clusters("1", vec![resource("a", "v1")]), now);
    client.want(ENDPOINTS, ["a"]);
    assert_eq!(client.answer(received.unanswered, &[]), None);
    assert_eq!(next(&mut client, now).type_url, ENDPOINTS);
    let ack = next(&mut client, now);
    assert_eq!((ack.type_url.as_str(), ack.response_nonce.as_str()), (CLUSTER, "1"));
}

#[test]
fn duplicates_foreign_types_and_nameless_resources_are_refused_and_the_rest_applied() {
    let (mut client, now) = delta();
    next(&mut client, now);
    let mut foreign = resource("c", "v1");
    foreign.resource = Some(any(ROUTE, "c"));
    let all =
        vec![resource("a", "v1"), resource("a", "v2"), resource("b", "v1"), foreign, resource("", "v1")];
    let received = client.receive(clusters("1", all), now);
    let names: Vec<_> = received.added.iter().map(|r| (r.name.as_str(), r.version.as_str())).collect();
    assert_eq!(names, [("a", "v1"), ("b", "v1")]);
    let refused: Vec<_> = received.refused.iter().map(|refused| refused.name.as_str()).collect();
    assert_eq!(refused, ["a", "c"], "the subscriber hears of those that have a name");
    let nack = client.answer(received.unanswered, &[]).unwrap();
    assert!(
        nack.contains("a: appears twice") && nack.contains("without a name") && nack.contains("c: is a"),
        "{nack}"
    );
    let request = next(&mut client, now);
    assert_eq!(request.error_detail.unwrap().message, nack);
    client.restart();
    assert_eq!(next(&mut client, now).initial_resource_versions.len(), 2);
}

#[test]
fn a_refused_version_is_not_held_and_the_one_before_still_is() {
    let (mut client, now) = delta();
    next(&mut client, now);
    assert_eq!(take(&mut client, clusters("1", vec![resource("a", "v1")]), now), None);
    let received = client.receive(clusters("2", vec![resource("a", "v2"), resource("b", "v2")]), now);
    let no = |name: &str| Rejection { name: name.into(), message: "no".into() };
    client.answer(received.unanswered, &[no("a"), no("b")]);
    client.restart();
    let held = next(&mut client, now).initial_resource_versions;
    assert_eq!(held, [("a".to_owned(), "v1".to_owned())].into());
}

#[test]
fn an_answer_to_a_stream_that_is_gone_is_not_sent() {
    let (mut client, now) = delta();
    next(&mut client, now);
    let received = client.receive(clusters("1", vec![resource("a", "v1")]), now);
    client.restart();
    client.answer(received.unanswered, &[]);
    let first = next(&mut client, now);
    assert_eq!((first.response_nonce.as_str(), first.initial_resource_versions.len()), ("", 1));
    assert!(client.next_request(now).is_none());
}

#[test]
fn what_was_not_asked_for_is_neither_applied_nor_answered() {
    let (mut client, now) = delta();
    next(&mut client, now);
    let response = DeltaResponse { type_url: "a/unheard.of".into(), nonce: "1".into(), ..Default::default() };
    let received = client.receive(response, now);
    assert!(client.answer(received.unanswered, &[]).unwrap().contains("not asked for"));
    // For the server an answer would be the type's first request, and without names it would ask for everything.
    assert!(client.next_request(now).is_none());
}

#[test]
fn a_nack_loop_is_slowed_to_ten_a_second_after_a_hundred() {
    let (mut client, now) = delta();
    next(&mut client, now);
    let mut refuse = |at: Instant| {
        let received = client.receive(clusters("1", vec![resource("a", "v1")]), at);
        client.answer(received.unanswered, &[Rejection { name: "a".into(), message: "no".into() }]);
        let sent = client.next_request(at).is_some();
        (sent, client.deadline(at))
    };
    for _ in 0..100 {
        assert!(refuse(now).0);
    }
    let (sent, deadline) = refuse(now);
    assert!(!sent);
    let wait = deadline.unwrap() - now;
    assert!(wait > Duration::ZERO && wait <= Duration::from_millis(100), "{wait:?}");
    assert!(client.next_request(now + wait).is_some());
}

#[test]
fn a_heartbeat_renews_and_silence_removes() {
    let (mut client, now) = delta();
    next(&mut client, now);
    let ttl = Some(protobuf::Duration { seconds: 5, nanos: 0 });
    let living = Wrapped { ttl, ..resource("a", "v1") };
    take(&mut client, clusters("1", vec![living.clone()]), now);
    let heartbeat = Wrapped { resource: None, ..living };
    let later = now + Duration::from_secs(4);
    let received = client.receive(clusters("2", vec![heartbeat]), later);
    assert!(received.added.is_empty() && received.removed.is_empty());
    client.answer(received.unanswered, &[]);
    assert_eq!(client.expire(later + Duration::from_secs(4)), []);
    let expired = client.expire(later + Duration::from_secs(5));
    assert_eq!(expired, [Expired::Ttl { type_url: CLUSTER.into(), name: "a".into() }]);
    assert_eq!(client.held(CLUSTER).count(), 0);
}

fn sotw() -> (Client<StateOfTheWorld>, Instant) {
    let now = Instant::now();
    let mut client = Client::new(Default::default(), now);
    client.want_all(CLUSTER);
    client.restart();
    (client, now)
}

fn world(url: &str, nonce: &str, version: &str, resources: Vec<Body>) -> WorldResponse {
    WorldResponse { type_url: url.into(), nonce: nonce.into(), version_info: version.into(), resources }
}

#[test]
fn a_state_of_the_world_nack_carries_the_version_before_and_a_return_no_nonce() {
    let (mut client, now) = sotw();
    client.next_request(now).unwrap();
    let received = client.receive(world(CLUSTER, "1", "v1", vec![any(CLUSTER, "a")]), now);
    assert!(received.full);
    client.answer(received.unanswered, &[]);
    let ack = client.next_request(now).unwrap();
    assert_eq!((ack.version_info.as_str(), ack.response_nonce.as_str()), ("v1", "1"));
    let received = client.receive(world(CLUSTER, "2", "v2", vec![any(CLUSTER, "b")]), now);
    client.answer(received.unanswered, &[Rejection { name: "b".into(), message: "no".into() }]);
    let nack = client.next_request(now).unwrap();
    assert_eq!((nack.version_info.as_str(), nack.response_nonce.as_str()), ("v1", "2"));
    assert_eq!(nack.error_detail.unwrap().message, "b: no");
    let again = |client: &mut Client<StateOfTheWorld>| {
        client.restart();
        let request = client.next_request(now).unwrap();
        assert_eq!(request.response_nonce, "");
        request.version_info
    };
    // Part of v2 was taken, so what is held is no version at all.
    assert_eq!(again(&mut client), "");
    let received = client.receive(world(CLUSTER, "1", "v3", vec![any(CLUSTER, "b")]), now);
    client.answer(received.unanswered, &[]);
    assert_eq!(again(&mut client), "v3");
}

#[test]
fn a_name_that_does_not_come_within_fifteen_seconds_is_missing() {
    let (mut client, now) = sotw();
    client.want(ENDPOINTS, ["a", "b"]);
    while client.next_request(now).is_some() {}
    let received = client.receive(world(ENDPOINTS, "1", "v1", vec![any(ENDPOINTS, "a")]), now);
    assert!(!received.full, "absence means nothing here");
    client.answer(received.unanswered, &[]);
    client.next_request(now).unwrap();
    assert_eq!(client.deadline(now), Some(now + DOES_NOT_EXIST));
    let missing = Expired::Missing { type_url: ENDPOINTS.into(), name: "b".into() };
    assert_eq!(client.expire(now + DOES_NOT_EXIST), [missing]);
    assert_eq!(client.expire(now + 2 * DOES_NOT_EXIST), []);
}

#[test]
fn wrapped_resources_and_heartbeats_of_state_of_the_world_are_understood() {
    let (mut client, now) = sotw();
    client.next_request(now).unwrap();
    let wrap = |resource: Wrapped| Body {
        type_url: Resource::type_url(),
        value: prost::Message::encode_to_vec(&resource).into(),
    };
    let ttl = Some(protobuf::Duration { seconds: 5, nanos: 0 });
    let full = wrap(Wrapped { ttl, ..resource("a", "") });
    let received = client.receive(world(CLUSTER, "1", "v1", vec![full]), now);
    assert_eq!(received.added.first().map(|r| r.body.type_url.as_str()), Some(CLUSTER));
    client.answer(received.unanswered, &[]);
    let heartbeat = wrap(Wrapped { ttl, resource: None, ..resource("a", "") });
    let received = client.receive(world(CLUSTER, "2", "v1", vec![heartbeat]), now);
    assert!(!received.full && received.added.is_empty(), "a heartbeat is no list");
    client.answer(received.unanswered, &[]);
    assert_eq!(client.held(CLUSTER).count(), 1);
}
