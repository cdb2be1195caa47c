use super::*;

fn is(pattern: &str, text: &[u8]) -> bool {
    Pattern::new(pattern).unwrap().matches(text)
}

#[test]
fn the_whole_text_must_match() {
    assert!(is("a|ab", b"ab"), "some way to match the whole is enough");
    assert!(!is("a|ab", b"abc"));
    assert!(!is("b", b"ab"));
    assert!(is("", b""));
    assert!(is("/[a-z]+/(x|y)?", b"/abc/"));
    assert!(is("(?i)/ABC", b"/abc"));
    assert!(!is("a$", b"a\n"));
    assert!(!is("(?m)a$", b"a\nb"));
}

#[test]
fn classes_are_ascii_and_bytes_are_bytes() {
    assert!(is(r"\d+", b"123") && !is(r"\d", "٣".as_bytes()));
    assert!(is(".*", b"/\xff\xfe"));
    assert!(is("/é", "/é".as_bytes()));
    assert!(is(r"/[é]\pL", "/éß".as_bytes()), "Unicode where it is asked for");
}

#[test]
fn wrapping_changes_nothing() {
    assert!(is("(?x) a # comment", b"a"));
    assert!(is("(?x) a # comment)", b"a"));
    assert!(Pattern::new("a)|(b").is_err());
}

#[test]
fn what_is_wrong_is_said() {
    let error = Pattern::new("/(").unwrap_err().to_string();
    assert_eq!(error, r#"regex "/(": unclosed group"#);
    let error = Pattern::new("((a{1,1000}){1,1000}){1,1000}").unwrap_err().to_string();
    assert_eq!(
        error,
        r#"regex "((a{1,1000}){1,1000}){1,1000}": its program would be larger than 1048576 bytes"#
    );
    assert!(Pattern::new(r"(a)\1").is_err(), "no back references, as in RE2");
}
