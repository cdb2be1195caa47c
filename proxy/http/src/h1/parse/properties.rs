//! Properties of request heads: what is written is read back, in any slicing; two framings are refused wherever they stand;
//! no change of a byte makes the codec panic or read something else than it would write.

use proptest::prelude::*;

use super::*;

/// A head as a client may write it, and what is in it.
#[derive(Debug, Clone)]
struct Sent {
    method: &'static str,
    path: String,
    host: String,
    fields: Vec<(String, String)>,
    framing: Framing,
}

impl Sent {
    fn text(&self) -> String {
        let Self { method, path, host, fields, framing } = self;
        let mut text = format!("{method} {path} HTTP/1.1\r\nHoSt: {host}\r\n");
        fields.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
        match framing {
            Framing::Length(length) => text.push_str(&format!("Content-Length: {length}\r\n")),
            Framing::Chunked => text.push_str("Transfer-Encoding: chunked\r\n"),
            Framing::None | Framing::Close | Framing::Unsent => {}
        }
        text + "\r\n"
    }
}

fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec(("[xX]-[a-zA-Z0-9_.!]{1,12}", "([!-~]([ -~]{0,24}[!-~])?)?"), 0..12)
}

fn sent() -> impl Strategy<Value = Sent> {
    let methods =
        prop::sample::select(vec!["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "ODD"]);
    let framings = prop_oneof![
        Just(Framing::None),
        Just(Framing::Chunked),
        (1..u64::from(u32::MAX)).prop_map(Framing::Length)
    ];
    (
        methods,
        "/[a-zA-Z0-9._~/-]{0,20}(\\?[a-z=&]{0,10})?",
        "[a-z0-9.-]{1,20}(:[1-9][0-9]{1,3})?",
        fields(),
        framings,
    )
        .prop_map(|(method, path, host, fields, framing)| Sent { method, path, host, fields, framing })
}

fn parsed(bytes: &[u8], head: &mut Head) -> Result<Option<(usize, RequestMeta)>, Reject> {
    parse_request(bytes, head, &Limits::default())
}

proptest! {
    #[test]
    fn what_was_written_is_read(sent in sent(), behind in prop::collection::vec(any::<u8>(), 0..20)) {
        let text = sent.text();
        let bytes = [text.as_bytes(), &behind].concat();
        let mut head = Head::default();
        let Ok(Some((length, meta))) = parsed(&bytes, &mut head) else { panic!("{text:?}") };
        prop_assert_eq!((length, meta.framing), (text.len(), sent.framing));
        prop_assert_eq!(head.method(), sent.method.as_bytes());
        prop_assert_eq!(head.path(), sent.path.as_bytes());
        prop_assert_eq!(head.authority(), sent.host.as_bytes());
        let own = |(name, value, _): (&[u8], &[u8], Known)| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            name.starts_with(b"x-").then(|| (text(name), text(value)))
        };
        let read: Vec<_> = head.iter().filter_map(own).collect();
        let written: Vec<_> = sent.fields.iter().map(|(n, v)| (n.to_ascii_lowercase(), v.clone())).collect();
        prop_assert_eq!(read, written);
    }

    #[test]
    fn a_part_of_a_head_is_never_taken_for_a_head(sent in sent(), at in any::<prop::sample::Index>()) {
        let text = sent.text();
        prop_assert_eq!(parsed(&text.as_bytes()[..at.index(text.len())], &mut Head::default()), Ok(None));
    }

    #[test]
    fn two_framings_are_refused_wherever_they_stand(
        sent in sent(),
        second in prop::sample::select(vec!["content-length: 7", "CONTENT-LENGTH: 7", "transfer-encoding: chunked", "Transfer-Encoding: gzip, chunked"]),
        at in any::<prop::sample::Index>(),
    ) {
        prop_assume!(sent.framing != Framing::None);
        let text = sent.text();
        // Behind any line but the empty one.
        let ends: Vec<usize> = text.match_indices("\r\n").map(|(end, _)| end + 2).collect();
        let end = ends[at.index(ends.len() - 1)];
        let text = format!("{}{second}\r\n{}", &text[..end], &text[end..]);
        let refused = parsed(text.as_bytes(), &mut Head::default());
        prop_assert!(refused.is_err(), "{text:?}: {refused:?}");
    }

    #[test]
    fn a_changed_byte_never_confuses(sent in sent(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = sent.text().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        crate::h1::fuzz(&bytes);
    }
}
