use super::*;

#[test]
fn lines_say_when_how_bad_and_what() {
    let at = Duration::from_millis(1_234);
    assert_eq!(plain(at, Bad::Info, "all is well", false), "     1.234  all is well");
    assert_eq!(plain(at, Bad::Error, "a\nb\n", false), "     1.234  error: a\n            b");
    assert_eq!(plain(at, Bad::Warning, "x", true), "\x1b[2m     1.234\x1b[0m  \x1b[33mwarning:\x1b[0m x");
}

#[test]
fn times_keep_their_columns() {
    let of = |millis| clock(Duration::from_millis(millis));
    assert_eq!(of(0), "     0.000");
    assert_eq!(of(59_999), "    59.999");
    assert_eq!(of(61_500), "  1:01.500");
    assert_eq!(of(3_600_000), "1:00:00.000");
}
