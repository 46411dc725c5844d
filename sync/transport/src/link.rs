//! One connection: a stream and a queue per class out, frames in order per class in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use holdfast_domain::frame::{Bye, LinkId};
use holdfast_domain::limits::{FRAME_BYTES_MAX, LINK_QUEUE_BYTES_MAX, LINK_QUEUE_FRAMES_MAX};
use holdfast_domain::scope::Class;
use quinn::{Connection, RecvStream, VarInt};
use tokio::sync::mpsc;

use crate::endpoint::LinkEvent;

/// A peer does not take what is sent: its queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer does not take what is sent")]
pub struct Slow;

/// The sending half of a connection.
pub(crate) struct Outbox {
    connection: Connection,
    classes: BTreeMap<Class, mpsc::Sender<Vec<u8>>>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl Outbox {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, classes: BTreeMap::new(), waiting_bytes: Arc::default() }
    }

    /// Queues a frame; the first of a class opens its stream.
    pub(crate) fn send(&mut self, class: Class, bytes: Vec<u8>) -> Result<(), Slow> {
        let size = bytes.len();
        if self.waiting_bytes.fetch_add(size, Ordering::Relaxed) + size > LINK_QUEUE_BYTES_MAX {
            return Err(Slow);
        }
        let queue = self.classes.entry(class).or_insert_with(|| {
            let (queue, frames) = mpsc::channel(LINK_QUEUE_FRAMES_MAX);
            tokio::spawn(write_class(self.connection.clone(), class, frames, Arc::clone(&self.waiting_bytes)));
            queue
        });
        queue.try_send(bytes).map_err(|_| Slow)
    }

    pub(crate) fn close(&self, reason: Bye) {
        self.connection.close(VarInt::from_u32(reason as u32), reason.as_str().as_bytes());
    }
}

/// Sends the frames of one class in order. Ends with its queue or its connection.
async fn write_class(
    connection: Connection,
    class: Class,
    mut frames: mpsc::Receiver<Vec<u8>>,
    waiting_bytes: Arc<AtomicUsize>,
) {
    let Ok(mut stream) = connection.open_uni().await else { return };
    // Quinn sends the stream of the highest number first.
    if stream.set_priority(-(class as i32)).is_err() {
        return;
    }
    while let Some(frame) = frames.recv().await {
        let length = (frame.len() as u32).to_be_bytes();
        let sent = async {
            stream.write_all(&length).await?;
            stream.write_all(&frame).await
        };
        if sent.await.is_err() {
            return;
        }
        waiting_bytes.fetch_sub(frame.len(), Ordering::Relaxed);
    }
}

/// Takes what a connection brings until it ends, and says why it ended.
pub(crate) async fn receive(connection: Connection, link: LinkId, events: mpsc::Sender<LinkEvent>) -> String {
    loop {
        match connection.accept_uni().await {
            Ok(stream) => {
                tokio::spawn(read_class(connection.clone(), stream, link, events.clone()));
            }
            Err(error) => return error.to_string(),
        }
    }
}

async fn read_class(connection: Connection, mut stream: RecvStream, link: LinkId, events: mpsc::Sender<LinkEvent>) {
    loop {
        let mut length = [0; 4];
        if stream.read_exact(&mut length).await.is_err() {
            return;
        }
        let length = u32::from_be_bytes(length) as usize;
        if length > FRAME_BYTES_MAX {
            tracing::warn!(link = link.0, length, "a peer announced a frame over the limit");
            connection.close(VarInt::from_u32(Bye::BadFrame as u32), b"frame over the limit");
            return;
        }
        // Grown as bytes come in: a peer that announces much and sends little costs little.
        let mut bytes = Vec::new();
        while bytes.len() < length {
            match stream.read_chunk(length - bytes.len(), true).await {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk.bytes),
                _ => return,
            }
        }
        if events.send(LinkEvent::Frame { link, bytes }).await.is_err() {
            return;
        }
    }
}
