//! RFC 7541 appendix C, what is no HPACK, and the two directions against each other.

use proptest::prelude::*;

use super::*;
use crate::h2::fields::Fields;
use crate::head::Head;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn fields(decoder: &mut Decoder, block: &[u8]) -> Fields {
    let mut fields = Fields::new(Head::default(), 1 << 20);
    decoder.decode(block, &mut fields).unwrap();
    fields
}

fn regular(head: &Head) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    head.iter().map(|(name, value, _)| format!("{}: {}", text(name), text(value))).collect()
}

#[test]
fn integers_are_those_of_c_1() {
    for (value, prefix, coded) in
        [(10, 5, &[10][..]), (1337, 5, &[31, 154, 10]), (42, 8, &[42]), (31, 5, &[31, 0]), (0, 7, &[0])]
    {
        let mut out = Vec::new();
        put_int(value, prefix, 0, &mut out);
        assert_eq!(out, coded);
        let mut rest = coded;
        assert_eq!((take_int(&mut rest, prefix), rest), (Some(value), &[][..]));
    }
    assert_eq!(take_int(&mut &[31, 0x80][..], 5), None, "an end is missing");
    assert_eq!(take_int(&mut &[31, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1][..], 5), None, "without end");
    assert_eq!(take_int(&mut &[][..], 5), None);
}

#[test]
fn requests_are_those_of_c_3_and_c_4() {
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let packed = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    let regulars: [&[&str]; 3] = [&[], &["cache-control: no-cache"], &["custom-key: custom-value"]];
    for blocks in [plain, packed] {
        let mut decoder = Decoder::default();
        for (((block, size), path), expected) in
            blocks.iter().zip([57, 110, 164]).zip(["/", "/", "/index.html"]).zip(regulars)
        {
            let (head, request) = fields(&mut decoder, &hex(block)).request(true, false);
            assert!(request.is_ok());
            assert_eq!((head.method(), head.path()), (&b"GET"[..], path.as_bytes()));
            assert_eq!(head.authority(), b"www.example.com");
            assert_eq!(head.scheme == crate::Scheme::Https, size == 164);
            assert_eq!(regular(&head), expected);
            assert_eq!(decoder.table_size(), size);
        }
    }
}

#[test]
fn responses_are_those_of_c_5_and_c_6() {
    let plain = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 \
         3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 \
         7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 \
         6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
    ];
    let packed = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad \
         1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 \
         e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    let first = [
        "cache-control: private",
        "date: Mon, 21 Oct 2013 20:13:21 GMT",
        "location: https://www.example.com",
    ];
    let last = [
        "cache-control: private",
        "date: Mon, 21 Oct 2013 20:13:22 GMT",
        "location: https://www.example.com",
        "content-encoding: gzip",
        "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    ];
    for blocks in [plain, packed] {
        let mut decoder = Decoder::default();
        // The table of these examples has 256 bytes.
        decoder.decode(&[0x3f, 0xe1, 0x01], &mut Fields::new(Head::default(), 0)).unwrap();
        for (((block, size), status), expected) in
            blocks.iter().zip([222, 222, 215]).zip([302, 307, 200]).zip([&first[..], &first, &last])
        {
            let (head, response) = fields(&mut decoder, &hex(block)).response(true, false);
            assert!(response.is_ok());
            assert_eq!(
                (head.status, regular(&head)),
                (status, expected.iter().map(|s| (*s).to_owned()).collect())
            );
            assert_eq!(decoder.table_size(), size);
        }
    }
}

#[test]
fn what_is_no_hpack_is_refused() {
    let broken = |block: &[u8]| {
        let mut fields = Fields::new(Head::default(), 1 << 20);
        Decoder::default().decode(block, &mut fields).is_err()
    };
    assert!(broken(&[0x80]), "number 0");
    assert!(broken(&[0xbe]), "the first of an empty table");
    assert!(broken(&[0x7e, 1, b'a']), "a name of an empty table");
    assert!(broken(&[0x00, 0x05, b'a']), "a string that ends early");
    assert!(broken(&[0x00, 0x81, 0x00, 0x01, b'a']), "Huffman padding of zeros");
    assert!(broken(&[0x82, 0x20]), "a size after a field");
    assert!(broken(&[0x3f, 0xe2, 0x1f]), "a size above what was announced");
    assert!(!broken(&[0x3f, 0xe1, 0x1f, 0x82]), "4096 is what was announced");
}

#[test]
fn a_bomb_costs_no_more_than_the_limit() {
    // One entry of 4,000 bytes, named 16,000 times.
    let mut block = vec![0x40, 1, b'x'];
    put_int(4_000, 7, 0, &mut block);
    block.extend([b'a'; 4_000]);
    block.extend([0xbe; 16_000]);
    let mut fields = Fields::new(Head::default(), 60 * 1024);
    Decoder::default().decode(&block, &mut fields).unwrap();
    assert!(fields.is_over());
    let head = fields.into_head();
    assert!(head.size() <= 60 * 1024 && head.len() == 15, "{} bytes, {} fields", head.size(), head.len());
}

#[test]
fn secrets_and_what_never_repeats_stay_out_of_the_table() {
    let mut encoder = Encoder::default();
    let mut out = Vec::new();
    encoder.field(b"authorization", b"secret", || Worth::Secret, &mut out);
    assert_eq!((out[0], encoder.table_size()), (0x1f, 0), "never indexed, by a name of the static table");
    encoder.field(b"content-length", b"7", || Worth::Name, &mut out);
    encoder.field(b":path", b"/x", || Worth::Nothing, &mut out);
    assert_eq!(encoder.table_size(), 0);
    // A name that is in no table is lent by the first entry that has it.
    encoder.field(b"x-envoy-upstream-service-time", b"1", || Worth::Name, &mut out);
    let size = encoder.table_size();
    out.clear();
    encoder.field(b"x-envoy-upstream-service-time", b"23", || Worth::Name, &mut out);
    assert_eq!((&*out, encoder.table_size()), (&[0x0f, 47, 2, b'2', b'3'][..], size));
    out.clear();
    encoder.field(b"x-envoy-upstream-service-time", b"1", || Worth::Name, &mut out);
    assert_eq!(out, [0xbe]);
}

#[test]
fn a_table_that_was_shrunk_and_grew_again_is_said_to_have_been_both() {
    let mut encoder = Encoder::default();
    let mut out = Vec::new();
    encoder.field(b"a", b"b", || Worth::Table, &mut out);
    encoder.limit(0);
    encoder.limit(100_000);
    out.clear();
    encoder.begin(&mut out);
    assert_eq!((&*out, encoder.table_size()), (&[0x20, 0x3f, 0xe1, 0x1f][..], 0));
    out.clear();
    encoder.begin(&mut out);
    assert!(out.is_empty());
}

fn field() -> impl Strategy<Value = (String, String, u8)> {
    // Few names and values, so that they meet again; some large, so that the table overflows.
    let value = prop_oneof![4 => "[ -~]{0,4}", 1 => (100usize..1500).prop_map(|n| "v".repeat(n))];
    ("[a-d]{1,2}|x-[a-z]{1,20}", value, 0u8..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encoded_is_decoded(
        blocks in proptest::collection::vec(
            (proptest::collection::vec(field(), 0..12), proptest::option::of(0usize..5000)), 1..20)
    ) {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        for (block, limit) in blocks {
            if let Some(limit) = limit {
                encoder.limit(limit);
            }
            let mut out = Vec::new();
            encoder.begin(&mut out);
            for (name, value, worth) in &block {
                let worth = [Worth::Table, Worth::Name, Worth::Nothing, Worth::Secret][*worth as usize];
                encoder.field(name.as_bytes(), value.as_bytes(), || worth, &mut out);
            }
            let (head, _) = fields(&mut decoder, &out).trailers();
            let expected: Vec<_> = block.iter().map(|(name, value, _)| format!("{name}: {value}")).collect();
            prop_assert_eq!(regular(&head), expected);
            prop_assert_eq!(encoder.table_size(), decoder.table_size());
        }
    }

    #[test]
    fn whatever_comes_is_decoded_or_refused(
        blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..8)
    ) {
        let mut decoder = Decoder::default();
        for block in blocks {
            let mut fields = Fields::new(Head::default(), 1000);
            if decoder.decode(&block, &mut fields).is_err() {
                break;
            }
            prop_assert!(decoder.table_size() <= TABLE_SIZE && fields.into_head().size() <= 1000);
        }
    }
}
