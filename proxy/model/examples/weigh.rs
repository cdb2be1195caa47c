//! What configuration costs, in time and memory: `cargo run --release -p forebay-model --example weigh [hosts]`.
//! Prints numbers; judging them is the reader's.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for developers")]

use std::time::{Duration, Instant};

use forebay_knative::RevisionKey;
use forebay_knative::api::RevisionState;
use forebay_knative::manifest;
use forebay_knative::world::Config;
use forebay_model::{Model, Resource};
use forebay_proto::envoy::config::route::v3::{RouteConfiguration, VirtualHost};
use forebay_proto::envoy::service::discovery::v3::{DeltaDiscoveryResponse, Resource as Envelope};
use forebay_proto::{Any, Body, type_url};
use forebay_xds_control::translate::{Settings, cluster_name};
use forebay_xds_control::{Control, Event};
use forebay_xds_server::Store;
use prost::Message;

/// The binary's own allocator: half of what is measured here is its work.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next() {
        Some(file) if file.ends_with(".pb") => weigh(&file),
        many => prepare(many.map_or(10_000, |n| n.parse().unwrap())),
    }
}

/// Makes the resources and weighs them in a process of their own, whose memory has held nothing else.
fn prepare(many: usize) {
    println!("{many} cold revisions");
    let file = std::env::temp_dir().join(format!("weigh-{}.pb", std::process::id()));
    std::fs::write(&file, resources(many).encode()).unwrap();
    let status = std::process::Command::new(std::env::current_exe().unwrap()).arg(&file).status().unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(status.success());
}

fn weigh(file: &str) {
    let all = All::decode(&std::fs::read(file).unwrap());
    one_by_one(&all);
    inline(&all);
}

/// Resources of one type: name and body.
type Resources = Vec<(String, Body)>;

#[derive(Default)]
struct All {
    gateway: Resources,
    routes: Resources,
    clusters: Resources,
    endpoints: Resources,
    hosts: Resources,
}

impl All {
    fn encode(&self) -> Vec<u8> {
        let lists = [&self.gateway, &self.routes, &self.clusters, &self.endpoints, &self.hosts];
        let resource = |(name, body): &(String, Body)| Envelope {
            name: name.clone(),
            resource: Some(Any { type_url: body.type_url.clone(), value: body.value.to_vec() }),
            ..Default::default()
        };
        let resources = lists.into_iter().flatten().map(resource).collect();
        DeltaDiscoveryResponse { resources, ..Default::default() }.encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Self {
        let mut all = All::default();
        for envelope in DeltaDiscoveryResponse::decode(bytes).unwrap().resources {
            let body = envelope.resource.unwrap();
            let list = match body.type_url.as_str() {
                type_url::LISTENER => &mut all.gateway,
                type_url::ROUTE => &mut all.routes,
                type_url::CLUSTER => &mut all.clusters,
                type_url::ENDPOINTS => &mut all.endpoints,
                _ => &mut all.hosts,
            };
            list.push((envelope.name, body.into()));
        }
        all
    }
}

/// What the control plane makes of so many Services at zero.
fn resources(many: usize) -> All {
    let now = std::time::SystemTime::now();
    let settings = Settings {
        report: Some("ws://127.0.0.1:4321".into()),
        ..Settings::new(vec!["127.0.0.1:0".parse().unwrap()])
    };
    let mut control = Control::new(Config::default(), settings, Store::new());
    let text: String = (0..many)
        .map(|index| {
            format!(
                "---\napiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {{name: service-{index}}}\n\
                 spec: {{template: {{spec: {{containers: [{{image: example.com/hello}}]}}}}}}\n"
            )
        })
        .collect();
    let documents = manifest::parse(&text).unwrap();
    let path = std::path::Path::new("all.yaml").into();
    let from = Instant::now();
    control.apply_source(Event::File { path, text: text.into(), documents }, now);
    let keys: Vec<_> =
        (0..many).map(|index| RevisionKey::new("default", format!("service-{index}-00001"))).collect();
    for key in &keys {
        control.revision_state(key, RevisionState::Ready, now);
    }
    println!("control plane: {:?} for all", from.elapsed());
    let store = control.store();
    let get = |url: &str, name: String| {
        let value = store.encoded(url, &name).unwrap_or_else(|| panic!("no {name}"));
        (name, Body { type_url: url.to_owned(), value: value.into() })
    };
    All {
        gateway: vec![get(type_url::LISTENER, "gateway".to_owned())],
        routes: vec![get(type_url::ROUTE, "services".to_owned())],
        clusters: keys.iter().map(|key| get(type_url::CLUSTER, cluster_name(key))).collect(),
        endpoints: keys.iter().map(|key| get(type_url::ENDPOINTS, cluster_name(key))).collect(),
        hosts: (0..many)
            .map(|i| get(type_url::VIRTUAL_HOST, format!("services/default.service-{i}")))
            .collect(),
    }
}

fn apply(model: &mut Model, url: &str, resources: &Resources) -> Duration {
    let added: Vec<_> = resources.iter().map(|(name, body)| Resource { name, version: "1", body }).collect();
    let from = Instant::now();
    let applied = model.apply(url, false, &added, &[], from);
    let took = from.elapsed();
    assert!(applied.rejected.is_empty(), "{:?}", applied.rejected);
    took
}

fn one_by_one(all: &All) {
    let many = all.hosts.len();
    let mut model = Model::new();
    apply(&mut model, type_url::LISTENER, &all.gateway);
    apply(&mut model, type_url::ROUTE, &all.routes);
    let before = resident();
    println!("clusters: {:?}", apply(&mut model, type_url::CLUSTER, &all.clusters));
    println!("endpoints: {:?}", apply(&mut model, type_url::ENDPOINTS, &all.endpoints));
    println!("virtual hosts (VHDS): {:?}", apply(&mut model, type_url::VIRTUAL_HOST, &all.hosts));
    println!("the same again: {:?}", apply(&mut model, type_url::VIRTUAL_HOST, &all.hosts));
    let lists = [&all.clusters, &all.endpoints, &all.hosts];
    let original: usize = lists.into_iter().flatten().map(|(_, body)| body.value.len()).sum();
    let each = (resident() - before) / many;
    println!("memory: {each} bytes each, of which {} are the original resources", original / many);
    let mut total = Duration::ZERO;
    let rounds = 1000.min(many);
    for index in 0..rounds {
        let (name, body) = &all.hosts[index];
        let mut host = VirtualHost::decode(&*body.value).unwrap();
        host.domains.push(format!("more-{index}.test"));
        let changed = (name.clone(), Body { value: host.encode_to_vec().into(), ..body.clone() });
        total += apply(&mut model, type_url::VIRTUAL_HOST, &vec![changed]);
    }
    println!("one changed virtual host: {:?}", total / rounds as u32);
}

/// All hosts in one RouteConfiguration, as Kourier sends them: 1 KiB each, so that 10,000 are 10 MB.
fn inline(all: &All) {
    let hosts: Vec<VirtualHost> = all
        .hosts
        .iter()
        .map(|(_, body)| {
            let mut host = VirtualHost::decode(&*body.value).unwrap();
            let route = host.routes[0].clone();
            while host.encoded_len() < 1000 {
                host.routes.push(route.clone());
            }
            host
        })
        .collect();
    let config = |hosts: Vec<VirtualHost>| {
        let config =
            RouteConfiguration { name: "services".to_owned(), virtual_hosts: hosts, ..Default::default() };
        vec![(
            "services".to_owned(),
            Body { type_url: type_url::ROUTE.to_owned(), value: config.encode_to_vec().into() },
        )]
    };
    let mut model = Model::new();
    apply(&mut model, type_url::LISTENER, &all.gateway);
    let first = config(hosts.clone());
    println!(
        "inline RDS of {} MB: {:?}",
        first[0].1.value.len() / 1_000_000,
        apply(&mut model, type_url::ROUTE, &first)
    );
    let mut changed = hosts;
    changed[0].domains.push("more.test".to_owned());
    changed.reverse();
    println!(
        "with one host changed, in another order: {:?}",
        apply(&mut model, type_url::ROUTE, &config(changed))
    );
}

/// Bytes of memory in use, as the system counts them.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize =
        statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    pages * 4096
}
