use std::io::Read;
use std::net::TcpStream as Client;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;
use crate::listener::{Bound, Options};

fn acceptor(limit: usize) -> (Acceptor, SocketAddr) {
    let mut bound = Bound::bind("127.0.0.1:0".parse().unwrap(), 1, Options::default()).unwrap();
    let acceptor = Acceptor::new(bound.sockets.remove(0), Limit::new(limit)).unwrap();
    (acceptor, bound.address)
}

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), work).await.unwrap() });
}

#[test]
fn hands_out_connections_with_their_addresses() {
    run(async {
        let (mut acceptor, address) = acceptor(10);
        let client = Client::connect(address).unwrap();
        let accepted = acceptor.accept().await.unwrap();
        assert_eq!(accepted.peer, client.local_addr().unwrap());
        assert_eq!(accepted.stream.local_addr().unwrap(), acceptor.local());
        assert!(accepted.stream.nodelay().unwrap());
    });
}

#[test]
fn closes_what_is_too_much_and_takes_on_again_when_a_place_is_free() {
    run(async {
        let (mut acceptor, address) = acceptor(1);
        let _first = Client::connect(address).unwrap();
        let held = acceptor.accept().await.unwrap();
        let mut second = Client::connect(address).unwrap();
        match acceptor.accept().await {
            Err(Refused::Limit { peer }) => assert_eq!(peer, second.local_addr().unwrap()),
            other => panic!("{other:?}"),
        }
        assert_eq!(second.read(&mut [0; 1]).unwrap(), 0, "the client is told at once");
        drop(held);
        let _third = Client::connect(address).unwrap();
        assert!(acceptor.accept().await.is_ok());
    });
}

#[test]
fn what_waits_in_the_queue_can_be_had_at_the_end() {
    run(async {
        let (mut acceptor, address) = acceptor(2);
        let clients: Vec<Client> = (0..3).map(|_| Client::connect(address).unwrap()).collect();
        let found = acceptor.leftover();
        assert_eq!(found.iter().filter(|one| one.is_ok()).count(), 2);
        assert_eq!(found.len(), 3);
        assert!(acceptor.leftover().is_empty());
        drop(clients);
    });
}

/// The limit of open files belongs to a process, so this runs in one of its own.
#[test]
fn survives_running_out_of_files() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--test-threads=1", "accept::tests::without_files"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "run by survives_running_out_of_files"]
fn without_files() {
    run(async {
        let (mut acceptor, address) = acceptor(1000);
        let mut clients = vec![Client::connect(address).unwrap(), Client::connect(address).unwrap()];
        let hard = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: hard }).unwrap();
        let mut files = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            files.push(file);
        }
        // Both are refused, and told so, instead of spinning or hanging.
        for client in &mut clients {
            assert!(matches!(acceptor.accept().await, Err(Refused::Exhausted(_))));
            assert!(matches!(client.read(&mut [0; 1]), Ok(0) | Err(_)));
        }
        // As soon as there are files, connections come again.
        files.truncate(files.len() - 4);
        let _client = Client::connect(address).unwrap();
        assert!(acceptor.accept().await.is_ok());
    });
}
