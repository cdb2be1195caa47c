use super::*;

fn at(start: Instant, millis: u64, answered: u64) -> Sample {
    Sample { at: start + Duration::from_millis(millis), answered, times: None }
}

#[test]
fn the_first_requests_are_seen() {
    let start = Instant::now();
    let mut window = Window::new(at(start, 0, 7));
    window.add(at(start, 250, 8));
    assert_eq!(window.rate(), 1.0, "one, over a second at least");
    assert!(window.is_moving());
}

#[test]
fn what_is_long_ago_is_forgotten() {
    let start = Instant::now();
    let mut window = Window::new(at(start, 0, 0));
    for beat in 1..=8 {
        window.add(at(start, beat * 250, beat * 25));
    }
    assert_eq!(window.rate(), 100.0);
    for beat in 9..=32 {
        window.add(at(start, beat * 250, 200));
    }
    assert_eq!(window.rate(), 0.0);
    assert!(!window.is_moving());
    assert!(window.quantile(0.5).is_none());
}

#[test]
fn a_burst_after_a_pause_is_a_burst() {
    let start = Instant::now();
    let mut window = Window::new(at(start, 0, 0));
    window.add(at(start, 60_000, 60));
    assert_eq!(window.rate(), 60.0);
}
