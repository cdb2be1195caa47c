//! containerConcurrency is exact, ten times as many wait, the rest are told so, and who leaves gives the place back at once.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use crate::support::{Act, App, ask, get, run, start, until};

#[test]
fn so_many_run_ten_times_as_many_wait_and_the_rest_are_refused() {
    run(async {
        let app = App::start(|_| Act::Hang).await;
        let proxy = start(app.address, &[("CONTAINER_CONCURRENCY", "2")]);
        let main = proxy.addresses().main;
        let asked: Vec<_> = (0..22).map(|_| spawn_local(async move { ask(main, "/").await })).collect();
        until("all places to be taken", || proxy.taken() == 22 && app.running.get() == 2).await;
        let refused = ask(main, "/").await;
        assert!(refused.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{refused}");
        assert!(refused.contains("content-type: text/plain; charset=utf-8\r\n"), "{refused}");
        assert!(refused.contains("x-content-type-options: nosniff\r\n"), "{refused}");
        assert!(refused.ends_with("\r\n\r\npending request queue full\n"), "{refused}");
        let going = app.clone();
        let pump = spawn_local(async move {
            loop {
                going.go_on();
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        });
        for one in asked {
            assert!(one.await.unwrap().starts_with("HTTP/1.1 200 OK"));
        }
        pump.abort();
        assert_eq!(app.most.get(), 2, "never more than containerConcurrency");
        until("all places to be free", || proxy.taken() == 0 && proxy.in_flight() == 0).await;
    });
}

#[test]
fn a_client_that_leaves_while_it_waits_gives_its_place_back_at_once() {
    run(async {
        let app = App::start(|_| Act::Hang).await;
        let proxy = start(app.address, &[("CONTAINER_CONCURRENCY", "1")]);
        let main = proxy.addresses().main;
        let first = spawn_local(async move { ask(main, "/").await });
        until("the first to run", || app.running.get() == 1).await;
        let mut gone = Vec::new();
        for _ in 0..10 {
            let mut stream = TcpStream::connect(main).await.unwrap();
            stream.write_all(get("/").as_bytes()).await.unwrap();
            gone.push(stream);
        }
        until("all places to be taken", || proxy.taken() == 11).await;
        for stream in gone.drain(..5) {
            // Half by a reset.
            stream.set_zero_linger().unwrap();
        }
        drop(gone);
        until("only the first to be left", || proxy.taken() == 1).await;
        app.go_on();
        assert!(first.await.unwrap().starts_with("HTTP/1.1 200 OK"));
        until("nobody to be left", || proxy.taken() == 0).await;
        assert_eq!(app.heads.borrow().len(), 1, "who waited never reached the app");
    });
}
