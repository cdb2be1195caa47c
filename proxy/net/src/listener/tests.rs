use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Instant;

use super::*;

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[test]
fn port_zero_is_picked_once_and_shared_by_all_workers() {
    let bound = Bound::bind(local(0), 3, Options::default()).unwrap();
    assert_ne!(bound.address.port(), 0);
    assert_eq!(bound.sockets.len(), 3);
    for socket in &bound.sockets {
        assert_eq!(socket.local_addr().unwrap(), bound.address);
    }
}

#[test]
fn every_socket_gets_connections_and_none_is_lost() {
    let bound = Bound::bind(local(0), 2, Options::default()).unwrap();
    let clients: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(bound.address).unwrap()).collect();
    let mut got = [0; 2];
    let until = Instant::now() + Duration::from_secs(5);
    while got.iter().sum::<usize>() < clients.len() && Instant::now() < until {
        for (n, socket) in got.iter_mut().zip(&bound.sockets) {
            while socket.accept().is_ok() {
                *n += 1;
            }
        }
    }
    assert_eq!(got.iter().sum::<usize>(), 200);
    assert!(got.iter().all(|&n| n > 0), "{got:?}");
}

#[test]
fn a_taken_port_is_refused_even_by_ourselves_and_the_error_says_what_to_do() {
    let bound = Bound::bind(local(0), 2, Options::default()).unwrap();
    let error = Bound::bind(bound.address, 2, Options::default()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with(&format!(
            "cannot listen on {}: port {} is in use",
            bound.address,
            bound.address.port()
        )),
        "{text}"
    );
    assert!(text.contains("choose another port"), "{text}");
    // It was all or nothing, and what runs is untouched.
    TcpStream::connect(bound.address).unwrap();
    drop(bound);
    let foreign = std::net::TcpListener::bind(local(0)).unwrap();
    assert!(Bound::bind(foreign.local_addr().unwrap(), 1, Options::default()).is_err());
}

#[test]
fn sharing_is_possible_when_asked_for() {
    let options = Options { share: true, ..Options::default() };
    let first = Bound::bind(local(0), 1, options).unwrap();
    let second = Bound::bind(first.address, 1, options);
    assert_eq!(second.is_ok(), cfg!(target_os = "linux"), "{second:?}");
}

#[test]
fn a_port_is_free_again_at_once() {
    let bound = Bound::bind(local(0), 2, Options::default()).unwrap();
    let mut client = TcpStream::connect(bound.address).unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    let mut server = loop {
        match bound.sockets.iter().find_map(|socket| socket.accept().ok()) {
            Some((stream, _)) => break stream,
            None => assert!(Instant::now() < until, "nobody got the connection"),
        }
        sleep(Duration::from_millis(1));
    };
    // We close first: the connection stays behind in TIME_WAIT.
    server.write_all(b"x").unwrap();
    drop(server);
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    let address = bound.address;
    drop((bound, client));
    assert_eq!(Bound::bind(address, 2, Options::default()).unwrap().address, address);
}

#[test]
fn connections_inherit_nodelay_and_keepalive() {
    let bound = Bound::bind(local(0), 1, Options::default()).unwrap();
    let _client = TcpStream::connect(bound.address).unwrap();
    bound.sockets[0].set_nonblocking(false).unwrap();
    let (server, _) = bound.sockets[0].accept().unwrap();
    assert_eq!(server.nodelay().unwrap(), inherits());
    assert_eq!(SockRef::from(&server).keepalive().unwrap(), inherits());
}

#[test]
fn the_unspecified_ipv6_address_serves_ipv4_too_unless_told_not_to() {
    let any: SocketAddr = "[::]:0".parse().unwrap();
    let Ok(bound) = Bound::bind(any, 1, Options::default()) else {
        // A machine without IPv6.
        return;
    };
    TcpStream::connect(local(bound.address.port())).unwrap();
    let only = Bound::bind(any, 1, Options { dual_stack: false, ..Options::default() }).unwrap();
    assert!(TcpStream::connect(local(only.address.port())).is_err());
}

#[test]
fn other_errors_are_for_people_as_well() {
    let error = Bound::bind("203.0.113.1:0".parse().unwrap(), 1, Options::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot listen on 203.0.113.1:0: 203.0.113.1 is no address of this machine"
    );
}
