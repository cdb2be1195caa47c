//! Frames made by hand, and read by eye.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
/// A whole request.
pub const WHOLE: u8 = END_STREAM | END_HEADERS;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The number that the payload ends with: the code of RST_STREAM and GOAWAY.
    pub fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![a, b, c, kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A block that asks for `path`, which no table is needed for.
pub fn get(path: &str) -> Vec<u8> {
    block(0x82, path)
}

/// The same by POST.
pub fn post(path: &str) -> Vec<u8> {
    block(0x83, path)
}

fn block(method: u8, path: &str) -> Vec<u8> {
    let mut block = vec![method, 0x86, 0x04, path.len() as u8];
    block.extend(path.as_bytes());
    block.extend([0x01, 1, b'a']);
    block
}

pub fn setting(name: u16, value: u32) -> Vec<u8> {
    [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// One end of a connection, the other being the codec's.
pub struct Raw {
    io: DuplexStream,
}

impl Raw {
    /// A client that has said what clients say first.
    pub async fn client(io: DuplexStream) -> Self {
        let mut raw = Self { io };
        raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        raw.frame(SETTINGS, 0, 0, &[]).await;
        raw
    }

    /// Reads what clients say first.
    pub async fn preface(&mut self) {
        let mut said = [0; 24];
        self.io.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    }

    /// One that has said nothing.
    pub fn silent(io: DuplexStream) -> Self {
        Self { io }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        // The codec may have closed already; what it said before is what counts.
        let _ = self.io.write_all(bytes).await;
    }

    pub async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.send(&frame(kind, flags, stream, payload)).await;
    }

    /// The next frame; `None` at the end.
    pub async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.io.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.io.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// The next frame of this kind.
    pub async fn until(&mut self, kind: u8) -> Frame {
        loop {
            let frame =
                self.next().await.unwrap_or_else(|| panic!("the connection ended before frame {kind}"));
            if frame.kind == kind {
                return frame;
            }
            assert_ne!(frame.kind, GOAWAY, "the connection was given up: {}", frame.code());
        }
    }

    /// The code that the connection is given up with.
    pub async fn given_up(&mut self) -> u32 {
        loop {
            match self.next().await {
                Some(frame) if frame.kind == GOAWAY => return frame.code(),
                Some(_) => {}
                None => panic!("the connection ended without a word"),
            }
        }
    }

    /// The code that the stream is reset with.
    pub async fn reset(&mut self, stream: u32) -> u32 {
        loop {
            let frame = self.until(RST_STREAM).await;
            if frame.stream == stream {
                return frame.code();
            }
        }
    }

    /// Whether the connection still answers.
    pub async fn lives(&mut self) {
        self.frame(PING, 0, 0, b"12345678").await;
        loop {
            let frame = self.until(PING).await;
            if frame.flags == 1 && frame.payload == b"12345678" {
                return;
            }
        }
    }
}
