//! The page server and its client, over TCP and UDP.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;

use crate::signals::{listen, pending};

/// The timeout for a peer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The default text of the page.
const PAGE: &str = "a page from a container";

/// Serves one page over HTTP until SIGTERM. The page names the peer's address as the server sees it.
pub(crate) fn serve(arguments: &[String]) -> Result<ExitCode> {
    let (port, text) = port_and_text(arguments)?;
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
        .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)))
        .with_context(|| format!("cannot listen on port {port}"))?;
    listener.set_nonblocking(true)?;
    until_terminated(&listener, || match listener.accept() {
        // A peer that disconnects in the middle is no error of the server.
        Ok((stream, peer)) => drop(answer(stream, &page(&text, peer))),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(error) => drop(writeln!(std::io::stderr(), "payload: cannot accept: {error}")),
    })
}

/// Answers each datagram with the text, until SIGTERM.
pub(crate) fn serve_udp(arguments: &[String]) -> Result<ExitCode> {
    let (port, text) = port_and_text(arguments)?;
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port))
        .or_else(|_| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)))
        .with_context(|| format!("cannot listen on port {port}"))?;
    socket.set_nonblocking(true)?;
    until_terminated(&socket, || {
        let mut question = [0_u8; 2048];
        if let Ok((_, peer)) = socket.recv_from(&mut question) {
            drop(socket.send_to(page(&text, peer).as_bytes(), peer));
        }
    })
}

/// Sends a notification to the socket that `NOTIFY_SOCKET` names (sd_notify(3)).
pub(crate) fn notify(arguments: &[String]) -> Result<ExitCode> {
    let path = std::env::var_os("NOTIFY_SOCKET").context("NOTIFY_SOCKET is not set")?;
    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    socket.send_to(arguments.join("\n").as_bytes(), path)?;
    Ok(ExitCode::SUCCESS)
}

fn port_and_text(arguments: &[String]) -> Result<(u16, String)> {
    let [port, text @ ..] = arguments else { bail!("needs PORT [TEXT]") };
    let text = if text.is_empty() { PAGE.to_string() } else { text.join(" ") };
    Ok((port.parse().context("the port")?, text))
}

fn page(text: &str, peer: SocketAddr) -> String {
    format!("{text}\npeer {}\n", peer.ip().to_canonical())
}

fn until_terminated(source: &impl AsFd, mut each: impl FnMut()) -> Result<ExitCode> {
    let signals: SignalFd = listen(&[Signal::SIGTERM, Signal::SIGINT])?;
    writeln!(std::io::stdout(), "ready")?;
    loop {
        let mut events =
            [PollFd::new(source.as_fd(), PollFlags::POLLIN), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        match poll(&mut events, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        if pending(&signals)?.is_some() {
            return Ok(ExitCode::SUCCESS);
        }
        each();
    }
}

fn answer(mut stream: TcpStream, page: &str) -> Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    let mut part = [0_u8; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < 16_384 {
        match stream.read(&mut part)? {
            0 => break,
            n => request.extend_from_slice(part.get(..n).unwrap_or_default()),
        }
    }
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
        page.len()
    )?;
    Ok(stream.flush()?)
}

/// Prints the answer of a server.
pub(crate) fn fetch(arguments: &[String]) -> Result<ExitCode> {
    let [url] = arguments else { bail!("needs URL") };
    let body = match url.split_once("://") {
        Some(("http", rest)) => fetch_page(rest)?,
        Some(("udp", rest)) => fetch_datagram(rest)?,
        _ => bail!("{url} is neither http:// nor udp://"),
    };
    write!(std::io::stdout(), "{body}")?;
    Ok(ExitCode::SUCCESS)
}

fn resolve(place: &str) -> Result<SocketAddr> {
    place
        .to_socket_addrs()
        .with_context(|| format!("cannot resolve {place}"))?
        .next()
        .with_context(|| format!("no address for {place}"))
}

fn fetch_page(rest: &str) -> Result<String> {
    let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address = resolve(place)?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)
        .with_context(|| format!("cannot connect to {address}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(|| format!("no answer from {address}"))?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    Ok(body.to_string())
}

fn fetch_datagram(place: &str) -> Result<String> {
    let address = resolve(place)?;
    let socket = match address {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?,
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?,
    };
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(address)?;
    socket.send(b"?")?;
    let mut answer = [0_u8; 2048];
    let length = socket.recv(&mut answer).with_context(|| format!("no answer from {address}"))?;
    Ok(String::from_utf8_lossy(answer.get(..length).unwrap_or_default()).into_owned())
}
