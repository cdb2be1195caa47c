//! The version of a resource, as whoever serves it calls it. Knows nothing of resources.

use std::borrow::Cow;
use std::fmt;

/// A version's text, without an allocation where it is a hash in sixteen hexadecimal digits: thousands of resources have
/// such versions, and each is kept in more than one place.
#[derive(Clone, PartialEq, Eq)]
pub struct Version(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Hash(u64),
    /// Behind two pointers, so that the whole is no larger than a string's place.
    Text(Box<Text>),
}

#[derive(Clone, PartialEq, Eq)]
struct Text(Box<str>);

/// Digits of a [`Kind::Hash`]; what has fewer, more or capital ones is kept as it came.
const DIGITS: usize = 16;

impl Version {
    /// As it came.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.0 {
            Kind::Hash(hash) => format!("{hash:016x}").into(),
            Kind::Text(text) => (&*text.0).into(),
        }
    }
}

impl From<&str> for Version {
    fn from(text: &str) -> Self {
        let is_hash = text.len() == DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let hash = is_hash.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        Self(hash.map_or_else(|| Kind::Text(Box::new(Text(text.into()))), Kind::Hash))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_as_it_was() {
        let texts = [
            "",
            "1",
            "0000000000000000",
            "ffffffffffffffff",
            "00000000000000ab",
            "00000000000000AB",
            "+000000000000001",
            "0123456789abcdef0",
            "123456789abcdef",
            "ä234567890abcde",
        ];
        for text in texts {
            assert_eq!(Version::from(text).text(), text);
            assert_eq!(Version::from(text).to_string(), text);
        }
        for (a, b) in texts.iter().flat_map(|a| texts.iter().map(move |b| (a, b))) {
            assert_eq!(Version::from(*a) == Version::from(*b), a == b, "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_hash_takes_no_room_but_its_place() {
        assert_eq!(size_of::<Version>(), 16);
        assert!(matches!(Version::from("00000000000000ab").0, Kind::Hash(0xab)));
    }
}
