//! What went wrong with the app, in the words of Go's transport: they are the body of the 502. Knows no status.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use forebay_http::h1::HeadError;

use super::quote::quote;

/// Why the app did not answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// It did not take a connection.
    Dial { app: SocketAddr, why: io::Error },
    /// It said nothing to that.
    DialLate { app: SocketAddr, took: Duration },
    /// It closed the connection instead of answering.
    Eof,
    /// The connection broke.
    Io { local: Option<SocketAddr>, app: SocketAddr, why: io::Error },
    /// What it said is no HTTP/1.
    Malformed(String),
    /// What it said is no HTTP/2, or it reset the stream.
    Http2(forebay_http::h2::Error),
    /// It switched to another protocol than was asked for.
    Switched { to: String, wanted: String },
}

impl Broken {
    /// Go's type of the error, as metrics have it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Broken::Dial { .. } | Broken::Io { .. } => "net.OpError",
            Broken::DialLate { .. } => "fmt.wrapError",
            Broken::Eof | Broken::Switched { .. } => "errors.errorString",
            Broken::Malformed(_) => "net/http.badStringError",
            Broken::Http2(_) => "http2.StreamError",
        }
    }

    /// What a head that could not be read means.
    pub(super) fn head(error: HeadError, local: Option<SocketAddr>, app: SocketAddr, seen: &[u8]) -> Self {
        match error {
            HeadError::Closed => Broken::Eof,
            HeadError::Truncated if seen.is_empty() => Broken::Eof,
            HeadError::Io(why) => Broken::Io { local, app, why },
            HeadError::Truncated | HeadError::Reject(_) => {
                let line = seen.split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii_end();
                let what = match error {
                    _ if !line.starts_with(b"HTTP/") => format!("malformed HTTP response {}", quote(line)),
                    HeadError::Reject(why) => why.to_string(),
                    _ => "unexpected EOF".to_owned(),
                };
                Broken::Malformed(format!("net/http: HTTP/1.x transport connection broken: {what}"))
            }
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Dial { app, why } => write!(f, "dial tcp {app}: connect: {}", Errno(why)),
            Broken::DialLate { app, took } => {
                write!(f, "timed out dialing {app} after {:.2}s", took.as_secs_f64())
            }
            Broken::Eof => f.write_str("EOF"),
            Broken::Io { local: Some(local), app, why } => {
                write!(f, "read tcp {local}->{app}: read: {}", Errno(why))
            }
            Broken::Io { local: None, app, why } => write!(f, "read tcp {app}: read: {}", Errno(why)),
            Broken::Malformed(text) => f.write_str(text),
            Broken::Http2(error) => write!(f, "http2: {error}"),
            Broken::Switched { to, wanted } => {
                write!(f, "backend tried to switch protocol {to:?} when {wanted:?} was requested")
            }
        }
    }
}

/// The system's error as Go writes it: without a number, in lower case.
pub(crate) struct Errno<'e>(pub(crate) &'e io::Error);

impl fmt::Display for Errno<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let words = text.split(" (os error").next().unwrap_or_default();
        f.write_str(&words.to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_gos() {
        let app = SocketAddr::from(([127, 0, 0, 1], 8080));
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(
            Broken::Dial { app, why: refused }.to_string(),
            "dial tcp 127.0.0.1:8080: connect: connection refused"
        );
        assert_eq!(
            Broken::DialLate { app, took: Duration::from_millis(20_126) }.to_string(),
            "timed out dialing 127.0.0.1:8080 after 20.13s"
        );
        let reset = io::Error::from_raw_os_error(104);
        let local = Some(SocketAddr::from(([127, 0, 0, 1], 40_000)));
        assert_eq!(
            Broken::Io { local, app, why: reset }.to_string(),
            "read tcp 127.0.0.1:40000->127.0.0.1:8080: read: connection reset by peer"
        );
        let to_nothing = Broken::head(HeadError::Truncated, None, app, b"");
        assert_eq!(to_nothing.to_string(), "EOF");
        let garbage =
            Broken::head(HeadError::Reject(forebay_http::h1::Reject::Malformed), None, app, b"SSH-2.0\r\n");
        assert_eq!(
            garbage.to_string(),
            "net/http: HTTP/1.x transport connection broken: malformed HTTP response \"SSH-2.0\""
        );
    }
}
