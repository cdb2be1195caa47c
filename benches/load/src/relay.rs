//! The floor: what a proxy pays that parses both heads with `httparse`, rewrites the fields it must, keeps upstream connections,
//! and has neither routes nor limits nor statistics nor a log. GET with answers of a known length only.

use std::cell::RefCell;
use std::io::Write;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Failure;

type Pool = Rc<RefCell<Vec<TcpStream>>>;

/// Ends when it is killed.
pub(crate) async fn run(listen: SocketAddr, to: SocketAddr) -> Result<String, Failure> {
    let listener = TcpListener::bind(listen).await?;
    let pool = Pool::default();
    loop {
        let (client, peer) = listener.accept().await?;
        client.set_nodelay(true)?;
        let pool = Rc::clone(&pool);
        tokio::task::spawn_local(async move {
            // A client that leaves is the ordinary end of a connection.
            let _ = serve(client, &pool, to, &peer.ip().to_string()).await;
        });
    }
}

async fn serve(mut client: TcpStream, pool: &Pool, to: SocketAddr, peer: &str) -> std::io::Result<()> {
    let (mut read, mut written) = (Vec::with_capacity(4096), Vec::with_capacity(4096));
    loop {
        if !head_of_request(&mut client, &mut read, &mut written, peer).await? {
            return Ok(());
        }
        let idle = pool.borrow_mut().pop();
        let mut upstream = match idle {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(to).await?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        upstream.write_all(&written).await?;
        let mut left = head_of_response(&mut upstream, &mut read, &mut written).await?;
        client.write_all(&written).await?;
        while left > 0 {
            read.clear();
            match upstream.read_buf(&mut read).await? {
                0 => return Err(std::io::Error::other("cut short")),
                length => left = left.saturating_sub(length),
            }
            client.write_all(&read).await?;
        }
        pool.borrow_mut().push(upstream);
    }
}

/// Reads a head and writes what goes on; false when the client has left.
async fn head_of_request(
    client: &mut TcpStream,
    read: &mut Vec<u8>,
    out: &mut Vec<u8>,
    peer: &str,
) -> std::io::Result<bool> {
    read.clear();
    loop {
        if client.read_buf(read).await? == 0 {
            return Ok(false);
        }
        let mut table = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut table);
        if request.parse(read).map_err(std::io::Error::other)?.is_partial() {
            continue;
        }
        out.clear();
        write!(out, "GET {} HTTP/1.1\r\n", request.path.unwrap_or("/"))?;
        fields(request.headers, out);
        write!(
            out,
            "x-forwarded-for: {peer}\r\nx-forwarded-proto: http\r\nx-request-id: {:032x}\r\n\r\n",
            read.as_ptr() as usize
        )?;
        return Ok(true);
    }
}

/// Reads a head, writes what goes on together with what of the body has come; how much of the body is still to come.
async fn head_of_response(
    upstream: &mut TcpStream,
    read: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> std::io::Result<usize> {
    read.clear();
    loop {
        if upstream.read_buf(read).await? == 0 {
            return Err(std::io::Error::other("the backend closed"));
        }
        let mut table = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut table);
        let httparse::Status::Complete(end) = response.parse(read).map_err(std::io::Error::other)? else {
            continue;
        };
        let length = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
        let length = length.and_then(|field| std::str::from_utf8(field.value).ok()?.parse::<usize>().ok());
        let length = length.ok_or_else(|| std::io::Error::other("an answer without Content-Length"))?;
        out.clear();
        write!(out, "HTTP/1.1 {} {}\r\n", response.code.unwrap_or(0), response.reason.unwrap_or(""))?;
        fields(response.headers, out);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&read[end..]);
        return Ok(length.saturating_sub(read.len() - end));
    }
}

fn fields(fields: &[httparse::Header<'_>], out: &mut Vec<u8>) {
    for field in fields {
        if !field.name.eq_ignore_ascii_case("connection") {
            out.extend(field.name.bytes().map(|byte| byte.to_ascii_lowercase()));
            out.extend_from_slice(b": ");
            out.extend_from_slice(field.value);
            out.extend_from_slice(b"\r\n");
        }
    }
}
