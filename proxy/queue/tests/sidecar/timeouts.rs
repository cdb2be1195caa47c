//! The three clocks: what they say, what they end, and that they count from the arrival, waiting included.

use crate::support::{Act, App, ask, read, run, start, talk, until};

const STARTED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";

#[test]
fn each_clock_answers_504_before_the_response_begins() {
    for (name, other) in [
        ("REVISION_TIMEOUT_SECONDS", "300"),
        ("REVISION_RESPONSE_START_TIMEOUT_SECONDS", "300"),
        ("REVISION_IDLE_TIMEOUT_SECONDS", "300"),
    ] {
        run(async move {
            let app = App::start(|_| Act::Hang).await;
            let proxy = start(app.address, &[(name, "1"), ("REVISION_TIMEOUT_SECONDS", other)]);
            let answer = ask(proxy.addresses().main, "/").await;
            assert!(answer.starts_with("HTTP/1.1 504 Gateway Timeout\r\n"), "{name}: {answer}");
            assert!(answer.contains("content-type: text/plain; charset=utf-8\r\n"), "{name}: {answer}");
            assert!(answer.ends_with("\r\n\r\nrequest timeout"), "{name}: {answer}");
            until("the app to be left alone", || app.running.get() == 0 && proxy.in_flight() == 0).await;
        });
    }
}

#[test]
fn a_response_that_has_begun_is_ended_with_the_words() {
    run(async {
        let app = App::start(|_| Act::Say(STARTED)).await;
        let proxy = start(app.address, &[("REVISION_IDLE_TIMEOUT_SECONDS", "1")]);
        let answer = ask(proxy.addresses().main, "/").await;
        assert!(answer.ends_with("5\r\nhello\r\nf\r\nrequest timeout\r\n0\r\n\r\n"), "{answer}");
    });
}

#[test]
fn the_clock_of_the_start_is_spent_when_something_was_written() {
    run(async {
        let app = App::start(|_| Act::Say(STARTED)).await;
        let clocks = [("REVISION_RESPONSE_START_TIMEOUT_SECONDS", "1"), ("REVISION_TIMEOUT_SECONDS", "2")];
        let proxy = start(app.address, &clocks);
        let began = std::time::Instant::now();
        let answer = ask(proxy.addresses().main, "/").await;
        assert!(answer.ends_with("request timeout\r\n0\r\n\r\n"), "{answer}");
        assert!(began.elapsed() >= std::time::Duration::from_secs(2), "it was the other clock");
    });
}

#[test]
fn a_length_that_was_promised_is_seen_to_be_broken() {
    run(async {
        let app = App::start(|_| Act::Say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")).await;
        let proxy = start(app.address, &[("REVISION_TIMEOUT_SECONDS", "1")]);
        let answer = ask(proxy.addresses().main, "/").await;
        assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    });
}

#[test]
fn waiting_for_a_place_is_part_of_the_time() {
    run(async {
        let app = App::start(|_| Act::Hang).await;
        let proxy = start(app.address, &[("CONTAINER_CONCURRENCY", "1"), ("REVISION_TIMEOUT_SECONDS", "1")]);
        let main = proxy.addresses().main;
        let first = tokio::task::spawn_local(async move { ask(main, "/").await });
        until("the first to run", || app.running.get() == 1).await;
        let second = ask(main, "/").await;
        assert!(second.starts_with("HTTP/1.1 504"), "{second}");
        assert!(first.await.unwrap().starts_with("HTTP/1.1 504"));
        until("nobody to be left", || proxy.taken() == 0).await;
    });
}

#[test]
fn an_upgraded_connection_is_ended_by_each_clock() {
    const SWITCH: &str =
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello";
    for name in [
        "REVISION_TIMEOUT_SECONDS",
        "REVISION_RESPONSE_START_TIMEOUT_SECONDS",
        "REVISION_IDLE_TIMEOUT_SECONDS",
    ] {
        run(async move {
            let app = App::start(|_| Act::Say(SWITCH)).await;
            let proxy = start(app.address, &[(name, "1"), ("REVISION_TIMEOUT_SECONDS", "300")]);
            let request = "GET / HTTP/1.1\r\nhost: h\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
            let heard = talk(proxy.addresses().main, request, |_| false).await;
            assert!(heard.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{heard}");
            assert!(heard.ends_with("\r\n\r\nhello"), "{heard}");
            until("nobody to be left", || proxy.in_flight() == 0).await;
        });
    }
}

#[test]
fn a_connection_goes_on_after_a_timeout() {
    run(async {
        let app =
            App::start(|number| if number == 0 { Act::Hang } else { Act::Say(crate::support::OK) }).await;
        let proxy = start(app.address, &[("REVISION_TIMEOUT_SECONDS", "1")]);
        let mut stream = tokio::net::TcpStream::connect(proxy.addresses().main).await.unwrap();
        for expected in ["request timeout", "ok"] {
            tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
                .await
                .unwrap();
            let heard = read(&mut stream, |heard| heard.ends_with(expected)).await;
            assert!(heard.ends_with(expected), "{heard}");
        }
    });
}
