//! Paths and query strings of admin requests. Knows no commands.

/// A request target, taken apart.
pub(super) struct Query {
    pub(super) path: String,
    pub(super) pairs: Vec<(String, String)>,
}

impl Query {
    pub(super) fn parse(target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(key), decode(value))
            })
            .collect();
        Self { path: path.to_owned(), pairs }
    }

    /// First value of a parameter.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// Whether the parameter is there; `?graceful`, `?graceful=1`, but not `?graceful=false`.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| !matches!(value, "false" | "0" | "n"))
    }

    /// All values of a parameter.
    pub(super) fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter(move |(k, _)| k == key).map(|(_, value)| value.as_str())
    }
}

/// Percent-decoding; what is no escape stays. `+` stays too: it is common in regular expressions, and nobody writes
/// blanks here.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped =
            (first == b'%').then(|| after.split_at_checked(2)).flatten().and_then(|(hex, after)| {
                let byte = u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok()?;
                Some((byte, after))
            });
        let (byte, after) = escaped.unwrap_or((first, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
