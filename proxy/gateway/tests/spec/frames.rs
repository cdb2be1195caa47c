//! An HTTP/2 client that shows the frames it gets, in their order.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::world::PATIENCE;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// What matters of a frame here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// The beginning of a response.
    Head(u32),
    /// The end of a response.
    End(u32),
    /// The last stream that may be served, and the error code.
    GoAway(u32, u32),
    /// The end of the connection.
    Closed,
}

/// The GOAWAY before the last one: every stream that is on its way will be served.
pub const NOTICE: Frame = Frame::GoAway(0x7fff_ffff, 0);

pub struct Frames {
    stream: TcpStream,
    next: u32,
}

impl Frames {
    /// Connects with prior knowledge.
    pub fn connect(to: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        let mut client = Self { stream, next: 1 };
        client.write(SETTINGS, 0, 0, &[]);
        client
    }

    fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        // Whoever has closed takes nothing any more, but what it sent before is still to be read: reading tells of the end.
        let _ = self.stream.write_all(&frame);
    }

    /// Sends PINGs that nobody has to answer; whether all of them were taken.
    pub fn goes_on_writing(&mut self) -> bool {
        let mut ping = vec![0, 0, 8, PING, ACK, 0, 0, 0, 0];
        ping.extend(*b"whatever");
        (0..10).all(|_| self.stream.write_all(&ping).is_ok())
    }

    /// Begins a GET; the number of its stream.
    pub fn get(&mut self, path: &str) -> u32 {
        let stream = self.next;
        self.next += 2;
        // :method GET and :scheme http by their static indices, then :authority and :path as literals without Huffman.
        let mut block = vec![0x82, 0x86, 0x41, 1, b'a', 0x04, path.len() as u8];
        block.extend(path.as_bytes());
        self.write(HEADERS, END_STREAM | END_HEADERS, stream, &block);
        stream
    }

    /// The next frame that matters; what the protocol wants for others is done.
    pub fn next(&mut self) -> Frame {
        loop {
            let mut head = [0; 9];
            if self.stream.read_exact(&mut head).is_err() {
                return Frame::Closed;
            }
            let number = |bytes: &[u8]| bytes.iter().fold(0u32, |n, byte| n << 8 | u32::from(*byte));
            let (length, kind, flags) = (number(&head[..3]), head[3], head[4]);
            let mut payload = vec![0; length as usize];
            if self.stream.read_exact(&mut payload).is_err() {
                return Frame::Closed;
            }
            let stream = number(&head[5..]);
            match kind {
                SETTINGS if flags & ACK == 0 => self.write(SETTINGS, ACK, 0, &[]),
                PING if flags & ACK == 0 => self.write(PING, ACK, 0, &payload),
                GOAWAY => return Frame::GoAway(number(&payload[..4]), number(&payload[4..8])),
                DATA | HEADERS if flags & END_STREAM != 0 => return Frame::End(stream),
                HEADERS => return Frame::Head(stream),
                _ => {}
            }
        }
    }

    /// Frames up to this one.
    pub fn until(&mut self, last: Frame) -> Vec<Frame> {
        let mut all = Vec::new();
        while all.last() != Some(&last) {
            assert_ne!(all.last(), Some(&Frame::Closed), "{last:?} did not come: {all:?}");
            all.push(self.next());
        }
        all
    }

    /// Asks and awaits the whole response; what came up to its end.
    pub fn asked(&mut self, path: &str) -> Vec<Frame> {
        let stream = self.get(path);
        self.until(Frame::End(stream))
    }
}
