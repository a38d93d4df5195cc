//! A client of gRPC over a Unix socket: one call, one connection, one answer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::RecvStream;
use http::{HeaderMap, Request};
use prost::Message;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};

/// How long an answer may take: the server may wait for a container's end before it gives one.
const DEADLINE: Duration = Duration::from_secs(40);
/// The name of a method's service goes before each.
const SERVICES: [(&str, &str); 2] = [("Image", "runtime.v1.ImageService"), ("", "runtime.v1.RuntimeService")];

/// A client of the server behind one socket.
#[derive(Debug)]
pub(crate) struct Client {
    runtime: Runtime,
    socket: PathBuf,
}

/// Why a call was refused: gRPC's code and the server's words.
#[derive(Clone, Debug)]
pub struct Refused {
    /// One of gRPC's codes: 5 is "not found", 2 "unknown", 4 "deadline exceeded".
    pub code: u32,
    /// The server's words.
    pub message: String,
}

impl Client {
    /// Nothing is connected before the first call.
    pub(crate) fn new(socket: &Path) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, socket: socket.to_path_buf() }
    }

    /// Calls a method and waits for its answer.
    pub(crate) fn call<A: Message + Default>(
        &self,
        method: &str,
        request: &impl Message,
    ) -> Result<A, Refused> {
        let asked = async {
            let exchange = self.exchange(method, frame(request));
            tokio::time::timeout(DEADLINE, exchange).await
        };
        let answered = self.runtime.block_on(asked);
        let (headers, body, trailers) = answered
            .unwrap_or_else(|_| panic!("{method}: no answer within {DEADLINE:?}"))
            .map_err(|error| Refused { code: 14, message: error.to_string() })?;
        // A refusal without a body has its status where the headers are.
        let told = if trailers.contains_key("grpc-status") { &trailers } else { &headers };
        let text = |name: &str| told.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match text("grpc-status").parse() {
            Ok(0) => Ok(A::decode(&body[5..]).unwrap()),
            code => Err(Refused { code: code.unwrap_or(2), message: text("grpc-message").to_string() }),
        }
    }

    async fn exchange(
        &self,
        method: &str,
        body: Bytes,
    ) -> Result<(HeaderMap, Vec<u8>, HeaderMap), Box<dyn std::error::Error>> {
        let stream = UnixStream::connect(&self.socket).await?;
        let (client, connection) = h2::client::handshake(stream).await?;
        tokio::spawn(connection);
        let (_, service) = SERVICES.iter().find(|(word, _)| method.contains(word)).unwrap();
        let request = Request::post(format!("http://localhost/{service}/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())?;
        let (answer, mut sending) = client.ready().await?.send_request(request, false)?;
        sending.send_data(body, true)?;
        let (parts, mut incoming) = answer.await?.into_parts();
        let received = receive(&mut incoming).await?;
        Ok((parts.headers, received, incoming.trailers().await?.unwrap_or_default()))
    }
}

/// One message with its prefix: not compressed, and its length.
fn frame(message: &impl Message) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.encoded_len()).unwrap());
    message.encode(&mut framed).unwrap();
    framed.freeze()
}

async fn receive(incoming: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut all = Vec::new();
    while let Some(part) = incoming.data().await {
        let part = part?;
        incoming.flow_control().release_capacity(part.len())?;
        all.extend_from_slice(&part);
    }
    Ok(all)
}
