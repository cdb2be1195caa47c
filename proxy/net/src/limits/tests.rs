use super::*;

#[test]
fn no_more_than_the_limit_and_every_place_comes_back() {
    let limit = Limit::new(2);
    let (a, b) = (limit.take().unwrap(), limit.take().unwrap());
    assert!(limit.take().is_none());
    assert_eq!(limit.open(), 2, "a refusal takes no place");
    drop(a);
    let c = limit.take().unwrap();
    assert!(limit.clone().take().is_none());
    drop((b, c));
    assert_eq!(limit.open(), 0);
    assert!(Limit::new(0).take().is_none());
}

#[test]
fn threads_never_hold_more_than_the_limit() {
    let limit = Limit::new(3);
    let most = AtomicUsize::new(0);
    let held = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    if let Some(slot) = limit.take() {
                        most.fetch_max(held.fetch_add(1, Relaxed) + 1, Relaxed);
                        held.fetch_sub(1, Relaxed);
                        drop(slot);
                    }
                }
            });
        }
    });
    assert!(most.into_inner() <= 3);
    assert_eq!(limit.open(), 0);
}

#[test]
fn open_files_are_raised_to_the_hard_limit() {
    let before = getrlimit(Resource::Nofile);
    let got = raise_open_files();
    let after = getrlimit(Resource::Nofile);
    assert_eq!(after.current.unwrap_or(u64::MAX), got);
    assert!(after.current >= before.current);
    assert_eq!(after.maximum, before.maximum);
}
