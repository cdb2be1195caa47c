//! A client and a server with two pipes between them, and what a subscriber makes of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use forebay_proto::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use forebay_proto::type_url::{CLUSTER, ENDPOINTS, LISTENER, VIRTUAL_HOST};
use forebay_xds_wire::client::{self, Client, Rejection};
use forebay_xds_wire::{namespace, server};
use prost::Message;

use crate::catalog::{Body, Model};

/// What the test must see of a message.
pub(crate) trait Peek {
    fn nonce(&self) -> (String, String);
    fn resources(&self) -> usize;
}

macro_rules! peek {
    ($type:ty, $nonce:ident, $resources:expr) => {
        impl Peek for $type {
            fn nonce(&self) -> (String, String) {
                (self.type_url.clone(), self.$nonce.clone())
            }
            fn resources(&self) -> usize {
                let count: fn(&$type) -> usize = $resources;
                count(self)
            }
        }
    };
}

peek!(DeltaDiscoveryRequest, response_nonce, |_| 0);
peek!(DiscoveryRequest, response_nonce, |_| 0);
peek!(DeltaDiscoveryResponse, nonce, |r| r.resources.len());
peek!(DiscoveryResponse, nonce, |r| r.resources.len());

pub(crate) struct Peers<C: client::Variant, S: server::Variant> {
    pub(crate) catalog: Model,
    client: Client<C>,
    server: server::Stream<S>,
    up: VecDeque<C::Request>,
    down: VecDeque<S::Response>,
    now: Instant,
    /// What the subscriber runs on.
    view: BTreeMap<(String, String), u8>,
    wanted: BTreeSet<String>,
    refuses: bool,
    delivered: BTreeSet<(String, String)>,
    answered: BTreeSet<(String, String)>,
    resources_sent: BTreeMap<String, usize>,
    pub(crate) hosts_without_cluster: Vec<String>,
}

impl<C, S> Peers<C, S>
where
    C: client::Variant<Request: Peek + Clone, Response: Message + Default>,
    S: server::Variant<Request = C::Request, Response: Message + Peek + Clone>,
{
    pub(crate) fn new(refuses: bool) -> Self {
        let now = Instant::now();
        let mut client = Client::new(Default::default(), now);
        client.want_all(CLUSTER);
        client.want_all(LISTENER);
        if C::DELTA {
            client.want(VIRTUAL_HOST, ["s"]);
        }
        client.restart();
        Self {
            catalog: Model::default(),
            client,
            server: server::Stream::new(),
            up: VecDeque::new(),
            down: VecDeque::new(),
            now,
            view: BTreeMap::new(),
            wanted: BTreeSet::new(),
            refuses,
            delivered: BTreeSet::new(),
            answered: BTreeSet::new(),
            resources_sent: BTreeMap::new(),
            hosts_without_cluster: Vec::new(),
        }
    }

    pub(crate) fn want(&mut self, type_url: &str, name: &str) {
        self.wanted.insert(name.to_owned());
        self.client.want(type_url, [name]);
    }

    pub(crate) fn unwant(&mut self, type_url: &str, name: &str) {
        self.wanted.remove(name);
        self.client.unwant(type_url, [name]);
        self.view.remove(&(type_url.to_owned(), name.to_owned()));
    }

    /// Resources sent so far, of these types.
    pub(crate) fn sent_of(&self, types: &[&str]) -> usize {
        types.iter().filter_map(|url| self.resources_sent.get(*url)).sum()
    }

    pub(crate) fn pause(&mut self, ms: u16) {
        self.now += Duration::from_millis(ms.into());
    }

    pub(crate) fn cut(&mut self) {
        self.up.clear();
        self.down.clear();
        self.server = server::Stream::new();
        self.client.restart();
        self.delivered.clear();
        self.answered.clear();
    }

    pub(crate) fn move_one(&mut self, which: u8) {
        match which {
            0 => _ = self.client_sends(),
            1 => _ = self.server_receives(),
            2 => _ = self.server_sends(),
            _ => _ = self.client_receives(),
        }
    }

    fn client_sends(&mut self) -> bool {
        let request = self.client.next_request(self.now);
        let sent = request.is_some();
        self.up.extend(request);
        sent
    }

    fn server_receives(&mut self) -> bool {
        let Some(request) = self.up.pop_front() else { return false };
        let nonce = request.nonce();
        if !nonce.1.is_empty() {
            assert!(self.delivered.contains(&nonce), "an answer to what was never delivered: {nonce:?}");
            let new = self.answered.insert(nonce.clone());
            // In state of the world a spontaneous request names the last nonce again.
            assert!(new || !C::DELTA, "answered twice: {nonce:?}");
        }
        self.server.receive(request, &self.catalog, self.now).unwrap();
        true
    }

    fn server_sends(&mut self) -> bool {
        let Some(response) = self.server.poll(&self.catalog, self.now).unwrap() else { return false };
        *self.resources_sent.entry(response.message.nonce().0).or_default() += response.message.resources();
        self.down.push_back(response.message);
        true
    }

    fn client_receives(&mut self) -> bool {
        let Some(sent) = self.down.pop_front() else { return false };
        assert!(self.delivered.insert(sent.nonce()), "a nonce was used twice");
        let response = C::Response::decode(sent.encode_to_vec().as_slice()).unwrap();
        let received = self.client.receive(response, self.now);
        let url = received.type_url.clone();
        let mut rejected = Vec::new();
        let mut wishes = (Vec::new(), Vec::new());
        if received.full {
            let listed: BTreeSet<_> = received.added.iter().map(|r| r.name.clone()).collect();
            self.view.retain(|(t, name), _| *t != url || listed.contains(name));
        }
        for resource in &received.added {
            let body = Body::decode(&*resource.body.value).unwrap();
            assert_eq!(body.name, resource.name);
            let number = u8::try_from(body.number).unwrap();
            if self.refused(number) {
                rejected.push(Rejection { name: resource.name.clone(), message: "no".into() });
                continue;
            }
            if !self.refuses && url == CLUSTER {
                wishes.0.push(resource.name.clone());
            }
            self.view.insert((url.clone(), resource.name.clone()), number);
        }
        for name in &received.removed {
            self.view.remove(&(url.clone(), name.clone()));
            if !self.refuses && url == CLUSTER {
                wishes.1.push(name.clone());
            }
        }
        wishes.1.iter().for_each(|name| self.unwant(ENDPOINTS, name));
        wishes.0.iter().for_each(|name| self.want(ENDPOINTS, name));
        let nack = self.client.answer(received.unanswered, &rejected);
        assert_eq!(nack.is_some(), !rejected.is_empty(), "{nack:?}");
        self.look_at_hosts();
        true
    }

    /// Every fourth number does not please this subscriber.
    fn refused(&self, number: u8) -> bool {
        self.refuses && number % 4 == 3
    }

    fn look_at_hosts(&mut self) {
        for (url, name) in self.view.keys().filter(|(url, _)| url == VIRTUAL_HOST) {
            let cluster = name.replace("s/", "n");
            if !self.view.contains_key(&(CLUSTER.to_owned(), cluster)) {
                self.hosts_without_cluster.push(format!("{url} {name}"));
            }
        }
    }

    /// Lets everything run until nothing is said any more, not even after a long time.
    pub(crate) fn settle(&mut self) {
        let mut messages = 0;
        let mut silence = 0;
        while silence < 40 {
            let moved =
                [self.client_sends(), self.server_receives(), self.server_sends(), self.client_receives()];
            if moved.contains(&true) {
                silence = 0;
                messages += 1;
                assert!(messages < 2_000, "they never stop talking");
            } else {
                silence += 1;
                self.now += Duration::from_secs(1);
                self.client.expire(self.now);
            }
        }
        assert_eq!(self.delivered, self.answered, "every response is answered");
    }

    /// Whatever is subscribed and acceptable is in use as the catalog has it.
    pub(crate) fn check_agreement(&self, types: &[&str]) {
        for url in types {
            let numbers = self.numbers(url);
            let covered = |name: &str| match *url {
                ENDPOINTS => self.wanted.contains(name),
                VIRTUAL_HOST => namespace(name) == Some("s"),
                _ => true,
            };
            for (name, number) in numbers.iter().filter(|(name, _)| covered(name)) {
                let held = self.view.get(&((*url).to_owned(), name.clone()));
                if !self.refused(*number) {
                    assert_eq!(held, Some(number), "{url} {name}");
                }
            }
            // State of the world never says that endpoints are gone.
            let told_gone = C::DELTA || *url != ENDPOINTS;
            for ((_, name), number) in self.view.iter().filter(|((t, _), _)| t == url && told_gone) {
                assert!(numbers.contains_key(name), "{url} {name} = {number} was removed");
            }
        }
    }

    fn numbers(&self, type_url: &str) -> BTreeMap<String, u8> {
        let of_type = self.catalog.live.iter().filter(|((t, _), _)| t == type_url);
        of_type.map(|((_, name), stored)| (name.clone(), stored.number)).collect()
    }

    /// How many resources the catalog has that this subscriber asked for and refuses.
    pub(crate) fn refused_now(&self, types: &[&str]) -> usize {
        let refused = |url: &str| {
            let numbers = self.numbers(url);
            let asked = |name: &str| url != ENDPOINTS || self.wanted.contains(name);
            numbers.iter().filter(|(name, number)| self.refused(**number) && asked(name)).count()
        };
        types.iter().map(|url| refused(url)).sum()
    }
}
