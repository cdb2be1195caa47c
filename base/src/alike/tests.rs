use super::*;
use crate::rng::Rng;

fn message(name: &str) -> Vec<u8> {
    format!("name: default/{name}; connect: 5 s; facts: {{service: {name}, limits: [1024, 1024, 3]}}; end of {name}")
        .into_bytes()
}

#[test]
fn what_is_packed_comes_back() {
    let mut examples = Examples::default();
    let rng = Rng::from_entropy();
    let mut kept = Vec::new();
    for n in 0..2_000u32 {
        let mut bytes = message(&format!("service-{n}"));
        // Some are changed here and there, cut, doubled, or noise.
        for _ in 0..n % 7 {
            let at = rng.next_u64() as usize % bytes.len();
            match n % 5 {
                0 => bytes[at] = rng.next_u64() as u8,
                1 => bytes.truncate(at + 1),
                2 => bytes.extend_from_within(at..),
                3 => drop(bytes.splice(at..at, rng.next_u64().to_le_bytes())),
                _ => bytes.iter_mut().for_each(|byte| *byte = rng.next_u64() as u8),
            }
        }
        kept.push((examples.pack(&bytes), bytes));
    }
    for bytes in [vec![], vec![7], vec![0; LONGEST], vec![1; LONGEST + 1]] {
        kept.push((examples.pack(&bytes), bytes));
    }
    for (packed, bytes) in kept {
        assert_eq!(&*examples.unpack(packed.example, &packed.bytes), bytes, "{packed:?}");
    }
}

#[test]
fn what_differs_in_a_name_is_kept_as_little_more_than_the_name() {
    let mut examples = Examples::default();
    examples.pack(&message("hello-00001"));
    let bytes = message("world-00042");
    let packed = examples.pack(&bytes);
    assert!(packed.bytes.len() < 3 * "world-00042".len() + 20, "{} of {}", packed.bytes.len(), bytes.len());
    assert_eq!(examples.0.len(), 1);
}

#[test]
fn what_is_unlike_becomes_an_example_and_there_are_never_too_many() {
    let mut examples = Examples::default();
    let rng = Rng::from_entropy();
    for _ in 0..1_000 {
        let noise: Vec<u8> = (0..100).map(|_| rng.next_u64() as u8).collect();
        let packed = examples.pack(&noise);
        assert_eq!(&*examples.unpack(packed.example, &packed.bytes), noise);
    }
    assert_eq!(examples.0.len(), MOST);
}

#[test]
fn broken_input_ends() {
    let mut examples = Examples::default();
    let bytes = message("hello");
    examples.pack(&bytes);
    let packed = examples.pack(&message("world")).bytes;
    for at in 0..packed.len() {
        let mut broken = packed.to_vec();
        broken[at] ^= 0xff;
        examples.unpack(1, &broken);
        examples.unpack(1, &packed[..at]);
    }
    examples.unpack(9, &packed);
}
