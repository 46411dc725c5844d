//! The receiving half of a connection: frames in order per class, datagrams as they come, and what the end cut in two.

use std::fmt::Display;

use holdfast_domain::frame::{Bye, LinkId};
use quinn::{Connection, RecvStream, VarInt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::door::Misuse;
use crate::endpoint::{LinkEvent, Transport};
use crate::window::{BadFrame, Length, LengthSoFar, Window};

/// A shorter beginning of a frame is not worth the trouble: its fields would hardly be whole.
const PARTIAL_BYTES_MIN: usize = 512;
/// A datagram fits one packet of any network that is met; more is not ours.
const DATAGRAM_BYTES_MAX: usize = 1_500;

/// How a connection ended.
pub(crate) struct End {
    pub(crate) reason: String,
    /// Beginnings of frames, at most one a stream.
    pub(crate) partials: Vec<Vec<u8>>,
}

/// Takes what a connection brings until it ends.
pub(crate) async fn receive(transport: Transport, connection: Connection, link: LinkId) -> End {
    let mut readers = JoinSet::new();
    let datagrams = tokio::spawn(read_datagrams(transport.clone(), connection.clone(), link));
    let error = loop {
        match connection.accept_uni().await {
            Ok(stream) => {
                // A stream that was ended is taken off, so that their number stays that of the open ones.
                while readers.try_join_next().is_some() {}
                readers.spawn(read_class(transport.clone(), connection.clone(), stream, link));
            }
            Err(error) => break error,
        }
    };
    // The readers end with the connection, once the engine has taken what they hold.
    let partials = readers.join_all().await.into_iter().flatten().collect();
    drop(datagrams.await);
    End { reason: error.to_string(), partials }
}

/// Gives the beginning of a frame that the end cut in two.
async fn read_class(
    transport: Transport,
    connection: Connection,
    mut stream: RecvStream,
    link: LinkId,
) -> Option<Vec<u8>> {
    let mut window = Window::default();
    loop {
        let length = match read_length(&mut stream).await? {
            Ok(length) => length,
            Err(fault) => {
                turn_out(&transport, &connection, link, &fault);
                return None;
            }
        };
        // Grown as bytes come in: a peer that announces much and sends little costs little.
        let mut bytes = Vec::new();
        while bytes.len() < length.bytes {
            match stream.read_chunk(length.bytes - bytes.len(), true).await {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk.bytes),
                // The beginning of what is packed says nothing.
                _ => return (!length.packed && bytes.len() >= PARTIAL_BYTES_MIN).then_some(bytes),
            }
        }
        let bytes = match window.read(length.packed, bytes) {
            Ok(bytes) => bytes,
            Err(fault) => {
                turn_out(&transport, &connection, link, &fault);
                return None;
            }
        };
        transport.has_spoken(link);
        transport.events().send(LinkEvent::Frame { link, bytes }).await.ok()?;
    }
}

/// `None` if the stream ends.
async fn read_length(stream: &mut RecvStream) -> Option<Result<Length, BadFrame>> {
    let mut so_far = LengthSoFar::default();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.ok()?;
        if let Some(length) = so_far.take(byte[0]).transpose() {
            return Some(length);
        }
    }
}

/// One reader for all of them, which waits for its turn at the engine like each of the streams' readers: a flood of
/// datagrams pushes out its own oldest, and the streams keep their share.
async fn read_datagrams(transport: Transport, connection: Connection, link: LinkId) {
    let events: mpsc::Sender<LinkEvent> = transport.events();
    while let Ok(bytes) = connection.read_datagram().await {
        // An empty one is a beacon; quinn has acknowledged it already.
        if bytes.is_empty() {
            continue;
        }
        if bytes.len() > DATAGRAM_BYTES_MAX {
            return turn_out(&transport, &connection, link, &"a datagram over the limit");
        }
        if events.send(LinkEvent::Frame { link, bytes: bytes.to_vec() }).await.is_err() {
            return;
        }
    }
}

/// Ends a connection whose peer sent what is no frame, or more at once than it may; counted, and told of once.
fn turn_out(transport: &Transport, connection: &Connection, link: LinkId, fault: &dyn Display) {
    tracing::debug!(link = link.0, %fault, "a peer sent what is no frame");
    transport.door().misused(connection.remote_address(), Misuse::BadFrame);
    connection.close(VarInt::from_u32(Bye::BadFrame as u32), Bye::BadFrame.as_str().as_bytes());
}
