//! Path hygiene as Envoy's `normalize_path`, `merge_slashes` and `path_with_escaped_slashes_action` define it. Pure.

use std::borrow::Cow;

/// What to do with `%2F` and `%5C` in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EscapedSlashes {
    /// Leave them.
    #[default]
    Keep,
    /// Answer 400.
    Reject,
    /// Unescape and redirect there with 307, so that the client names what it means.
    UnescapeAndRedirect,
    /// Unescape and go on.
    UnescapeAndForward,
}

/// Which rules are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// RFC 3986 normalisation: dot segments resolved, unreserved characters unescaped, `\` taken for `/`.
    pub normalize: bool,
    /// `//` becomes `/`.
    pub merge_slashes: bool,
    /// Escaped slashes.
    pub escaped_slashes: EscapedSlashes,
}

/// What became of a path.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome<'p> {
    /// Forward this one.
    Path(Cow<'p, [u8]>),
    /// Redirect to this one.
    Redirect(Vec<u8>),
    /// Refuse.
    Reject,
}

/// Applies the rules to a path with query. The query is never touched.
pub fn apply<'p>(path: &'p [u8], rules: Rules) -> Outcome<'p> {
    if !rules.merge_slashes && is_plain(path) {
        return Outcome::Path(Cow::Borrowed(path));
    }
    let end = memchr::memchr2(b'?', b'#', path).unwrap_or(path.len());
    let (plain, query) = path.split_at(end);
    if path.contains(&0) || find_escape(plain, &[b"00"]) {
        return Outcome::Reject;
    }
    let mut redirect = false;
    let mut out = Cow::Borrowed(plain);
    if rules.escaped_slashes != EscapedSlashes::Keep && find_escape(plain, &[b"2f", b"5c"]) {
        match rules.escaped_slashes {
            EscapedSlashes::Reject => return Outcome::Reject,
            action => {
                redirect = action == EscapedSlashes::UnescapeAndRedirect;
                out = Cow::Owned(unescape(&out, |b| matches!(b, b'/' | b'\\')));
            }
        }
    }
    if rules.normalize && needs_normalising(&out) {
        match normalise(&out) {
            Some(path) => out = Cow::Owned(path),
            None => return Outcome::Reject,
        }
    }
    if rules.merge_slashes && out.windows(2).any(|w| w == b"//") {
        let mut merged = out.into_owned();
        merged.dedup_by(|b, a| *a == b'/' && *b == b'/');
        out = Cow::Owned(merged);
    }
    match out {
        Cow::Borrowed(_) => Outcome::Path(Cow::Borrowed(path)),
        Cow::Owned(mut whole) => {
            whole.extend_from_slice(query);
            if redirect { Outcome::Redirect(whole) } else { Outcome::Path(Cow::Owned(whole)) }
        }
    }
}

/// Whether no rule has anything to say to a path: most are short and of letters, and cost less than the searches.
#[inline]
fn is_plain(path: &[u8]) -> bool {
    const LONG: usize = 48;
    path.len() < LONG && path.iter().all(|b| !matches!(b, 0 | b'%' | b'.' | b'\\' | b'?' | b'#'))
}

fn find_escape(path: &[u8], wanted: &[&[u8; 2]]) -> bool {
    memchr::memchr_iter(b'%', path).any(|at| {
        path.get(at + 1..at + 3).is_some_and(|hex| wanted.iter().any(|w| hex.eq_ignore_ascii_case(*w)))
    })
}

fn needs_normalising(path: &[u8]) -> bool {
    memchr::memchr3(b'.', b'%', b'\\', path)
        .is_some_and(|_| path.contains(&b'\\') || path.contains(&b'%') || path.windows(2).any(|w| w == b"/."))
}

fn unescape(path: &[u8], which: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&b, tail)) = rest.split_first() {
        if b == b'%'
            && let [h, l, after @ ..] = tail
            && let (Some(h), Some(l)) = ((*h as char).to_digit(16), (*l as char).to_digit(16))
            && which((h * 16 + l) as u8)
        {
            out.push((h * 16 + l) as u8);
            rest = after;
        } else {
            out.push(b);
            rest = tail;
        }
    }
    out
}

/// `None` for an escape that is not two hexadecimal digits, which two readers could read differently.
fn normalise(path: &[u8]) -> Option<Vec<u8>> {
    let broken = memchr::memchr_iter(b'%', path)
        .any(|at| !path.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)));
    if broken {
        return None;
    }
    let plain = unescape(path, |b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    let mut out: Vec<u8> = Vec::with_capacity(plain.len());
    let mut segments = plain.split(|b| matches!(b, b'/' | b'\\')).skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." if last => out.push(b'/'),
            b"." => {}
            b".." => {
                let cut = memchr::memrchr(b'/', &out).unwrap_or(0);
                out.truncate(cut);
                if last {
                    out.push(b'/');
                }
            }
            other => {
                out.push(b'/');
                out.extend_from_slice(other);
            }
        }
    }
    if out.is_empty() {
        out.push(b'/');
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGE: Rules =
        Rules { normalize: true, merge_slashes: true, escaped_slashes: EscapedSlashes::UnescapeAndRedirect };

    #[test]
    fn paths_become_what_envoy_makes_of_them() {
        for (from, to) in [
            ("/a/b?x=../y", "/a/b?x=../y"),
            ("/a/../b", "/b"),
            ("/../../etc", "/etc"),
            ("/a/./b/.", "/a/b/"),
            ("/a/b/..", "/a/"),
            ("/%61%2e%2e/b", "/a../b"),
            ("/a/%2e%2e/b", "/b"),
            ("//a///b", "/a/b"),
            ("/a\\b", "/a/b"),
            ("/..", "/"),
            ("/a%20b", "/a%20b"),
            ("/.well-known/x", "/.well-known/x"),
        ] {
            assert_eq!(apply(from.as_bytes(), EDGE), Outcome::Path(Cow::Owned(to.into())), "{from}");
        }
    }

    #[test]
    fn an_untouched_path_is_not_copied() {
        assert!(matches!(apply(b"/a/b.c?d", EDGE), Outcome::Path(Cow::Borrowed(_))));
    }

    #[test]
    fn escapes_that_hide_a_slash_or_an_end_are_not_forwarded() {
        assert_eq!(apply(b"/a%2Fb?q", EDGE), Outcome::Redirect(b"/a/b?q".to_vec()));
        let reject = Rules { escaped_slashes: EscapedSlashes::Reject, ..EDGE };
        assert_eq!(apply(b"/a%5cb", reject), Outcome::Reject);
        assert_eq!(apply(b"/a%00b", EDGE), Outcome::Reject);
        assert_eq!(apply(b"/a%zzb", EDGE), Outcome::Reject);
        assert_eq!(apply(b"/a%2Fb", Rules::default()), Outcome::Path(Cow::Borrowed(b"/a%2Fb")));
    }
}
