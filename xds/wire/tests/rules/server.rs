use std::time::{Duration, Instant};

use forebay_proto::envoy::config::core::v3::Node;
use forebay_proto::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use forebay_proto::google::rpc::Status;
use forebay_proto::type_url::{CLUSTER, ENDPOINTS, LISTENER, ROUTE, VIRTUAL_HOST};
use forebay_xds_wire::server::{
    CHUNK, CHUNK_OF_HOSTS, Delta, HOLD, RETURN, Refusal, StateOfTheWorld, Stream, Variant, Verdict,
};

use crate::catalog::Model;

fn subscribe(url: &str, names: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: url.into(),
        resource_names_subscribe: names.iter().map(|n| (*n).to_owned()).collect(),
        ..Default::default()
    }
}

fn ack(url: &str, nonce: &str) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest { type_url: url.into(), response_nonce: nonce.into(), ..Default::default() }
}

fn names(response: &DeltaDiscoveryResponse) -> Vec<&str> {
    response.resources.iter().map(|r| r.name.as_str()).collect()
}

fn poll<V: Variant>(stream: &mut Stream<V>, model: &Model, now: Instant) -> Option<V::Response> {
    stream.poll(model, now).unwrap().map(|r| r.message)
}

#[test]
fn unknown_names_are_said_to_be_missing_and_known_ones_are_sent_again_when_subscribed_again() {
    let (mut stream, mut model, now) = (Stream::<Delta>::new(), Model::default(), Instant::now());
    model.set(ENDPOINTS, "a", 1);
    stream.receive(subscribe(ENDPOINTS, &["a", "b"]), &model, now).unwrap();
    let first = poll(&mut stream, &model, now).unwrap();
    assert_eq!((names(&first), first.removed_resources.as_slice()), (vec!["a"], ["b".to_owned()].as_slice()));
    stream.receive(ack(ENDPOINTS, &first.nonce), &model, now).unwrap();
    assert!(poll(&mut stream, &model, now).is_none());
    stream.receive(subscribe(ENDPOINTS, &["a"]), &model, now).unwrap();
    assert_eq!(names(&poll(&mut stream, &model, now).unwrap()), ["a"]);
}

#[test]
fn one_response_of_a_type_waits_for_its_answer_and_what_changes_meanwhile_is_merged() {
    let (mut stream, mut model, now) = (Stream::<Delta>::new(), Model::default(), Instant::now());
    stream.receive(subscribe(CLUSTER, &[]), &model, now).unwrap();
    let greeting = poll(&mut stream, &model, now).unwrap();
    assert!(greeting.resources.is_empty(), "there is nothing, and the client must know");
    for number in 1..9 {
        model.set(CLUSTER, "a", number);
        assert!(poll(&mut stream, &model, now).is_none());
    }
    model.set(CLUSTER, "b", 1);
    stream.receive(ack(CLUSTER, "no such nonce"), &model, now).unwrap();
    assert!(poll(&mut stream, &model, now).is_none(), "that answered nothing");
    stream.receive(ack(CLUSTER, &greeting.nonce), &model, now).unwrap();
    assert_eq!(names(&poll(&mut stream, &model, now).unwrap()), ["a", "b"]);
}

#[test]
fn a_stale_nonce_still_subscribes() {
    let (mut stream, mut model, now) = (Stream::<Delta>::new(), Model::default(), Instant::now());
    model.set(ENDPOINTS, "a", 1);
    model.set(ENDPOINTS, "b", 1);
    stream.receive(subscribe(ENDPOINTS, &["a"]), &model, now).unwrap();
    let first = poll(&mut stream, &model, now).unwrap();
    let stale = DeltaDiscoveryRequest { response_nonce: "old".into(), ..subscribe(ENDPOINTS, &["b"]) };
    stream.receive(stale, &model, now).unwrap();
    stream.receive(ack(ENDPOINTS, &first.nonce), &model, now).unwrap();
    assert_eq!(names(&poll(&mut stream, &model, now).unwrap()), ["b"]);
}

#[test]
fn envoy_gets_virtual_hosts_in_few_large_responses_and_others_in_small_ones() {
    let responses = |agent: &str| {
        let (mut stream, mut model, now) = (Stream::<Delta>::new(), Model::default(), Instant::now());
        let hosts = CHUNK_OF_HOSTS / 40;
        for number in 0..hosts {
            model.set(VIRTUAL_HOST, &format!("services/a-host-with-a-name-of-some-length-{number:05}"), 1);
        }
        let node = Node { user_agent_name: agent.to_owned(), ..Node::default() };
        let request = DeltaDiscoveryRequest { node: Some(node), ..subscribe(VIRTUAL_HOST, &["services"]) };
        stream.receive(request, &model, now).unwrap();
        let (mut count, mut found) = (0, 0);
        while let Some(response) = poll(&mut stream, &model, now) {
            (count, found) = (count + 1, found + response.resources.len());
            stream.receive(ack(VIRTUAL_HOST, &response.nonce), &model, now).unwrap();
        }
        assert_eq!(found, hosts);
        count
    };
    let (envoy, other) = (responses("envoy"), responses("forebay"));
    assert!(envoy <= 3 && other >= envoy * (CHUNK_OF_HOSTS / CHUNK) / 2, "{envoy} and {other}");
}

#[test]
fn virtual_hosts_come_for_their_namespace_and_for_no_name_at_all() {
    for names_given in [&["services"][..], &[]] {
        let (mut stream, mut model, now) = (Stream::<Delta>::new(), Model::default(), Instant::now());
        model.set(VIRTUAL_HOST, "services/a", 1);
        if !names_given.is_empty() {
            model.set(VIRTUAL_HOST, "others/a", 1);
        }
        stream.receive(subscribe(VIRTUAL_HOST, names_given), &model, now).unwrap();
        let first = poll(&mut stream, &model, now).unwrap();
        assert_eq!(names(&first), ["services/a"]);
        stream.receive(ack(VIRTUAL_HOST, &first.nonce), &model, now).unwrap();
        model.set(VIRTUAL_HOST, "services/b", 1);
        let second = poll(&mut stream, &model, now).unwrap();
        assert_eq!(names(&second), ["services/b"]);
        stream.receive(ack(VIRTUAL_HOST, &second.nonce), &model, now).unwrap();
        model.remove(VIRTUAL_HOST, "services/a");
        assert_eq!(poll(&mut stream, &model, now).unwrap().removed_resources, ["services/a"]);
    }
}

#[test]
fn who_comes_back_is_told_what_differs_and_later_what_is_gone() {
    let (mut stream, mut model, now) = (Stream::<Delta>::new(), Model::default(), Instant::now());
    model.set(CLUSTER, "same", 1);
    model.set(CLUSTER, "changed", 2);
    let held = [("same", "1"), ("changed", "1"), ("gone", "1")];
    let version = |v: &str| format!("{:016x}", v.parse::<u64>().unwrap());
    let request = DeltaDiscoveryRequest {
        initial_resource_versions: held.map(|(name, v)| (name.to_owned(), version(v))).into(),
        ..subscribe(CLUSTER, &[])
    };
    stream.receive(request, &model, now).unwrap();
    let first = poll(&mut stream, &model, now).unwrap();
    assert_eq!((names(&first), first.removed_resources.len()), (vec!["changed"], 0));
    stream.receive(ack(CLUSTER, &first.nonce), &model, now).unwrap();
    assert!(poll(&mut stream, &model, now).is_none());
    assert_eq!(stream.deadline(now), Some(now + RETURN));
    assert_eq!(poll(&mut stream, &model, now + RETURN).unwrap().removed_resources, ["gone"]);
}

#[test]
fn routes_wait_for_the_answer_of_clusters_but_not_for_ever() {
    let (mut stream, mut model, now) = (Stream::<Delta>::new(), Model::default(), Instant::now());
    stream.receive(subscribe(CLUSTER, &[]), &model, now).unwrap();
    stream.receive(subscribe(ROUTE, &["r"]), &model, now).unwrap();
    model.set(ROUTE, "r", 1);
    model.set(CLUSTER, "c", 1);
    let clusters = poll(&mut stream, &model, now).unwrap();
    assert_eq!(clusters.type_url, CLUSTER);
    assert!(poll(&mut stream, &model, now).is_none());
    assert_eq!(stream.deadline(now), Some(now + HOLD));
    let routes = poll(&mut stream, &model, now + HOLD).unwrap();
    assert_eq!(names(&routes), ["r"], "a client that does not answer holds nobody back for ever");
}

#[test]
fn a_removed_cluster_stays_until_the_routes_that_named_it_were_answered() {
    let (mut stream, mut model, now) = (Stream::<Delta>::new(), Model::default(), Instant::now());
    model.set(CLUSTER, "c", 1);
    model.set(ROUTE, "r", 1);
    stream.receive(subscribe(CLUSTER, &[]), &model, now).unwrap();
    stream.receive(subscribe(ROUTE, &["r"]), &model, now).unwrap();
    while let Some(response) = poll(&mut stream, &model, now) {
        stream.receive(ack(&response.type_url, &response.nonce), &model, now).unwrap();
    }
    model.set(ROUTE, "r", 2);
    model.remove(CLUSTER, "c");
    let routes = poll(&mut stream, &model, now).unwrap();
    assert_eq!(routes.type_url, ROUTE);
    assert!(poll(&mut stream, &model, now).is_none());
    stream.receive(ack(ROUTE, &routes.nonce), &model, now).unwrap();
    assert_eq!(poll(&mut stream, &model, now).unwrap().removed_resources, ["c"]);
}

#[test]
fn a_nack_is_an_answer_and_names_what_was_in_the_response() {
    let (mut stream, mut model, now) = (Stream::<Delta>::new(), Model::default(), Instant::now());
    model.set(CLUSTER, "a", 1);
    stream.receive(subscribe(CLUSTER, &[]), &model, now).unwrap();
    let response = poll(&mut stream, &model, now).unwrap();
    let error = Status { code: 3, message: "a: no".into(), details: Vec::new() };
    let nack = DeltaDiscoveryRequest { error_detail: Some(error), ..ack(CLUSTER, &response.nonce) };
    let answered = stream.receive(nack, &model, now).unwrap().unwrap();
    assert_eq!(answered.verdict, Verdict::Nack { message: "a: no".into() });
    assert_eq!(answered.names, [Box::from("a")]);
    assert!(poll(&mut stream, &model, now).is_none(), "the same content is not sent again");
    assert!(stream.positions().all(|p| p.answered == 1));
}

#[test]
fn a_request_without_a_type_ends_the_stream() {
    let (mut stream, model, now) = (Stream::<Delta>::new(), Model::default(), Instant::now());
    assert_eq!(stream.receive(subscribe("", &[]), &model, now), Err(Refusal::NoType));
}

#[test]
fn a_dropped_name_under_a_wildcard_is_answered_and_without_one_it_is_not() {
    let (mut stream, mut model, now) = (Stream::<Delta>::new(), Model::default(), Instant::now());
    model.set(CLUSTER, "a", 1);
    stream.receive(subscribe(CLUSTER, &["*", "a"]), &model, now).unwrap();
    let first = poll(&mut stream, &model, now).unwrap();
    stream.receive(ack(CLUSTER, &first.nonce), &model, now).unwrap();
    let drop = |name: &str| DeltaDiscoveryRequest {
        resource_names_unsubscribe: vec![name.to_owned()],
        ..subscribe(CLUSTER, &[])
    };
    stream.receive(drop("a"), &model, now).unwrap();
    let told = poll(&mut stream, &model, now).unwrap();
    assert_eq!(names(&told), ["a"]);
    stream.receive(ack(CLUSTER, &told.nonce), &model, now).unwrap();
    stream.receive(drop("*"), &model, now).unwrap();
    model.set(CLUSTER, "a", 2);
    assert!(poll(&mut stream, &model, now).is_none());
}

fn ask(url: &str, names: &[&str], version: &str, nonce: &str) -> DiscoveryRequest {
    DiscoveryRequest {
        type_url: url.into(),
        resource_names: names.iter().map(|n| (*n).to_owned()).collect(),
        version_info: version.into(),
        response_nonce: nonce.into(),
        ..Default::default()
    }
}

fn accept(stream: &mut Stream<StateOfTheWorld>, model: &Model, response: &DiscoveryResponse, names: &[&str]) {
    let request = ask(&response.type_url, names, &response.version_info, &response.nonce);
    stream.receive(request, model, Instant::now()).unwrap();
}

#[test]
fn state_of_the_world_lists_clusters_in_full_and_endpoints_as_they_change() {
    let (mut stream, mut model, now) = (Stream::<StateOfTheWorld>::new(), Model::default(), Instant::now());
    for name in ["a", "b"] {
        model.set(CLUSTER, name, 1);
        model.set(ENDPOINTS, name, 1);
    }
    stream.receive(ask(CLUSTER, &[], "", ""), &model, now).unwrap();
    let clusters = poll(&mut stream, &model, now).unwrap();
    assert_eq!(clusters.resources.len(), 2);
    accept(&mut stream, &model, &clusters, &[]);
    stream.receive(ask(ENDPOINTS, &["a", "b"], "", ""), &model, now).unwrap();
    let endpoints = poll(&mut stream, &model, now).unwrap();
    assert_eq!(endpoints.resources.len(), 2);
    accept(&mut stream, &model, &endpoints, &["a", "b"]);

    model.set(CLUSTER, "a", 2);
    model.set(ENDPOINTS, "a", 2);
    let clusters = poll(&mut stream, &model, now).unwrap();
    assert_eq!((clusters.type_url.as_str(), clusters.resources.len()), (CLUSTER, 2));
    let endpoints = poll(&mut stream, &model, now).unwrap();
    assert_eq!((endpoints.type_url.as_str(), endpoints.resources.len()), (ENDPOINTS, 1));
    accept(&mut stream, &model, &endpoints, &["a", "b"]);

    // The same wish again, answering nothing: a re-created cluster wants its endpoints again.
    accept(&mut stream, &model, &endpoints, &["a", "b"]);
    assert_eq!(poll(&mut stream, &model, now).unwrap().resources.len(), 2);
}

#[test]
fn a_stale_state_of_the_world_request_answers_nothing_but_its_names_count() {
    let (mut stream, mut model, now) = (Stream::<StateOfTheWorld>::new(), Model::default(), Instant::now());
    model.set(ENDPOINTS, "a", 1);
    model.set(ENDPOINTS, "b", 1);
    stream.receive(ask(ENDPOINTS, &["a", "b"], "", ""), &model, now).unwrap();
    let first = poll(&mut stream, &model, now).unwrap();
    stream.receive(ask(ENDPOINTS, &["b"], "", "older"), &model, now).unwrap();
    assert!(poll(&mut stream, &model, now).is_none());
    // The client let go of `a` and wants it again.
    accept(&mut stream, &model, &first, &["a", "b"]);
    assert_eq!(poll(&mut stream, &model, now).unwrap().resources.len(), 1);
}

#[test]
fn the_current_version_of_a_whole_list_is_known_again_by_another_server() {
    let (mut model, now) = (Model::default(), Instant::now());
    model.set(LISTENER, "a", 1);
    model.set(LISTENER, "b", 1);
    let mut stream = Stream::<StateOfTheWorld>::new();
    stream.receive(ask(LISTENER, &[], "", ""), &model, now).unwrap();
    let version = poll(&mut stream, &model, now).unwrap().version_info;
    // Another history, the same content.
    let mut model = Model::default();
    model.set(LISTENER, "b", 1);
    model.set(LISTENER, "a", 2);
    model.set(LISTENER, "a", 1);
    let mut stream = Stream::<StateOfTheWorld>::new();
    stream.receive(ask(LISTENER, &[], &version, ""), &model, now).unwrap();
    assert!(poll(&mut stream, &model, now + Duration::from_secs(1)).is_none());
    model.set(LISTENER, "a", 3);
    assert_eq!(poll(&mut stream, &model, now).unwrap().resources.len(), 2);
}
