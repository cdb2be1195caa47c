use super::*;

#[test]
fn shows_the_last_tick_until_the_next() {
    let clock = Clock::new();
    let first = clock.now();
    std::thread::sleep(Duration::from_millis(2));
    assert_eq!(clock.now(), first);
    assert_eq!(clock.clone().now(), first);
    let second = clock.tick();
    assert!(second.since(first) >= 2000, "{first:?} {second:?}");
    assert_eq!(clock.now(), second);
}

#[test]
fn clones_share_their_hands_and_threads_share_their_zero() {
    let clock = Clock::new();
    let twin = clock.clone();
    let now = clock.tick();
    assert_eq!(twin.now(), now);
    let other = std::thread::spawn(|| Clock::new().now()).join().unwrap();
    assert!(clock.tick() >= other && other >= now);
}

#[test]
fn knows_the_wall() {
    let clock = Clock::new();
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
    let shown = clock.unix_micros(clock.tick());
    assert!(shown.abs_diff(wall) < 5_000_000, "{shown} and {wall}");
    // A moment in the past stays where it was.
    assert_eq!(clock.unix_micros(Micros(0)) + clock.now().0, clock.unix_micros(clock.now()));
}

#[test]
fn moments_saturate() {
    assert_eq!(Micros(5).after(Duration::MAX), Micros(u64::MAX));
    assert_eq!(Micros(5).since(Micros(7)), 0);
    assert_eq!(Micros(5).after(Duration::from_millis(1)), Micros(1005));
}
