//! Values that need more than a number: domains, image mappings, sizes, times, URLs. Pure text to value.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

/// A DNS domain in lower case, without a final dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Domain(pub String);

impl FromStr for Domain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let domain = text.trim().trim_end_matches('.').to_ascii_lowercase();
        if domain.is_empty() {
            return Err("a domain is needed, e.g. localhost".to_owned());
        }
        if domain.len() > MAX_DOMAIN {
            return Err(format!(
                "longer than the {MAX_DOMAIN} characters that leave room for a service's name"
            ));
        }
        if let Some(label) = domain.split('.').find(|label| !is_label(label)) {
            return Err(format!(
                "{label:?} is not a DNS label (letters, digits and inner hyphens, at most 63 characters)"
            ));
        }
        Ok(Self(domain))
    }
}

/// Which command runs where a manifest names an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageCommand {
    pub image: String,
    /// As typed; the platform splits it into words as a shell would.
    pub command: String,
}

impl FromStr for ImageCommand {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((image, command)) = text.trim().split_once('=') else {
            return Err("IMAGE=COMMAND is needed, e.g. example.com/hello:1='./hello --v1'".to_owned());
        };
        let (image, command) = (image.trim(), command.trim());
        if image.is_empty() || image.contains(char::is_whitespace) {
            return Err(format!("{image:?} before the = is not the name of an image"));
        }
        if command.is_empty() {
            return Err(format!("the command for the image {image} is empty"));
        }
        forebay_local::words(command).map_err(|why| format!("the command for the image {image}: {why}"))?;
        Ok(Self { image: image.to_owned(), command: command.to_owned() })
    }
}

/// A size in bytes, written with a unit or without: 512, 60KiB, 64MiB, 1GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let scale = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kib" | "ki" => 1 << 10,
            "m" | "mib" | "mi" => 1 << 20,
            "g" | "gib" | "gi" => 1 << 30,
            other => return Err(format!("{other:?} is not a unit of size; KiB, MiB and GiB are")),
        };
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(scale))
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a size, e.g. 512, 60KiB or 64MiB"))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scale, unit) = match self.0 {
            0 => (1, ""),
            n if n % (1 << 30) == 0 => (1 << 30, "GiB"),
            n if n % (1 << 20) == 0 => (1 << 20, "MiB"),
            n if n % (1 << 10) == 0 => (1 << 10, "KiB"),
            _ => (1, ""),
        };
        write!(f, "{}{unit}", self.0 / scale)
    }
}

/// What a request's line and headers may take together: what the gateway itself takes of a listener, which it counts in KiB.
pub(crate) fn header_bytes(text: &str) -> Result<Bytes, String> {
    let bytes: Bytes = text.parse()?;
    match bytes.0 {
        1..=MAX_HEADER_BYTES => Ok(bytes),
        _ => Err(format!("{bytes} is not between 1 and {}", Bytes(MAX_HEADER_BYTES))),
    }
}

/// A time with units, as Go and Knative write it: 300ms, 90s, 1m30s.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    forebay_base::duration::parse_go(text.trim())
        .map_err(|error| format!("{error}; a time is written as 300ms, 90s or 1m30s"))
}

/// How many threads: at least one.
pub(crate) fn workers(text: &str) -> Result<NonZeroUsize, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is not a number of threads; 1 is the least"))
}

/// A URL with a host; `http://` may be left out.
pub(crate) fn url(text: &str) -> Result<http::Uri, String> {
    let text = text.trim();
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let uri: http::Uri = whole.parse().map_err(|error| format!("not a URL with scheme and host: {error}"))?;
    if uri.host().is_none_or(str::is_empty) {
        return Err("a URL with a host is needed, e.g. http://hello.default.localhost:8080/".to_owned());
    }
    Ok(uri)
}

/// `Name: value`.
pub(crate) fn header(text: &str) -> Result<(String, String), String> {
    let Some((name, value)) = text.split_once(':') else {
        return Err("a header is written as 'name: value'".to_owned());
    };
    let name: http::HeaderName =
        name.trim().parse().map_err(|_| format!("{:?} is not the name of a header", name.trim()))?;
    let value = value.trim();
    if http::HeaderValue::from_str(value).is_err() {
        return Err(format!("{value:?} cannot be the value of a header"));
    }
    Ok((name.as_str().to_owned(), value.to_owned()))
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Envoy's bound of `max_request_headers_kb`, 8192, in bytes.
const MAX_HEADER_BYTES: u64 = 8 << 20;

/// A host name has at most 253 characters; service and namespace may take 63 each, with a dot after each.
const MAX_DOMAIN: usize = 253 - 2 * 64;
