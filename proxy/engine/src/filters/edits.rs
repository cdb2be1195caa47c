//! Headers changed as somebody outside asks: an authorizer's wishes, checked before they touch a head. Knows no filters.

use forebay_http::Head;
use forebay_model::{Edit, EditHow};

/// Changes one header. A name or a value that no message can have is left out: what leaves us is always well-formed.
pub(crate) fn apply(head: &mut Head, edit: &Edit) {
    let (name, value) = (edit.name.as_bytes(), edit.value.as_slice());
    if !is_value(value) {
        return;
    }
    if matches!(name, b":path" | b":authority" | b"host" | b":method") {
        return pseudo(head, name, value);
    }
    if !is_name(name) {
        return;
    }
    match edit.how {
        EditHow::Add => head.push(name, value),
        EditHow::AddIfAbsent if head.get(name).is_none() => head.push(name, value),
        EditHow::Append => append(head, name, value),
        EditHow::Set => head.set(name, value),
        EditHow::SetIfPresent if head.get(name).is_some() => head.set(name, value),
        EditHow::AddIfAbsent | EditHow::SetIfPresent => {}
    }
}

/// The order in which Envoy carries out what an authorizer wants of a response.
pub(super) const ORDER: [EditHow; 5] =
    [EditHow::Add, EditHow::Append, EditHow::Set, EditHow::AddIfAbsent, EditHow::SetIfPresent];

/// Behind a comma of what is there.
fn append(head: &mut Head, name: &[u8], value: &[u8]) {
    let before: Vec<&[u8]> = head.values(name).collect();
    if !before.is_empty() {
        let joined = [&before.join(&b","[..])[..], value].join(&b","[..]);
        head.set(name, &joined);
    }
}

/// The request line's parts of a request; a response has none.
fn pseudo(head: &mut Head, name: &[u8], value: &[u8]) {
    let plain = !value.is_empty() && value.iter().all(|b| b.is_ascii_graphic());
    if head.status != 0 || !plain {
        return;
    }
    match name {
        b":path" if value.starts_with(b"/") => head.set_path(value),
        b":method" if is_name(&value.to_ascii_lowercase()) => {
            let (path, authority) = (head.path().to_vec(), head.authority().to_vec());
            head.set_request(value, &path, &authority);
        }
        b":authority" | b"host" => head.set_authority(value),
        _ => {}
    }
}

/// A lower-case token that is not about framing or the connection: those are the proxy's own.
pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name.iter().all(|&b| {
            (b.is_ascii_alphanumeric() && !b.is_ascii_uppercase()) || b"!#$%&'*+-.^_`|~".contains(&b)
        })
        && !matches!(
            name,
            b"content-length" | b"transfer-encoding" | b"connection" | b"upgrade" | b"keep-alive"
        )
}

/// Nothing that ends a line, and no other control character but the tab.
fn is_value(value: &[u8]) -> bool {
    value.iter().all(|&b| b == b'\t' || (b >= b' ' && b != 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(how: EditHow, name: &str, value: &str) -> Vec<(String, String)> {
        let mut head = Head::default();
        head.set_request(b"GET", b"/", b"h");
        head.push(b"x", b"1");
        head.push(b"x", b"2");
        apply(&mut head, &Edit { name: name.into(), value: value.into(), how });
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut all: Vec<_> = head.iter().map(|(n, v, _)| (text(n), text(v))).collect();
        all.push((":path".into(), text(head.path())));
        all.push((":authority".into(), text(head.authority())));
        all.push((":method".into(), text(head.method())));
        all
    }

    #[test]
    fn each_way_to_change_a_header() {
        let x = |how, name: &str| {
            let found = changed(how, name, "3");
            found.into_iter().filter(|(n, _)| n == name).map(|(_, v)| v).collect::<Vec<_>>()
        };
        assert_eq!(x(EditHow::Add, "x"), ["1", "2", "3"]);
        assert_eq!(x(EditHow::AddIfAbsent, "x"), ["1", "2"]);
        assert_eq!(x(EditHow::AddIfAbsent, "y"), ["3"]);
        assert_eq!(x(EditHow::Append, "x"), ["1,2,3"]);
        assert!(x(EditHow::Append, "y").is_empty());
        assert_eq!(x(EditHow::Set, "x"), ["3"]);
        assert_eq!(x(EditHow::SetIfPresent, "x"), ["3"]);
        assert!(x(EditHow::SetIfPresent, "y").is_empty());
    }

    #[test]
    fn nothing_that_would_break_the_message_is_taken() {
        let untouched = changed(EditHow::AddIfAbsent, "x", "");
        for (name, value) in [
            ("y", "a\r\nb"),
            ("y y", "a"),
            ("", "a"),
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
            (":path", "no slash"),
            (":path", ""),
            (":scheme", "https"),
            (":method", "A B"),
            ("host", "a b"),
        ] {
            assert_eq!(changed(EditHow::Set, name, value), untouched, "{name}: {value:?}");
        }
        assert_ne!(changed(EditHow::Set, ":path", "/new"), untouched);
        assert_ne!(changed(EditHow::Set, "host", "new"), untouched);
    }
}
