use super::*;

#[test]
fn columns_are_not_bytes() {
    assert_eq!(width("hello"), 5);
    assert_eq!(width("grün"), 4);
    assert_eq!(width("e\u{301}"), 1);
    assert_eq!(width("水🙂"), 4);
}

#[test]
fn what_is_cut_off_leaves_an_ellipsis() {
    assert_eq!(crop("hello", 5), "hello");
    assert_eq!(crop("hello", 4), "hel…");
    assert_eq!(crop("水水水", 4), "水…");
    assert_eq!(crop("hello", 1), "…");
    assert_eq!(crop("hello", 0), "");
}

#[test]
fn lines_of_apps_cannot_move_the_cursor() {
    assert_eq!(clean("plain"), "plain");
    assert_eq!(clean("10%\r20%\tdone\x07"), "10%20%    done");
    assert_eq!(clean("\x1b[2J\x1b[31mred\x1b[5A"), "\x1b[31mred\x1b[0m");
    assert_eq!(clean("\x1b]0;title\x07text"), "text");
    assert_eq!(clean("cut \x1b[3"), "cut [3");
    assert_eq!(clean("\x1b"), "");
}
