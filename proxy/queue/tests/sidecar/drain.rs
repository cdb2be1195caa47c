//! How it ends: probes fail, requests go on being served, `preStop` waits, and what is in flight finishes.

use std::rc::Rc;
use std::time::Duration;

use forebay_queue::QueueProxy;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use crate::support::{Act, App, OK, ask, config, run, talk, until};

const PROBE: &str = "GET / HTTP/1.1\r\nhost: h\r\nuser-agent: kube-probe/1\r\nk-network-probe: queue\r\nconnection: close\r\n\r\n";

fn start(app: &App, quiet: Duration) -> Rc<QueueProxy> {
    let mut config = config(app.address, &[]);
    config.quiet = quiet;
    Rc::new(QueueProxy::start(config).unwrap())
}

#[test]
fn probes_fail_and_requests_are_served_until_it_is_quiet() {
    run(async {
        let app = App::start(|number| if number == 1 { Act::Hang } else { Act::Say(OK) }).await;
        let proxy = start(&app, Duration::from_millis(300));
        let addresses = proxy.addresses();
        let ready = talk(addresses.main, PROBE, |_| false).await;
        assert!(ready.starts_with("HTTP/1.1 200 OK") && ready.ends_with("\r\n\r\nqueue"), "{ready}");
        let stops = talk(
            addresses.admin,
            "GET /wait-for-drain HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
            |_| false,
        );
        let stops = spawn_local(stops);
        let ending = proxy.clone();
        let ended = spawn_local(async move { ending.shutdown().await });
        loop {
            let probe = talk(addresses.main, PROBE, |_| false).await;
            if probe.starts_with("HTTP/1.1 503") {
                assert!(probe.ends_with("\r\n\r\nshutting down\n"), "{probe}");
                break;
            }
        }
        assert!(ask(addresses.main, "/").await.starts_with("HTTP/1.1 200 OK"), "requests go on");
        let slow = spawn_local(async move { ask(addresses.main, "/slow").await });
        until("the slow one to run", || app.running.get() == 1).await;
        assert!(stops.await.unwrap().starts_with("HTTP/1.1 200 OK"));
        // Quiet: nothing new is taken, what runs may finish.
        until("the port to be closed", || std::net::TcpStream::connect(addresses.main).is_err()).await;
        assert!(!ended.is_finished());
        app.go_on();
        let slow = slow.await.unwrap();
        assert!(slow.starts_with("HTTP/1.1 200 OK") && slow.contains("connection: close\r\n"), "{slow}");
        ended.await.unwrap();
        assert_eq!(proxy.in_flight(), 0);
    });
}

#[test]
fn a_drain_without_sigterm_is_called_off() {
    run(async {
        let app = App::start(|_| Act::Say(OK)).await;
        let proxy = start(&app, Duration::from_secs(3600));
        let addresses = proxy.addresses();
        let wait = "GET /wait-for-drain HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
        let answer = talk(addresses.admin, wait, |_| false).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        let ready = talk(addresses.main, PROBE, |_| false).await;
        assert!(ready.starts_with("HTTP/1.1 200 OK"), "{ready}");
        let other =
            talk(addresses.admin, "GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n", |_| false).await;
        assert!(
            other.starts_with("HTTP/1.1 404 Not Found") && other.ends_with("404 page not found\n"),
            "{other}"
        );
    });
}

#[test]
fn upgraded_connections_have_patience_and_no_more() {
    const SWITCH: &str =
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    run(async {
        let app = App::start(|_| Act::Say(SWITCH)).await;
        let mut config = config(app.address, &[]);
        (config.quiet, config.patience) = (Duration::ZERO, Duration::from_millis(200));
        let proxy = QueueProxy::start(config).unwrap();
        let mut stream = TcpStream::connect(proxy.addresses().main).await.unwrap();
        let request = "GET / HTTP/1.1\r\nhost: h\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
        crate::support::read(&mut stream, |heard| heard.ends_with("\r\n\r\n")).await;
        proxy.shutdown().await;
        let rest = crate::support::read(&mut stream, |_| false).await;
        assert_eq!(rest, "", "it was cut");
    });
}
