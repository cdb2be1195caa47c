//! The control plane dies and comes back while requests flow.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use forebay_proto::type_url;

use super::backend::Backend;
use super::resources::{self, forward, host, route};
use super::world::{to, until};

#[test]
fn no_request_fails_nothing_is_sent_again_and_the_next_change_holds() {
    let backend = Backend::echoing_path();
    let mut world = to(&[backend.address]).workers(2).start();
    let (stop, served) = (AtomicBool::new(false), AtomicU64::new(0));
    let address = world.address;
    std::thread::scope(|scope| {
        let stopping = Stop(&stop);
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = super::client::Client::connect(address);
                while !stop.load(Ordering::Relaxed) {
                    let response = client.get("/flow");
                    assert_eq!((response.status, response.text()), (200, response.text()));
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        until("requests flow", || served.load(Ordering::Relaxed) > 50);
        world.kill_control_plane();
        let before = served.load(Ordering::Relaxed);
        until("requests flow without a control plane", || served.load(Ordering::Relaxed) > before + 200);
        world.restart_control_plane();
        until("the stream stands", || !world.control.store.subscribers().is_empty());
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(world.control.store.traffic().resources, 0, "what is known is not sent again");
        let second = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nnew");
        world.set_endpoints(&[second.address]);
        until("the change holds", || world.connect().get("/").text() == "new");
        assert_eq!(world.control.store.traffic().resources, 1, "only what changed was sent");
        let before = served.load(Ordering::Relaxed);
        until("requests flow", || served.load(Ordering::Relaxed) > before + 50);
        drop(stopping);
    });
}

/// Ends the clients, whatever happens.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_refused_change_leaves_what_was() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).start();
    let mut broken = resources::cluster("backend", None, false);
    broken.cluster_discovery_type = None;
    broken.load_assignment = None;
    broken.eds_cluster_config = None;
    broken.lb_policy = 99;
    world.control.store.set(type_url::CLUSTER, "backend", &broken);
    until("it was refused", || world.admin("GET", "/config_dump").contains("\"error_state\""));
    assert_eq!(world.connect().get("/still").text(), "/still");
}

#[test]
fn statistics_go_with_their_cluster() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).start();
    world.connect().get("/");
    assert_eq!(world.stat("cluster.backend.upstream_rq_total"), 1);
    world.set_hosts(vec![host("all", "*", vec![route("/", forward("other"))])]);
    world.control.store.remove(type_url::CLUSTER, "backend");
    until("the cluster is gone", || !world.admin("GET", "/clusters").contains("backend::"));
    until("and its statistics", || !world.admin("GET", "/stats").contains("cluster.backend."));
}
