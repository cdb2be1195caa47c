//! `containerConcurrency`: exact, over all workers, whatever clients do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::backend::Backend;
use super::resources::Revision;
use super::world::{to, until};

#[test]
fn one_at_a_time_means_one_over_two_workers_and_fifty_clients() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (inside, seen) = (running.clone(), most.clone());
    let backend = Backend::start(move |mut conn| {
        while let Some(request) = conn.request() {
            seen.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_micros(300));
            inside.fetch_sub(1, Ordering::SeqCst);
            conn.answer(request.path());
        }
    });
    let world = to(&[backend.address])
        .workers(2)
        .revision(Revision::new().number("container_concurrency", 1.0))
        .start();
    std::thread::scope(|scope| {
        for client in 0..50 {
            let mut connection = world.connect();
            scope.spawn(move || {
                for i in 0..20 {
                    let path = format!("/{client}/{i}");
                    assert_eq!(connection.get(&path).text(), path);
                }
            });
        }
    });
    assert_eq!(most.load(Ordering::SeqCst), 1);
    assert_eq!(backend.requests().len(), 1000);
    // A client has its answer before the slot is back.
    until("every slot is back", || world.load() == (0, 0));
}

#[test]
fn a_slot_comes_back_from_whoever_leaves_in_the_middle() {
    let backend = Backend::start(|mut conn| {
        while let Some(request) = conn.request_head() {
            if request.path() == "/hang" {
                // Until the gateway gives up on it.
                conn.request_head();
                return;
            }
            conn.answer(request.path());
        }
    });
    let world = to(&[backend.address]).revision(Revision::new().number("container_concurrency", 1.0)).start();
    let mut gone = world.connect();
    gone.send("GET /hang HTTP/1.1\r\nhost: a\r\n\r\n");
    until("it runs", || world.load().1 == 1);
    let mut next = world.connect();
    next.send("GET /next HTTP/1.1\r\nhost: a\r\n\r\n");
    until("the next waits", || world.load().0 == 1);
    gone.reset();
    assert_eq!(next.response().text(), "/next");
    until("all is free", || world.load() == (0, 0));
}
